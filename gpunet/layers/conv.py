"""Convolution."""

from __future__ import annotations

import math
from typing import Any

from gpunet.errors import ShapeError
from gpunet.geometry import Window, as_int
from gpunet.initializers import Initializer, initial, uniform
from gpunet.layers.module import Context, Module, Shape
from gpunet.state import Array, Parameter


class Conv2d(Module):
    """Cross-correlation of images with learned filters.

    Args:
        in_channels, out_channels: C and F; both divisible by ``groups``.
        kernel_size, stride, dilation: an int or a pair (rows, columns).
        padding: zeros around the image: an int, a pair, "same", "valid" or ((top, bottom), (left, right)).
        groups: output channels of group g see only the input channels of group g.
        bias: add a learned number to each output channel.
        initializer: of the weight: a name of `gpunet.initializers` or a function; the default is PyTorch's.

    Attributes:
        weight: (F, C / groups, kh, kw).
        bias: (F,), or None.

    Shapes:
        (N, C, H, W) to (N, F, H', W').
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        initializer: str | Initializer = "torch",
    ) -> None:
        self.in_channels = as_int(in_channels, "in_channels", 1)
        self.out_channels = as_int(out_channels, "out_channels", 1)
        self.groups = as_int(groups, "groups", 1)
        self.window = Window.create(kernel_size, stride, padding, dilation)
        if self.in_channels % self.groups or self.out_channels % self.groups:
            raise ShapeError(
                f"Conv2d: groups={groups} must divide in_channels={in_channels} and out_channels={out_channels}."
            )
        fan_in = self.in_channels // self.groups * self.window.area
        shape = (self.out_channels, self.in_channels // self.groups, *self.window.kernel)
        self.weight = Parameter(initial(initializer, shape))
        self.bias = Parameter(uniform((self.out_channels,), 1 / math.sqrt(fan_in))) if bias else None

    def output_shape(self, input_shape: Shape) -> Shape:
        """(C, H, W) to (F, H', W')."""
        if len(input_shape) != 3 or input_shape[0] != self.in_channels:
            raise ShapeError(f"got images of shape {input_shape}, wanted ({self.in_channels}, height, width).")
        return (self.out_channels, *self.window.output_size(*input_shape[1:]))

    def compute(self, context: Context, x: Array) -> Array:
        """y = weight * x + bias, * being the cross-correlation."""
        context.save(x)
        return self.correlate(x)

    def differentiate(self, context: Context, grad_y: Array) -> Array | None:
        """Each weight gathers from all windows; each input element gets the sum of what its windows send."""
        (x,) = context.saved
        if self.bias is not None:
            self.bias.add_grad(grad_y.sum(axis=(0, 2, 3)))
        return self.gradients(context, x, grad_y)

    def correlate(self, x: Array, relu: bool = False) -> Array:
        """weight * x + bias, and with ``relu`` the larger of that and 0."""
        bias = None if self.bias is None else self.bias.value
        return self.backend.conv2d(x, self.weight.value, bias, self.window, self.groups, self.precision, relu)

    def gradients(self, context: Context, x: Array, grad_y: Array) -> Array | None:
        """Add the weight's gradient and return that of ``x``, given the gradient of `correlate`."""
        if self.weight.trainable:
            self.weight.add_grad(
                self.backend.conv2d_backward_weight(
                    grad_y, x, self.weight.shape, self.window, self.groups, self.precision
                )
            )
        if not context.input_grads:
            return None
        return self.backend.conv2d_backward_input(
            grad_y, self.weight.value, x.shape, self.window, self.groups, self.precision
        )

    def operations(self, input_shape: Shape, output_shape: Shape) -> int:
        """A multiplication and an addition for each weight at each output place."""
        places = output_shape[1] * output_shape[2]
        return 2 * places * math.prod(self.weight.shape) + (places * self.out_channels if self.bias else 0)

    def describe(self) -> str:
        """The settings that differ from the defaults, after the sizes."""
        parts = [f"{self.in_channels}, {self.out_channels}", *self.window.settings()]
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        return ", ".join(parts)
