"""What images a model was made for."""

from __future__ import annotations

# What of the data sets need not be read to be known: (channels, rows, columns), classes.
SAMPLE_SHAPES = {
    "digits": ((1, 28, 28), 10),
    "mnist": ((1, 28, 28), 10),
    "fashion-mnist": ((1, 28, 28), 10),
    "cifar10": ((3, 32, 32), 10),
    "cifar100": ((3, 32, 32), 100),
    "imagenet": ((3, 224, 224), 1000),
}
# What a model was made for; those named neither here nor below, for ImageNet.
_DATA_OF = {
    "denoising_autoencoder": "digits",
    "seed_network": "digits",
    "lenet": "digits",
    "compact_resnet": "fashion-mnist",
    "vgg_cifar": "cifar10",
    "resnet20": "cifar10",
    "resnet32": "cifar10",
    "resnet44": "cifar10",
    "resnet56": "cifar10",
    "resnet110": "cifar10",
}
_OWN = {"unet": ((3, 128, 128), 2)}  # of no data set here


def sample_shape(model: str, data: str | None = None) -> tuple[tuple[int, int, int], int]:
    """(channels, rows, columns) and number of classes of a data set.

    Args:
        model: its name.
        data: a key of `SAMPLE_SHAPES`; None means what the model was made for.
    """
    if data is None and model in _OWN:
        return _OWN[model]
    return SAMPLE_SHAPES[data or _DATA_OF.get(model, "imagenet")]
