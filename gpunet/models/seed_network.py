"""The network with which this project began: one of each layer."""

from __future__ import annotations

from gpunet import random
from gpunet.geometry import as_pair
from gpunet.layers import Conv2d, Flatten, Linear, MaxPool2d, ReLU, Sequential


def seed_network(
    num_classes: int = 10,
    in_channels: int = 1,
    image_size: int | tuple[int, int] = (28, 28),
    channels: int = 32,
    seed: int | None = None,
) -> Sequential:
    """Convolution, ReLU, max pooling and a fully connected layer; the softmax is in the loss.

    Args:
        num_classes: length of the output.
        in_channels: 1 for grey images, 3 for colours.
        image_size: rows and columns of the images, each at least 2.
        channels: filters of the convolution.
        seed: of the initial weights; None continues the stream of `gpunet.random.seed`.

    Returns:
        a net from (N, in_channels, *image_size) to logits (N, num_classes).

    Raises:
        ShapeError: an argument is no positive integer, or the images are too small.
    """
    with random.seeded(seed):
        features = Sequential(Conv2d(in_channels, channels, 3, padding=1), ReLU(), MaxPool2d(2), Flatten())
        (count,) = features.output_shape((in_channels, *as_pair(image_size, "image_size", 1)))
        return Sequential(*features, Linear(count, num_classes))
