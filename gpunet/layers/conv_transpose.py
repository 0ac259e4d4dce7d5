"""Transposed convolution."""

from __future__ import annotations

import math
from typing import Any

from gpunet.errors import ShapeError
from gpunet.geometry import Window, as_int, as_pair
from gpunet.initializers import Initializer, initial, uniform
from gpunet.layers.module import Context, Module, Shape
from gpunet.state import Array, Parameter


class ConvTranspose2d(Module):
    """The transpose of `Conv2d`: each input element adds the filter, times itself, to a window of the output.

    Its forward pass is the input gradient of a convolution with the same window, and its input gradient is that
    convolution.

    Args:
        in_channels, out_channels: C and F; both divisible by ``groups``.
        kernel_size, stride, dilation: an int or a pair (rows, columns).
        padding: how much of the output's border is cut off: an int, a pair, or ((top, bottom), (left, right)).
        output_padding: rows and columns added at the bottom and right, as several sizes are possible when the stride
            is above 1; smaller than stride or dilation.
        groups: input channels of group g reach only the output channels of group g.
        bias: add a learned number to each output channel.
        initializer: of the weight: a name of `gpunet.initializers` or a function; the default is PyTorch's.

    Attributes:
        weight: (C, F / groups, kh, kw).
        bias: (F,), or None.

    Shapes:
        (N, C, H, W) to (N, F, H', W') with
        H' = (H - 1) * stride - top - bottom + dilation * (kh - 1) + output_padding + 1.

    Source: Dumoulin and Visin 2016, arXiv:1603.07285, chapter 4.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        initializer: str | Initializer = "torch",
    ) -> None:
        self.in_channels = as_int(in_channels, "ConvTranspose2d: in_channels", 1)
        self.out_channels = as_int(out_channels, "ConvTranspose2d: out_channels", 1)
        self.groups = as_int(groups, "ConvTranspose2d: groups", 1)
        self.window = Window.create(kernel_size, stride, padding, dilation)
        self.output_padding = as_pair(output_padding, "ConvTranspose2d: output_padding", 0)
        if self.in_channels % self.groups or self.out_channels % self.groups:
            raise ShapeError(
                f"ConvTranspose2d: groups={groups} must divide in_channels={in_channels} and "
                f"out_channels={out_channels}."
            )
        for extra, step, spread in zip(self.output_padding, self.window.stride, self.window.dilation, strict=True):
            if extra >= max(step, spread):
                raise ShapeError(
                    f"ConvTranspose2d: output_padding={output_padding} must be smaller than stride={stride} or "
                    f"dilation={dilation}."
                )
        filters = self.out_channels // self.groups
        self.weight = Parameter(initial(initializer, (self.in_channels, filters, *self.window.kernel)))
        # PyTorch's fan-in counts the second axis of the weight, which here is that of the outputs.
        bound = 1 / math.sqrt(filters * self.window.area)
        self.bias = Parameter(uniform((self.out_channels,), bound)) if bias else None

    def output_shape(self, input_shape: Shape) -> Shape:
        """(C, H, W) to (F, H', W')."""
        if len(input_shape) != 3 or input_shape[0] != self.in_channels:
            raise ShapeError(f"got images of shape {tuple(input_shape)}, wanted ({self.in_channels}, height, width).")
        return (self.out_channels, *self.window.transposed_size(*input_shape[1:], self.output_padding))

    def compute(self, context: Context, x: Array) -> Array:
        """Each output element gets the sum of what every window over it holds."""
        context.save(x)
        y_shape = (x.shape[0], *self.output_shape(tuple(x.shape[1:])))
        y = self.backend.conv2d_backward_input(x, self.weight.value, y_shape, self.window, self.groups, self.precision)
        if self.bias is not None:
            y += self.bias.value[:, None, None]
        return y

    def differentiate(self, context: Context, grad_y: Array) -> Array:
        """The convolution of grad_y with the same weight and window."""
        (x,) = context.saved
        if self.weight.trainable:
            self.weight.add_grad(
                self.backend.conv2d_backward_weight(
                    x, grad_y, self.weight.shape, self.window, self.groups, self.precision
                )
            )
        if self.bias is not None:
            self.bias.add_grad(grad_y.sum(axis=(0, 2, 3)))
        grad_x = self.backend.conv2d(grad_y, self.weight.value, None, self.window, self.groups, self.precision)
        # With output_padding as large as the stride, one more window fits than x has elements.
        return grad_x[:, :, : x.shape[2], : x.shape[3]]

    def operations(self, input_shape: Shape, output_shape: Shape) -> int:
        """A multiplication and an addition for each weight at each input place."""
        places = input_shape[1] * input_shape[2]
        outputs = super().operations(input_shape, output_shape)
        return 2 * places * math.prod(self.weight.shape) + (outputs if self.bias else 0)

    def describe(self) -> str:
        """The settings that differ from the defaults, after the sizes."""
        parts = [f"{self.in_channels}, {self.out_channels}", *self.window.settings()]
        if self.output_padding != (0, 0):
            parts.append(f"output_padding={self.output_padding}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        return ", ".join(parts)
