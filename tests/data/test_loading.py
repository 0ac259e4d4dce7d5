from pathlib import Path

import numpy as np
import pytest
from data_files import IDX_STEMS, pixels, write_archive, write_cifar10, write_cifar100, write_idx_set

from gpunet.data import DataLoader, load, locate, names
from gpunet.errors import DataError

DEBIAN = Path("/usr/share/datasets/fashion-mnist")


@pytest.fixture(autouse=True)
def no_data_here(tmp_path, monkeypatch):
    """Nothing of this machine is found and nothing is downloaded."""
    monkeypatch.setattr(locate, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(locate, "SYSTEM_FOLDER", tmp_path / "system")
    monkeypatch.setattr("gpunet.data.download.fetch_file", lambda remote, folder: pytest.fail("downloads"))


def write_pictures(folder):
    Image = pytest.importorskip("PIL.Image", reason="needs Pillow: pip install 'gpunet[data]'")  # noqa: N806
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
        for number in range(5):
            Image.fromarray(pixels(1, 4, 6, start=number)[0]).save(folder / name / f"{number}.png")


def test_names():
    assert names() == ["digits", "fashion-mnist", "mnist", "cifar10", "cifar100"]


@pytest.mark.parametrize("name", ["digits", "Digits"])
def test_digits_by_name(name):
    assert len(load(name)[0]) == 1438


@pytest.mark.parametrize("name", ["fashion-mnist", "fashion_mnist", "FashionMNIST"])
def test_spellings(name, tmp_path):
    write_idx_set(tmp_path / "cache" / "fashion-mnist")
    train, test = load(name)
    assert train.name == test.name == "fashion-mnist"
    assert train.class_names[9] == "Ankle boot"


def test_a_given_path_goes_before_all(tmp_path, monkeypatch):
    write_idx_set(tmp_path / "cache" / "mnist", train=2)
    write_idx_set(tmp_path / "own" / "mnist", train=3)
    write_idx_set(tmp_path / "given", train=4)
    assert len(load("mnist")[0]) == 2
    monkeypatch.setenv("GPUNET_DATA", str(tmp_path / "own"))
    assert len(load("mnist")[0]) == 3
    assert len(load("mnist", tmp_path / "given")[0]) == 4
    with pytest.raises(DataError, match=r"mnist: .*empty is not a folder"):
        load("mnist", str(tmp_path / "empty"))


def test_a_path_may_begin_with_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    write_idx_set(tmp_path / "here")
    assert len(load("mnist", "~/here")[0]) == 6
    assert len(load("~/here")[0]) == 6


def test_cifar_by_name_wants_the_published_number_of_records(tmp_path):
    write_cifar10(tmp_path / "cache" / "cifar10")
    with pytest.raises(DataError, match=r"wanted 10000 records"):
        load("cifar10")


def test_folders_of_every_kind(tmp_path):
    write_idx_set(tmp_path / "idx")
    train, _ = load(tmp_path / "idx")
    assert (train.name, train.sample_shape, train.class_names) == ("idx", (1, 5, 5), tuple("012345"))

    _, labels = write_cifar10(tmp_path / "ten")
    train, _ = load(str(tmp_path / "ten"))
    assert (train.name, train.class_names[3], train.labels.tolist()) == ("ten", "cat", labels[:15].tolist())

    write_cifar100(tmp_path / "hundred")
    assert load(tmp_path / "hundred")[0].class_names[1] == "aquarium_fish"
    write_archive(tmp_path / "packed" / "cifar-100-binary.tar.gz", tmp_path / "hundred", "cifar-100-binary")
    assert load(tmp_path / "packed")[1].num_classes == 100


def test_a_folder_of_images(tmp_path):
    write_pictures(tmp_path / "pets")
    train, test = load(tmp_path / "pets")
    assert (train.name, train.sample_shape, train.class_names) == ("pets", (1, 4, 6), ("a", "b"))
    assert (len(train), len(test)) == (8, 2)
    assert load(tmp_path / "pets", image_size=8, channels=3)[1].sample_shape == (3, 8, 8)


def test_a_folder_with_the_name_of_a_set(tmp_path, monkeypatch):
    write_idx_set(tmp_path / "mnist", train=3)
    write_idx_set(tmp_path / "cache" / "mnist", train=2)
    monkeypatch.chdir(tmp_path)
    assert len(load("mnist")[0]) == 2
    assert len(load("./mnist")[0]) == 3
    assert len(load(Path("mnist"))[0]) == 3
    monkeypatch.chdir(tmp_path / "mnist")
    assert load(".")[0].name == "mnist"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("cfar10", r"cfar10: no such data set or folder, wanted .* one of digits, .*\. Did you mean 'cifar10'\?"),
        ("/no/such/place", r"/no/such/place: no such data set or folder, wanted a folder or one of digits"),
    ],
)
def test_an_unknown_name(name, said):
    with pytest.raises(DataError, match=said):
        load(name)


def test_arguments_that_do_not_belong_together(tmp_path):
    with pytest.raises(DataError, match=r"digits: is bundled with gpunet and takes no path"):
        load("digits", tmp_path)
    with pytest.raises(DataError, match=r"somewhere: no such data set.* A path beside it needs one of these names"):
        load("somewhere", tmp_path)
    for name in ("digits", "mnist"):
        with pytest.raises(DataError, match=rf"{name}: image_size and channels are for a folder of images"):
            load(name, image_size=28)
    write_idx_set(tmp_path / "idx")
    with pytest.raises(
        DataError, match=r"idx: image_size and channels are for a folder of images, and this one is not"
    ):
        load(tmp_path / "idx", channels=1)


def test_folders_that_hold_something_else(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataError, match=r"file: is a file, wanted the folder"):
        load(tmp_path / "file")
    write_idx_set(tmp_path / "half")
    (tmp_path / "half" / f"{IDX_STEMS[3]}.gz").unlink()
    with pytest.raises(
        DataError, match=r"half: has train-images-idx3-ubyte, .* but no t10k-labels-idx1-ubyte, wanted all"
    ):
        load(tmp_path / "half")
    (tmp_path / "pickled" / "cifar-100-python").mkdir(parents=True)
    with pytest.raises(DataError, match=r"cifar-100-python: is the python version of cifar100, made of pickles"):
        load(tmp_path / "pickled")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty: wanted one sub-folder of images for each class"):
        load(tmp_path / "empty")


def test_pickles_are_named_only_when_nothing_better_can_be_had(tmp_path, monkeypatch):
    (tmp_path / "cache" / "cifar100" / "cifar-100-python").mkdir(parents=True)
    with pytest.raises(DataError, match=r"python version of cifar100, made of pickles.*Take the binary version"):
        load("cifar100", download=False)

    def fail(remote, folder):
        raise DataError(f"{remote.filename}: the download failed.")

    monkeypatch.setattr("gpunet.data.download.fetch_file", fail)
    with pytest.raises(DataError, match=r"python version of cifar100, made of pickles"):
        load("cifar100")
    monkeypatch.setattr("gpunet.data.download.fetch_file", lambda remote, folder: write_cifar100(folder))
    with pytest.raises(DataError, match=r"train.bin: .*wanted 50000 records"):  # fetched and read, only too short
        load("cifar100")


def test_no_network_is_said_in_one_line(tmp_path, monkeypatch):
    def fail(remote, folder):
        raise DataError(f"{remote.filename}: the download failed.")

    monkeypatch.setattr("gpunet.data.download.fetch_file", fail)
    with pytest.raises(
        DataError, match=r"^mnist: not in .*cache, .*system\. train-images-idx3-ubyte.gz: the download"
    ) as e:
        load("mnist")
    assert "\n" not in str(e.value)


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="Debian's package dataset-fashion-mnist is not installed")
def test_the_real_fashion_mnist(monkeypatch):
    monkeypatch.setattr(locate, "SYSTEM_FOLDER", DEBIAN.parent)
    train, test = load("fashion-mnist")
    assert (len(train), len(test)) == (60_000, 10_000)
    assert train.sample_shape == test.sample_shape == (1, 28, 28)
    assert np.bincount(train.labels).tolist() == [6000] * 10
    assert np.bincount(test.labels).tolist() == [1000] * 10
    assert train.labels[:5].tolist() == [9, 0, 0, 3, 0]  # an ankle boot, two T-shirts, a dress, another T-shirt
    assert (train.mean.round(4).tolist(), train.std.round(4).tolist()) == ([0.2860], [0.3530])
    total = np.zeros(2)
    for images, _ in DataLoader(train, 1000, shuffle=True):
        total += images.mean(dtype="float64"), np.square(images, dtype="float64").mean()
    assert np.allclose(total / 60, [0, 1], atol=1e-6)
