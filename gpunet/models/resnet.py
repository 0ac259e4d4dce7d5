"""ResNet for images of ImageNet's size."""

from __future__ import annotations

from gpunet import random
from gpunet.geometry import as_int
from gpunet.layers import AdaptiveAvgPool2d, BatchNorm2d, Flatten, Linear, MaxPool2d, Module, ReLU, Sequential
from gpunet.layers.conv import Conv2d
from gpunet.models.residual import BasicBlock, Bottleneck, projection


def resnet18(num_classes: int = 1000, in_channels: int = 3, width: int = 64, seed: int | None = None) -> Sequential:
    """ResNet with 18 layers that have weights; made for 224 x 224 images, it takes any size.

    The keys of its state dict and its initial weights are those of torchvision.

    Args:
        num_classes: length of the output.
        in_channels: 1 for grey images, 3 for colours.
        width: channels of the first stage; each of the other three has twice those of the stage before it.
        seed: of the initial weights; None continues the stream of `gpunet.random.seed`.

    Returns:
        a net from (N, in_channels, H, W) to logits (N, num_classes).

    Raises:
        ShapeError: an argument is no positive integer.

    Source: He, Zhang, Ren and Sun 2016, arXiv:1512.03385, table 1, with option B for the shortcuts.
    """
    return _resnet(BasicBlock, 1, (2, 2, 2, 2), num_classes, in_channels, width, seed)


def resnet34(num_classes: int = 1000, in_channels: int = 3, width: int = 64, seed: int | None = None) -> Sequential:
    """ResNet with 34 layers that have weights; all else as in `resnet18`."""
    return _resnet(BasicBlock, 1, (3, 4, 6, 3), num_classes, in_channels, width, seed)


def resnet50(num_classes: int = 1000, in_channels: int = 3, width: int = 64, seed: int | None = None) -> Sequential:
    """ResNet with 50 layers that have weights, in bottleneck blocks; all else as in `resnet18`.

    Four times the ``width`` leaves the blocks of the first stage.
    """
    return _resnet(Bottleneck, 4, (3, 4, 6, 3), num_classes, in_channels, width, seed)


def resnet101(num_classes: int = 1000, in_channels: int = 3, width: int = 64, seed: int | None = None) -> Sequential:
    """ResNet with 101 layers that have weights; all else as in `resnet50`."""
    return _resnet(Bottleneck, 4, (3, 4, 23, 3), num_classes, in_channels, width, seed)


def resnet152(num_classes: int = 1000, in_channels: int = 3, width: int = 64, seed: int | None = None) -> Sequential:
    """ResNet with 152 layers that have weights; all else as in `resnet50`."""
    return _resnet(Bottleneck, 4, (3, 8, 36, 3), num_classes, in_channels, width, seed)


def _resnet(
    block: type[BasicBlock | Bottleneck],
    expansion: int,
    counts: tuple[int, ...],
    num_classes: int,
    in_channels: int,
    width: int,
    seed: int | None,
) -> Sequential:
    # expansion: channels that leave a block for each one inside; counts: blocks of each stage
    with random.seeded(seed):
        channels = as_int(width, "width", 1)
        layers: dict[str, Module] = {
            "conv1": Conv2d(
                as_int(in_channels, "in_channels", 1),
                channels,
                7,
                stride=2,
                padding=3,
                bias=False,
                initializer="he_normal_fan_out",
            ),
            "bn1": BatchNorm2d(channels),
            "relu": ReLU(),
            "maxpool": MaxPool2d(3, stride=2, padding=1),
        }
        for stage, count in enumerate(counts):
            inside, stride = width * 2**stage, 1 if stage == 0 else 2
            blocks = []
            for number in range(count):
                step = stride if number == 0 else 1
                grows = step != 1 or channels != inside * expansion
                shortcut = projection(channels, inside * expansion, step) if grows else None
                blocks.append(block(channels, inside, step, shortcut))
                channels = inside * expansion
            layers[f"layer{stage + 1}"] = Sequential(*blocks)
        layers["avgpool"] = AdaptiveAvgPool2d((1, 1))
        layers["flatten"] = Flatten()
        layers["fc"] = Linear(channels, num_classes)
    return Sequential(layers)
