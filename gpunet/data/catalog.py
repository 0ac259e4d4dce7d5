"""The published data sets: their classes, where they can be fetched, and the SHA-256 of every file.

The hashes of MNIST and CIFAR are those that several independent projects pin. Those of Fashion-MNIST were also checked
against the bytes of Debian's package dataset-fashion-mnist (tests/data/test_catalog.py does it again).
"""

from __future__ import annotations

from dataclasses import dataclass

from gpunet.data.cifar import CIFAR10, CIFAR100, CifarLayout


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file to fetch.

    Attributes:
        filename: under which it is kept.
        sha256: of its bytes, 64 hexadecimal digits.
        urls: tried in this order.
    """

    filename: str
    sha256: str
    urls: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Published:
    """A data set that is known by name.

    Attributes:
        name: for `load`.
        class_names: by label.
        folders: under which it may lie in a folder of data sets, the first being ours.
        files: to fetch.
        layout: of CIFAR's files; None for the four IDX files.
    """

    name: str
    class_names: tuple[str, ...]
    folders: tuple[str, ...]
    files: tuple[RemoteFile, ...]
    layout: CifarLayout | None = None


def _idx_files(bases: tuple[str, ...], hashes: tuple[tuple[str, str], ...]) -> tuple[RemoteFile, ...]:
    return tuple(RemoteFile(name, sha256, tuple(base + name for base in bases)) for name, sha256 in hashes)


_TORONTO = "https://www.cs.toronto.edu/~kriz/"

FASHION_MNIST = Published(
    name="fashion-mnist",
    class_names=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    folders=("fashion-mnist", "fashion_mnist", "FashionMNIST", "FashionMNIST/raw"),
    files=_idx_files(
        (
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
        ),
        (
            ("train-images-idx3-ubyte.gz", "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
            ("train-labels-idx1-ubyte.gz", "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
            ("t10k-images-idx3-ubyte.gz", "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
            ("t10k-labels-idx1-ubyte.gz", "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
        ),
    ),
)

MNIST = Published(
    name="mnist",
    class_names=tuple(str(digit) for digit in range(10)),
    folders=("mnist", "MNIST", "MNIST/raw"),
    files=_idx_files(
        (
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
        (
            ("train-images-idx3-ubyte.gz", "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
            ("train-labels-idx1-ubyte.gz", "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
            ("t10k-images-idx3-ubyte.gz", "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
            ("t10k-labels-idx1-ubyte.gz", "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
        ),
    ),
)

CIFAR_10 = Published(
    name="cifar10",
    class_names=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    folders=("cifar10", "cifar-10", "CIFAR10", "cifar-10-batches-bin"),
    files=(
        RemoteFile(
            CIFAR10.archive,
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            (_TORONTO + CIFAR10.archive,),
        ),
    ),
    layout=CIFAR10,
)

_CIFAR_100_CLASSES = """
    apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle
    caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant
    flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree
    motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate
    poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake spider
    squirrel streetcar sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle
    wardrobe whale willow_tree wolf woman worm
"""

CIFAR_100 = Published(
    name="cifar100",
    class_names=tuple(_CIFAR_100_CLASSES.split()),
    folders=("cifar100", "cifar-100", "CIFAR100", "cifar-100-binary"),
    files=(
        RemoteFile(
            CIFAR100.archive,
            "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
            (_TORONTO + CIFAR100.archive,),
        ),
    ),
    layout=CIFAR100,
)

PUBLISHED = {entry.name: entry for entry in (FASHION_MNIST, MNIST, CIFAR_10, CIFAR_100)}
