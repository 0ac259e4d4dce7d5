"""MobileNet v2: a convolution of each channel alone between two 1x1 convolutions."""

from __future__ import annotations

from gpunet import random
from gpunet.errors import DataError
from gpunet.geometry import as_int
from gpunet.layers import AdaptiveAvgPool2d, BatchNorm2d, Conv2d, Dropout, Flatten, Module, ReLU6, Sequential
from gpunet.layers.module import Context, Shape
from gpunet.models.initial import small_linear
from gpunet.state import Array

# Rows of the paper's table 2: expansion, channels, blocks, stride of the first of them.
_STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
_FIRST, _LAST = 32, 1280
_MULTIPLE = 8  # of which numbers of channels are


def mobilenet_v2(
    num_classes: int = 1000,
    in_channels: int = 3,
    width_mult: float = 1.0,
    dropout: float = 0.2,
    seed: int | None = None,
) -> Sequential:
    """MobileNet v2; made for 224 x 224 images, it takes any size.

    The keys of its state dict and its initial weights are those of torchvision.

    Args:
        num_classes: length of the output.
        in_channels: 1 for grey images, 3 for colours.
        width_mult: makes all layers wider or narrower; below 1, the last convolution keeps its 1280 channels. Numbers
            of channels are rounded to multiples of 8, by no more than a tenth downwards.
        dropout: probability of the dropout before the last layer.
        seed: of the initial weights; None continues the stream of `gpunet.random.seed`.

    Returns:
        a net from (N, in_channels, H, W) to logits (N, num_classes).

    Raises:
        ShapeError, DataError: an argument is no positive integer, no positive number, or no probability.

    Source: Sandler et al. 2018, arXiv:1801.04381, table 2.
    """
    if not 0 < width_mult < float("inf"):
        raise DataError(f"width_mult must be above 0 and finite, got {width_mult!r}.")
    with random.seeded(seed):
        channels = rounded(_FIRST * width_mult)
        features: list[Module] = [_normed(as_int(in_channels, "in_channels", 1), channels, 3, stride=2)]
        for expansion, filters, blocks, stride in _STAGES:
            filters = rounded(filters * width_mult)
            for number in range(blocks):
                features.append(InvertedResidual(channels, filters, stride if number == 0 else 1, expansion))
                channels = filters
        last = rounded(_LAST * max(1.0, width_mult))
        features.append(_normed(channels, last, 1))
        classifier = Sequential(Dropout(dropout), small_linear(last, num_classes))
    return Sequential(
        {
            "features": Sequential(*features),
            "avgpool": AdaptiveAvgPool2d((1, 1)),
            "flatten": Flatten(),
            "classifier": classifier,
        }
    )


class InvertedResidual(Module):
    """More channels by a 1x1 convolution, a 3x3 one of each channel alone, fewer channels again, x added if it fits.

    The last convolution has no activation: with few channels, a rectifier would lose too much.

    Args:
        in_channels, out_channels: before and after the block.
        stride: of the 3x3 convolution. x is added where it is 1 and the channels stay as many.
        expansion: channels inside the block for each one before it; with 1 the first convolution is left out.

    Shapes:
        (N, in_channels, H, W) to (N, out_channels, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int, expansion: int) -> None:
        inside = in_channels * expansion
        layers: list[Module] = [] if expansion == 1 else [_normed(in_channels, inside, 1)]
        layers += [
            _normed(inside, inside, 3, stride, groups=inside),
            _convolution(inside, out_channels, 1),
            BatchNorm2d(out_channels),
        ]
        self.conv = Sequential(*layers)
        self.adds = stride == 1 and in_channels == out_channels

    def output_shape(self, input_shape: Shape) -> Shape:
        """That of the layers."""
        self._name_modules()
        with self.conv.named_errors():
            return tuple(self.conv.output_shape(input_shape))

    def compute(self, context: Context, x: Array) -> Array:
        """y = conv(x), or conv(x) + x."""
        y = context.run(self.conv, x)
        return y + x if self.adds else y

    def differentiate(self, context: Context, grad_y: Array) -> Array:
        """The sum feeds its gradient to both branches; what they send back to x adds."""
        grad_x = self.conv.backward(grad_y)
        return grad_x + grad_y if self.adds else grad_x


def rounded(channels: float) -> int:
    """The multiple of 8 nearest to ``channels``, at least 8; the next one where that loses more than a tenth."""
    nearest = max(_MULTIPLE, int(channels + _MULTIPLE / 2) // _MULTIPLE * _MULTIPLE)
    return nearest + _MULTIPLE if nearest < 0.9 * channels else nearest


def _normed(in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, groups: int = 1) -> Sequential:
    return Sequential(
        _convolution(in_channels, out_channels, kernel_size, stride, groups), BatchNorm2d(out_channels), ReLU6()
    )


def _convolution(in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, groups: int = 1) -> Conv2d:
    return Conv2d(
        in_channels,
        out_channels,
        kernel_size,
        stride,
        padding=kernel_size // 2,
        groups=groups,
        bias=False,
        initializer="he_normal_fan_out",
    )
