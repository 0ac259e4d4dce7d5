"""Pooling over windows and over whole images."""

from __future__ import annotations

from typing import Any

from gpunet.errors import ShapeError
from gpunet.interop.onnx.node import Node
from gpunet.interop.onnx.operators.reductions import Reduction
from gpunet.interop.onnx.operators.sliding import OneAxis, Sliding, pooled_size
from gpunet.interop.onnx.registry import operator
from gpunet.layers import AdaptiveAvgPool2d, AvgPool2d, GlobalMaxPool2d, MaxPool2d, Module
from gpunet.layers.module import Context, Shape
from gpunet.layers.pooling_window import WindowPooling
from gpunet.state import Array


class _Sliding(WindowPooling):
    """What the poolings below share: padding that our layers refuse, or that depends on the size of the image."""

    sliding: Sliding

    def output_shape(self, input_shape: Shape) -> Shape:
        """(C, H, W) to (C, H', W')."""
        if len(input_shape) != 3 or input_shape[0] < 1:
            raise ShapeError(f"got images of shape {tuple(input_shape)}, wanted (channels, height, width).")
        self.window = self.sliding.on(*input_shape[1:])
        return (input_shape[0], *pooled_size(self.window, *input_shape[1:]))

    def compute(self, context: Context, x: Array) -> Any:
        """With the window for this size."""
        self.window = self.sliding.on(*x.shape[2:])
        return super().compute(context, x)

    def differentiate(self, context: Context, *grads: Array) -> Array:
        """With the window of the forward."""
        self.window = self.sliding.on(*context.input_shapes[0][2:])
        return super().differentiate(context, *grads)


class SlidingMaxPool2d(_Sliding, MaxPool2d):
    """`MaxPool2d` with any padding."""


class SlidingAvgPool2d(_Sliding, AvgPool2d):
    """`AvgPool2d` with any padding and dilation."""


class IndexedMaxPool2d(SlidingMaxPool2d):
    """Max pooling with a second output: where each element stood in the whole flattened input, int64.

    Attributes:
        by_columns: counts each image column by column instead of row by row.
        squeezed: the images are signals, and the outputs have three axes.
    """

    by_columns = False

    def output_shape(self, input_shape: Shape) -> Any:
        """Two equal shapes."""
        shape = super().output_shape(input_shape)
        return shape, shape

    def compute(self, context: Context, x: Array) -> tuple[Array, Array]:
        """The elements and their places."""
        xp = self.backend.xp
        self.window = self.sliding.on(*x.shape[2:])
        y, offsets = self.backend.max_pool2d(x, self.window)
        context.save(offsets, x.shape)
        images, channels, height, width = x.shape
        inside = offsets.astype("int64")
        (top, _), (left, _) = self.window.padding
        firsts = (
            xp.arange(size, dtype="int64") * stride - before
            for size, stride, before in zip(y.shape[2:], self.window.stride, (top, left), strict=True)
        )
        first_row, first_col = firsts
        row = first_row[:, None] + inside // self.window.kernel[1] * self.window.dilation[0]
        col = first_col + inside % self.window.kernel[1] * self.window.dilation[1]
        place = col * height + row if self.by_columns else row * width + col
        plane = xp.arange(images * channels, dtype="int64").reshape(images, channels, 1, 1)
        return y, plane * (height * width) + place

    def differentiate(self, context: Context, *grads: Array) -> Array:
        """The places have no gradient."""
        return super().differentiate(context, grads[0])


class LpPool2d(SlidingAvgPool2d):
    """y = (sum of abs(x)**p over each window)**(1 / p); padding counts as 0."""

    p = 2

    def compute(self, context: Context, x: Array) -> Array:
        """From the mean of the powers."""
        self.window = self.sliding.on(*x.shape[2:])
        y = (self.backend.avg_pool2d(abs(x) ** self.p, self.window, count_include_pad=True) * self.window.area) ** (
            1 / self.p
        )
        context.save(x, y)
        return y.astype(x.dtype, copy=False)

    def differentiate(self, context: Context, *grads: Array) -> Array:
        """(abs(x) / y)**(p - 1) with the sign of x; 0 where the whole window is 0."""
        x, y = context.saved
        xp = self.backend.xp
        share = xp.where(y > 0, grads[0] * xp.where(y > 0, y, 1) ** (1 - self.p), 0).astype(x.dtype)
        shares = self.backend.avg_pool2d_backward(share, tuple(x.shape), self.window, count_include_pad=True)
        sums = shares * self.window.area
        grad: Array = (sums * xp.sign(x) * abs(x) ** (self.p - 1)).astype(x.dtype, copy=False)
        return grad


def _pool(node: Node, plain: type[Any], general: type[Any], **settings: Any) -> Module:
    """The plain layer if it can do it, else the general one."""
    sliding = Sliding.of(node, tuple(node.attribute("kernel_shape")))
    window = sliding.window
    small = all(max(sides) <= size // 2 for sides, size in zip(window.padding, window.kernel, strict=True))
    if plain is AvgPool2d and window.dilation != (1, 1):
        small = False
    if sliding.fixed and small and plain is not general:
        layer = plain(1, **settings)
    else:
        layer = general(1, **settings)
        layer.sliding = sliding
    layer.window = window
    return OneAxis(layer) if sliding.one_axis else layer


@operator("MaxPool", 22)
def max_pool(node: Node) -> Module:
    """The largest element of each window, and its place if somebody wants it."""
    if len([name for name in node.outputs if name]) < 2:
        return _pool(node, MaxPool2d, SlidingMaxPool2d)
    layer = _pool(node, IndexedMaxPool2d, IndexedMaxPool2d)
    if isinstance(layer, OneAxis):
        node.refuse("the places of largest elements along one axis are not supported; wanted images.")
    assert isinstance(layer, IndexedMaxPool2d)
    layer.by_columns = bool(node.attribute("storage_order", 0))
    return layer


@operator("AveragePool", 22)
def average_pool(node: Node) -> Module:
    """The mean of each window."""
    return _pool(node, AvgPool2d, SlidingAvgPool2d, count_include_pad=bool(node.attribute("count_include_pad", 0)))


@operator("LpPool", 22)
def lp_pool(node: Node) -> Module:
    """The p-norm of each window."""
    if node.attribute("ceil_mode", 0):
        node.refuse("ceil_mode is not supported.")
    layer = _pool(node, LpPool2d, LpPool2d)
    p = int(node.attribute("p", 2))
    if p < 1:
        node.refuse(f"p={p}, wanted at least 1.")
    inner = layer.layer if isinstance(layer, OneAxis) else layer
    assert isinstance(inner, LpPool2d)
    inner.p = p
    return layer


@operator("GlobalAveragePool", 22)
def global_average_pool(node: Node) -> Module:
    """The mean of each channel."""
    if node.rank() == 4:
        return AdaptiveAvgPool2d(1)
    return Reduction("ReduceMean", node.operands(), axes=None, keepdims=True, spatial=True)


@operator("GlobalMaxPool", 22)
def global_max_pool(node: Node) -> Module:
    """The largest element of each channel."""
    if node.rank() == 4:
        return GlobalMaxPool2d()
    return Reduction("ReduceMax", node.operands(), axes=None, keepdims=True, spatial=True)


@operator("GlobalLpPool", 22)
def global_lp_pool(node: Node) -> Module:
    """The 1-norm or 2-norm of each channel."""
    p = int(node.attribute("p", 2))
    if p not in (1, 2):
        node.refuse(f"p={p} is not supported; wanted 1 or 2.")
    return Reduction(f"ReduceL{p}", node.operands(), axes=None, keepdims=True, spatial=True)
