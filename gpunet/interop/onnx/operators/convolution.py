"""Convolution and its transpose."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet.errors import ShapeError
from gpunet.geometry import Pair
from gpunet.initializers import zeros
from gpunet.interop.onnx.node import Node
from gpunet.interop.onnx.operators.sliding import OneAxis, Sliding
from gpunet.interop.onnx.registry import operator
from gpunet.layers import Conv2d, ConvTranspose2d, Module
from gpunet.layers.module import Context, Shape
from gpunet.state import Array, Parameter


class SameConv2d(Conv2d):
    """A convolution whose padding depends on the size of the image, as auto_pad says.

    Attributes:
        sliding: gives the window for a size.
    """

    sliding: Sliding

    def output_shape(self, input_shape: Shape) -> Shape:
        """(C, H, W) to (F, H', W')."""
        if len(input_shape) == 3 and min(input_shape) > 0:
            self.window = self.sliding.on(*input_shape[1:])
        return super().output_shape(input_shape)

    def compute(self, context: Context, x: Array) -> Array:
        """See `Conv2d`."""
        self.window = self.sliding.on(*x.shape[2:])
        return super().compute(context, x)

    def differentiate(self, context: Context, grad_y: Array) -> Array | None:
        """See `Conv2d`."""
        self.window = self.sliding.on(*context.saved[0].shape[2:])
        return super().differentiate(context, grad_y)


@operator("Conv", 22)
def conv(node: Node) -> Module:
    """A `Conv2d` with the node's weight and bias."""
    weight, bias = _weights(node)
    groups = _groups(node)
    sliding = Sliding.of(node, weight.shape[2:])
    if weight.shape[0] % groups:
        node.refuse(f"group={groups} does not divide the {weight.shape[0]} output channels of its weight.")
    layer = (Conv2d if sliding.fixed else SameConv2d)(
        weight.shape[1] * groups, weight.shape[0], 1, groups=groups, bias=bias is not None, initializer=zeros
    )
    if isinstance(layer, SameConv2d):
        layer.sliding = sliding
    layer.window = sliding.window
    return _with_weights(node, layer, weight, bias, sliding.one_axis)


@operator("ConvTranspose", 22)
def conv_transpose(node: Node) -> Module:
    """A `ConvTranspose2d` with the node's weight and bias."""
    weight, bias = _weights(node)
    groups, axes = _groups(node), weight.ndim - 2
    if weight.shape[0] % groups:
        node.refuse(f"group={groups} does not divide the {weight.shape[0]} input channels of its weight.")
    sliding = Sliding.of(node, weight.shape[2:])
    extra = node.integers("output_padding", axes, 0, minimum=0)
    wanted = node.attribute("output_shape", None)
    if wanted is not None:
        wanted = [int(size) for size in wanted][-axes:]
        if len(wanted) != axes or min(wanted) < 1:
            node.refuse(f"output_shape={wanted}, wanted {axes} sizes of at least 1.")
    if axes == 1:
        extra, wanted = [0, *extra], None if wanted is None else [1, *wanted]
    how = node.attribute("auto_pad", "NOTSET")
    sized = wanted is not None or how.startswith("SAME")
    layer = (SizedConvTranspose2d if sized else ConvTranspose2d)(
        weight.shape[0], weight.shape[1] * groups, 1, groups=groups, bias=bias is not None, initializer=zeros
    )
    layer.window = sliding.window
    for axis, (count, step, spread) in enumerate(zip(extra, layer.window.stride, layer.window.dilation, strict=True)):
        if count >= max(step, spread):
            node.refuse(f"output_padding {count} of axis {axis} is not below stride {step} or dilation {spread}.")
    layer.output_padding = (extra[0], extra[1])
    if isinstance(layer, SizedConvTranspose2d):
        layer.extra = (extra[0], extra[1])
        layer.wanted = None if wanted is None else (wanted[0], wanted[1])
        layer.upper = how == "SAME_UPPER"
    return _with_weights(node, layer, weight, bias, sliding.one_axis)


class SizedConvTranspose2d(ConvTranspose2d):
    """A transposed convolution whose padding follows from the size of its output.

    Attributes:
        wanted: rows and columns of the output, or None for the input's times the stride.
        extra: the node's own output_padding.
        upper: whether the odd element of the padding is at the end.
    """

    wanted: Pair | None
    extra: Pair
    upper: bool

    def output_shape(self, input_shape: Shape) -> Shape:
        """(C, H, W) to (F, H', W')."""
        if len(input_shape) == 3 and min(input_shape) > 0:
            self._fit(input_shape[1], input_shape[2])
        return super().output_shape(input_shape)

    def compute(self, context: Context, x: Array) -> Array:
        """See `ConvTranspose2d`."""
        self._fit(*x.shape[2:])
        return super().compute(context, x)

    def differentiate(self, context: Context, grad_y: Array) -> Array:
        """See `ConvTranspose2d`."""
        self._fit(*context.saved[0].shape[2:])
        return super().differentiate(context, grad_y)

    def _fit(self, height: int, width: int) -> None:
        window, sides, extra = self.window, [], []
        for axis, size in enumerate((height, width)):
            stride = window.stride[axis]
            wanted = size * stride if self.wanted is None else self.wanted[axis]
            total = stride * (size - 1) + self.extra[axis] + window.span[axis] - wanted
            small, large = max(0, total) // 2, max(0, total) - max(0, total) // 2
            sides.append((small, large) if self.upper else (large, small))
            extra.append(self.extra[axis] + max(0, -total))
            if extra[-1] >= max(stride, window.dilation[axis]):
                raise ShapeError(
                    f"an output of {wanted} from {size} with stride {stride} and kernel {window.kernel[axis]} would "
                    f"end in elements that no window reaches. Use a smaller output_shape."
                )
        padding: Any = (sides[0], sides[1])
        self.window = type(window)(window.kernel, window.stride, padding, window.dilation)
        self.output_padding = (extra[0], extra[1])


def _weights(node: Node) -> tuple[np.ndarray, np.ndarray | None]:
    weight = node.weight(1, "weight")
    if weight.ndim < 3:
        node.refuse(f"its weight has shape {weight.shape}; wanted filters of one or two spatial axes.")
    if 0 in weight.shape:
        node.refuse(f"its weight has shape {weight.shape}, which is empty.")
    declared = node.attribute("kernel_shape", None)
    if declared is not None and tuple(declared) != weight.shape[2:]:
        node.refuse(f"kernel_shape={list(declared)} does not fit its weight of shape {weight.shape}.")
    bias = None if node.given(2) is None else node.weight(2, "bias", ndim=1)
    return weight, bias


def _groups(node: Node) -> int:
    groups = int(node.attribute("group", 1))
    if groups < 1:
        node.refuse(f"group={groups}, wanted at least 1.")
    return groups


def _with_weights(
    node: Node, layer: Conv2d | ConvTranspose2d, weight: np.ndarray, bias: np.ndarray | None, one_axis: bool
) -> Module:
    if bias is not None and bias.shape != (layer.out_channels,):
        node.refuse(f"its bias has shape {bias.shape}, wanted ({layer.out_channels},) for its weight {weight.shape}.")
    layer.weight = Parameter(np.array(weight[:, :, None] if one_axis else weight))
    path = "layer." if one_axis else ""
    node.bind(1, f"{path}weight")
    if bias is not None:
        layer.bias = Parameter(np.array(bias))
        node.bind(2, f"{path}bias")
    return OneAxis(layer) if one_axis else layer
