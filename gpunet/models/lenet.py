"""LeNet."""

from __future__ import annotations

from gpunet import random
from gpunet.geometry import as_pair
from gpunet.layers import Conv2d, Flatten, Linear, MaxPool2d, Module, ReLU, Sequential

_CLASSIC_SIZE = 32  # of LeNet-5's images, in which the digit of 28 x 28 stood with a margin


def lenet(
    num_classes: int = 10,
    in_channels: int = 1,
    image_size: int | tuple[int, int] = (28, 28),
    seed: int | None = None,
) -> Sequential:
    """LeNet-5 in today's form: two 5x5 convolutions of 6 and 16 filters, then 120 and 84 units; ReLU and max pooling.

    Images below 32 x 32 get the margin of the original by a padding of 2 in the first convolution.

    Args:
        num_classes: length of the output.
        in_channels: 1 for grey images, 3 for colours.
        image_size: rows and columns of the images, each at least 12.
        seed: of the initial weights; None continues the stream of `gpunet.random.seed`.

    Returns:
        a net from (N, in_channels, *image_size) to logits (N, num_classes).

    Raises:
        ShapeError: an argument is no positive integer, or the images are too small.

    Source: LeCun, Bottou, Bengio and Haffner 1998, "Gradient-based learning applied to document recognition", figure 2.
    """
    size = as_pair(image_size, "image_size", 1)
    padding = 2 if min(size) < _CLASSIC_SIZE else 0
    with random.seeded(seed):
        features: dict[str, Module] = {
            "conv1": Conv2d(in_channels, 6, 5, padding=padding),
            "relu1": ReLU(),
            "pool1": MaxPool2d(2),
            "conv2": Conv2d(6, 16, 5),
            "relu2": ReLU(),
            "pool2": MaxPool2d(2),
            "flatten": Flatten(),
        }
        (count,) = Sequential(features).output_shape((in_channels, *size))
        return Sequential(
            {
                **features,
                "fc1": Linear(count, 120),
                "relu3": ReLU(),
                "fc2": Linear(120, 84),
                "relu4": ReLU(),
                "fc3": Linear(84, num_classes),
            }
        )
