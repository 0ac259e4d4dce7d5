"""Residual blocks: layers whose output is added to what went into them.

Source: He, Zhang, Ren and Sun 2016, arXiv:1512.03385.
"""

from __future__ import annotations

from gpunet.errors import ShapeError
from gpunet.layers import BatchNorm2d, Conv2d, Module, ReLU, Sequential, chain
from gpunet.layers.module import Context, Shape
from gpunet.state import Array


class ResidualBlock(Module):
    """y = relu(body(x) + shortcut(x)), the shortcut being x itself or ``downsample``.

    A subclass assigns its layers under PyTorch's names, ``downsample`` last, and lists them in `body`.

    Attributes:
        downsample: brings x to the size of the body's output, or None where it has that size.
    """

    downsample: Module | None = None

    def body(self) -> tuple[Module, ...]:
        """The layers of the main branch in order, from a convolution to a batch norm, without the last ReLU."""
        raise NotImplementedError(f"{type(self).__name__} must define body(self)")

    def last(self) -> Module:
        """The ReLU after the sum."""
        raise NotImplementedError(f"{type(self).__name__} must define last(self)")

    def output_shape(self, input_shape: Shape) -> Shape:
        """The shape after the body, which the shortcut must have too."""
        shape = tuple(input_shape)
        for layer in self.body():
            with layer.named_errors():
                shape = tuple(layer.output_shape(shape))
        shortcut = tuple(input_shape)
        if self.downsample is not None:
            with self.downsample.named_errors():
                shortcut = tuple(self.downsample.output_shape(shortcut))
        if shortcut != shape:
            raise ShapeError(
                f"the body makes {shape} of {tuple(input_shape)}, but the shortcut {shortcut}; they are to be added. "
                f"Give the block a downsample that makes {shape}."
            )
        return shape

    def compute(self, context: Context, x: Array) -> Array:
        """y = relu(body(x) + shortcut(x))."""
        *before, norm = self.body()
        y, steps = chain.forward(context, before, x)
        shortcut = x if self.downsample is None else context.run(self.downsample, x)
        y, end = chain.add_relu(context, norm, self.last(), y, shortcut)
        context.save(steps, end)
        return y

    def differentiate(self, context: Context, grad_y: Array) -> Array:
        """The sum feeds its gradient to both branches; what they send back to x adds."""
        steps, end = context.saved
        grad_x, grad_sum = end.backward(grad_y)
        grad_x = chain.backward(steps, grad_x)
        shortcut = grad_sum if self.downsample is None else self.downsample.backward(grad_sum)
        return self.backend.add(grad_x, shortcut)


class BasicBlock(ResidualBlock):
    """Two 3x3 convolutions.

    Args:
        in_channels, channels: before and after the block.
        stride: of the first convolution.
        downsample: see `ResidualBlock`.
    """

    def __init__(self, in_channels: int, channels: int, stride: int = 1, downsample: Module | None = None) -> None:
        self.conv1 = convolution(in_channels, channels, 3, stride)
        self.bn1 = BatchNorm2d(channels)
        self.relu1 = ReLU()
        self.conv2 = convolution(channels, channels, 3)
        self.bn2 = BatchNorm2d(channels)
        self.relu2 = ReLU()
        self.downsample = downsample

    def body(self) -> tuple[Module, ...]:
        """See `ResidualBlock.body`."""
        return self.conv1, self.bn1, self.relu1, self.conv2, self.bn2

    def last(self) -> Module:
        """See `ResidualBlock.last`."""
        return self.relu2


class Bottleneck(ResidualBlock):
    """A 1x1 convolution to fewer channels, a 3x3 one, and a 1x1 one to four times as many.

    Args:
        in_channels: before the block.
        channels: inside; the block's output has four times as many.
        stride: of the 3x3 convolution, as in torchvision (the paper strides in the first 1x1).
        downsample: see `ResidualBlock`.
    """

    def __init__(self, in_channels: int, channels: int, stride: int = 1, downsample: Module | None = None) -> None:
        self.conv1 = convolution(in_channels, channels, 1)
        self.bn1 = BatchNorm2d(channels)
        self.relu1 = ReLU()
        self.conv2 = convolution(channels, channels, 3, stride)
        self.bn2 = BatchNorm2d(channels)
        self.relu2 = ReLU()
        self.conv3 = convolution(channels, 4 * channels, 1)
        self.bn3 = BatchNorm2d(4 * channels)
        self.relu3 = ReLU()
        self.downsample = downsample

    def body(self) -> tuple[Module, ...]:
        """See `ResidualBlock.body`."""
        return self.conv1, self.bn1, self.relu1, self.conv2, self.bn2, self.relu2, self.conv3, self.bn3

    def last(self) -> Module:
        """See `ResidualBlock.last`."""
        return self.relu3


def convolution(in_channels: int, out_channels: int, kernel_size: int, stride: int = 1) -> Conv2d:
    """A convolution that keeps the image's size but for the stride; the batch norm after it has the bias."""
    return Conv2d(
        in_channels,
        out_channels,
        kernel_size,
        stride,
        padding=kernel_size // 2,
        bias=False,
        initializer="he_normal_fan_out",
    )


def projection(in_channels: int, out_channels: int, stride: int) -> Sequential:
    """The paper's option B: a learned 1x1 convolution as shortcut."""
    return Sequential(convolution(in_channels, out_channels, 1, stride), BatchNorm2d(out_channels))
