"""VGG: 3x3 convolutions in blocks, each block ending in max pooling."""

from __future__ import annotations

from gpunet import random
from gpunet.geometry import as_int, as_pair
from gpunet.layers import (
    AdaptiveAvgPool2d,
    BatchNorm2d,
    Dropout,
    Flatten,
    Linear,
    MaxPool2d,
    Module,
    ReLU,
    Sequential,
)
from gpunet.models.initial import conv_from_zero_bias, small_linear

# Filters of the convolutions, block by block; the letters are the columns of the paper's table 1.
_A = ((64,), (128,), (256, 256), (512, 512), (512, 512))
_B = ((64, 64), (128, 128), (256, 256), (512, 512), (512, 512))
_D = ((64, 64), (128, 128), (256,) * 3, (512,) * 3, (512,) * 3)
_E = ((64, 64), (128, 128), (256,) * 4, (512,) * 4, (512,) * 4)


def vgg11(
    num_classes: int = 1000,
    in_channels: int = 3,
    batch_norm: bool = False,
    dropout: float = 0.5,
    hidden_features: int = 4096,
    seed: int | None = None,
) -> Sequential:
    """VGG with 11 layers that have weights, for images from 32 x 32; made for 224 x 224.

    The keys of its state dict and its initial weights are those of torchvision.

    Args:
        num_classes: length of the output.
        in_channels: 1 for grey images, 3 for colours.
        batch_norm: a batch normalisation after each convolution.
        dropout: probability of the two dropouts of the classifier.
        hidden_features: units of its two hidden layers; 4096 makes them hold most of the net's parameters.
        seed: of the initial weights; None continues the stream of `gpunet.random.seed`.

    Returns:
        a net from (N, in_channels, H, W) to logits (N, num_classes).

    Raises:
        ShapeError, DataError: an argument is no positive integer, or no probability.

    Source: Simonyan and Zisserman 2015, arXiv:1409.1556, table 1.
    """
    return _vgg(_A, num_classes, in_channels, batch_norm, dropout, hidden_features, seed)


def vgg13(
    num_classes: int = 1000,
    in_channels: int = 3,
    batch_norm: bool = False,
    dropout: float = 0.5,
    hidden_features: int = 4096,
    seed: int | None = None,
) -> Sequential:
    """VGG with 13 layers that have weights; all else as in `vgg11`."""
    return _vgg(_B, num_classes, in_channels, batch_norm, dropout, hidden_features, seed)


def vgg16(
    num_classes: int = 1000,
    in_channels: int = 3,
    batch_norm: bool = False,
    dropout: float = 0.5,
    hidden_features: int = 4096,
    seed: int | None = None,
) -> Sequential:
    """VGG with 16 layers that have weights; all else as in `vgg11`."""
    return _vgg(_D, num_classes, in_channels, batch_norm, dropout, hidden_features, seed)


def vgg19(
    num_classes: int = 1000,
    in_channels: int = 3,
    batch_norm: bool = False,
    dropout: float = 0.5,
    hidden_features: int = 4096,
    seed: int | None = None,
) -> Sequential:
    """VGG with 19 layers that have weights; all else as in `vgg11`."""
    return _vgg(_E, num_classes, in_channels, batch_norm, dropout, hidden_features, seed)


def vgg_cifar(
    num_classes: int = 10,
    in_channels: int = 3,
    image_size: int | tuple[int, int] = (32, 32),
    batch_norm: bool = True,
    dropout: float = 0.5,
    hidden_features: int = 256,
    width: int = 64,
    seed: int | None = None,
) -> Sequential:
    """A VGG for small images: three blocks of two convolutions and one hidden layer.

    Args:
        num_classes: length of the output.
        in_channels: 1 for grey images, 3 for colours.
        image_size: rows and columns of the images, each at least 8.
        batch_norm: a batch normalisation after each convolution.
        dropout: probability of the dropout before the last layer.
        hidden_features: units of the hidden layer.
        width: filters of the first block's convolutions; the second has twice, the third four times as many.
        seed: of the initial weights; None continues the stream of `gpunet.random.seed`.

    Returns:
        a net from (N, in_channels, *image_size) to logits (N, num_classes).

    Raises:
        ShapeError, DataError: an argument is no positive integer, or no probability; or the images are too small.
    """
    with random.seeded(seed):
        first = as_int(width, "width", 1)
        features = _features(((first,) * 2, (2 * first,) * 2, (4 * first,) * 2), in_channels, batch_norm)
        channels, rows, columns = features.output_shape((in_channels, *as_pair(image_size, "image_size", 1)))
        classifier = Sequential(
            Linear(channels * rows * columns, hidden_features),
            ReLU(),
            Dropout(dropout),
            Linear(hidden_features, num_classes),
        )
    return Sequential({"features": features, "flatten": Flatten(), "classifier": classifier})


def _vgg(
    plan: tuple[tuple[int, ...], ...],
    num_classes: int,
    in_channels: int,
    batch_norm: bool,
    dropout: float,
    hidden_features: int,
    seed: int | None,
) -> Sequential:
    with random.seeded(seed):
        features = _features(plan, in_channels, batch_norm)
        classifier = Sequential(
            small_linear(plan[-1][-1] * 7 * 7, hidden_features),
            ReLU(),
            Dropout(dropout),
            small_linear(hidden_features, hidden_features),
            ReLU(),
            Dropout(dropout),
            small_linear(hidden_features, num_classes),
        )
    return Sequential(
        {"features": features, "avgpool": AdaptiveAvgPool2d((7, 7)), "flatten": Flatten(), "classifier": classifier}
    )


def _features(plan: tuple[tuple[int, ...], ...], in_channels: int, batch_norm: bool) -> Sequential:
    layers: list[Module] = []
    channels = as_int(in_channels, "in_channels", 1)
    for block in plan:
        for filters in block:
            layer = conv_from_zero_bias(channels, filters, 3, padding=1, initializer="he_normal_fan_out")
            layers += [layer, *([BatchNorm2d(filters)] if batch_norm else []), ReLU()]
            channels = filters
        layers.append(MaxPool2d(2))
    return Sequential(*layers)
