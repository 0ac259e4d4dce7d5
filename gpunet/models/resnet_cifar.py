"""ResNet for small images."""

from __future__ import annotations

from gpunet import random
from gpunet.errors import ShapeError
from gpunet.geometry import as_int
from gpunet.layers import AdaptiveAvgPool2d, BatchNorm2d, Flatten, Linear, Module, ReLU, Sequential
from gpunet.layers.module import Context, Shape
from gpunet.models.residual import BasicBlock, convolution
from gpunet.state import Array


def resnet20(num_classes: int = 10, in_channels: int = 3, seed: int | None = None) -> Sequential:
    """ResNet with 20 layers that have weights, for images such as CIFAR's 32 x 32; 0.27 million parameters.

    Three stages of 16, 32 and 64 channels. Shortcuts are the paper's option A, as in its experiments on CIFAR: where
    the image shrinks, every second row and column of x, with channels of zeros added. Keys are conv1, bn1,
    layer1.0.conv1, ..., fc.

    Args:
        num_classes: length of the output.
        in_channels: 1 for grey images, 3 for colours.
        seed: of the initial weights; None continues the stream of `gpunet.random.seed`.

    Returns:
        a net from (N, in_channels, H, W) to logits (N, num_classes).

    Raises:
        ShapeError: an argument is no positive integer.

    Source: He, Zhang, Ren and Sun 2016, arXiv:1512.03385, section 4.2.
    """
    return _resnet(3, num_classes, in_channels, seed)


def resnet32(num_classes: int = 10, in_channels: int = 3, seed: int | None = None) -> Sequential:
    """ResNet with 32 layers that have weights, 0.46 million parameters; all else as in `resnet20`."""
    return _resnet(5, num_classes, in_channels, seed)


def resnet44(num_classes: int = 10, in_channels: int = 3, seed: int | None = None) -> Sequential:
    """ResNet with 44 layers that have weights, 0.66 million parameters; all else as in `resnet20`."""
    return _resnet(7, num_classes, in_channels, seed)


def resnet56(num_classes: int = 10, in_channels: int = 3, seed: int | None = None) -> Sequential:
    """ResNet with 56 layers that have weights, 0.85 million parameters; all else as in `resnet20`."""
    return _resnet(9, num_classes, in_channels, seed)


def resnet110(num_classes: int = 10, in_channels: int = 3, seed: int | None = None) -> Sequential:
    """ResNet with 110 layers that have weights, 1.73 million parameters; all else as in `resnet20`.

    The paper trains it with a learning rate of 0.01 until the training error is below 80 %, and then of 0.1.
    """
    return _resnet(18, num_classes, in_channels, seed)


class SubsampleAndPad(Module):
    """A shortcut without parameters: every ``stride``-th row and column, and channels of zeros before and after.

    Args:
        in_channels, out_channels: what is added is divided evenly, the odd channel after.
        stride: step between the rows, and between the columns, that are kept.

    Shapes:
        (N, in_channels, H, W) to (N, out_channels, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        self.in_channels = as_int(in_channels, "SubsampleAndPad: in_channels", 1)
        self.out_channels = as_int(out_channels, "SubsampleAndPad: out_channels", self.in_channels)
        self.stride = as_int(stride, "SubsampleAndPad: stride", 1)
        self._before = (self.out_channels - self.in_channels) // 2

    def output_shape(self, input_shape: Shape) -> Shape:
        """(C, H, W) to (out_channels, ceil(H / stride), ceil(W / stride))."""
        if len(input_shape) != 3 or input_shape[0] != self.in_channels:
            raise ShapeError(f"got images of shape {tuple(input_shape)}, wanted ({self.in_channels}, height, width).")
        return (self.out_channels, *(-(-size // self.stride) for size in input_shape[1:]))

    def compute(self, context: Context, x: Array) -> Array:
        """y = x where it is kept, 0 in the added channels."""
        context.save(x.shape)
        y = self.backend.xp.zeros((x.shape[0], *self.output_shape(tuple(x.shape[1:]))), x.dtype)
        y[:, self._before : self._before + self.in_channels] = x[:, :, :: self.stride, :: self.stride]
        return y

    def differentiate(self, context: Context, grad_y: Array) -> Array:
        """What was kept gets its gradient, what was left out gets 0."""
        (x_shape,) = context.saved
        grad_x = self.backend.xp.zeros(x_shape, grad_y.dtype)
        grad_x[:, :, :: self.stride, :: self.stride] = grad_y[:, self._before : self._before + self.in_channels]
        return grad_x

    def operations(self, input_shape: Shape, output_shape: Shape) -> int:
        """None."""
        return 0

    def describe(self) -> str:
        """Channels and stride."""
        return f"{self.in_channels}, {self.out_channels}, stride={self.stride}"


def _resnet(blocks_a_stage: int, num_classes: int, in_channels: int, seed: int | None) -> Sequential:
    with random.seeded(seed):
        channels = 16
        layers: dict[str, Module] = {
            "conv1": convolution(as_int(in_channels, "in_channels", 1), channels, 3),
            "bn1": BatchNorm2d(channels),
            "relu": ReLU(),
        }
        for stage, wide in enumerate((16, 32, 64)):
            blocks = []
            for _ in range(blocks_a_stage):
                stride = 1 if wide == channels else 2
                shortcut = None if wide == channels else SubsampleAndPad(channels, wide, stride)
                blocks.append(BasicBlock(channels, wide, stride, shortcut))
                channels = wide
            layers[f"layer{stage + 1}"] = Sequential(*blocks)
        layers["avgpool"] = AdaptiveAvgPool2d((1, 1))
        layers["flatten"] = Flatten()
        layers["fc"] = Linear(channels, num_classes)
    return Sequential(layers)
