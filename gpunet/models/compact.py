"""A small residual network for small images, such as those of Fashion-MNIST."""

from __future__ import annotations

from collections.abc import Sequence

from gpunet import random
from gpunet.errors import ShapeError
from gpunet.geometry import as_int
from gpunet.layers import (
    AdaptiveAvgPool2d,
    Add,
    BatchNorm2d,
    Conv2d,
    Flatten,
    Identity,
    Linear,
    MaxPool2d,
    ReLU,
    Sequential,
)


def compact_resnet(
    num_classes: int = 10,
    in_channels: int = 1,
    widths: Sequence[int] = (16, 32, 64),
    blocks: Sequence[int] = (0, 1, 1),
    seed: int | None = None,
) -> Sequential:
    """Stages of 3x3 convolutions with batch norm, max pooling between them, and the average of each channel at the end.

    Each stage is one convolution to its width, then residual blocks of a single convolution: y = x + relu(bn(conv(x))).
    With the default widths and one-channel images it has 70,330 parameters. Most of the work is done on images of half
    and a quarter of the size, where a convolution has many channels and few places.

    Args:
        num_classes: length of the output.
        in_channels: 1 for grey images, 3 for colours.
        widths: channels of each stage; the image is halved between two stages.
        blocks: residual blocks of each stage.
        seed: of the initial weights; None continues the stream of `gpunet.random.seed`.

    Returns:
        a net from (N, in_channels, H, W) to logits (N, num_classes), for any image that can be halved that often.

    Raises:
        ShapeError: an argument is no positive integer, or widths and blocks differ in length.
    """
    if len(widths) != len(blocks) or not widths:
        raise ShapeError(
            f"compact_resnet: widths and blocks must be equally long, got {list(widths)} and {list(blocks)}."
        )
    with random.seeded(seed):
        net: dict[str, Sequential | MaxPool2d | AdaptiveAvgPool2d | Flatten | Linear] = {}
        channels = in_channels
        for stage, (width, count) in enumerate(zip(widths, blocks, strict=True), start=1):
            residuals = [Add(_convolution(width, width), Identity()) for _ in range(as_int(count, "blocks", 0))]
            net[f"stage{stage}"] = Sequential(_convolution(channels, width), *residuals)
            if stage < len(widths):
                net[f"pool{stage}"] = MaxPool2d(2)
            channels = width
        net |= {"average": AdaptiveAvgPool2d(1), "flatten": Flatten(), "fc": Linear(channels, num_classes)}
        return Sequential(net)


def _convolution(in_channels: int, out_channels: int) -> Sequential:
    return Sequential(Conv2d(in_channels, out_channels, 3, padding=1, bias=False), BatchNorm2d(out_channels), ReLU())
