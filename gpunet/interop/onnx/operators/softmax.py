"""Softmax and its logarithm, along any axis and in the older meaning."""

from __future__ import annotations

import math

from gpunet.errors import ShapeError
from gpunet.interop.onnx.node import Node
from gpunet.interop.onnx.registry import operator
from gpunet.layers import LogSoftmax, Module, Softmax
from gpunet.layers.module import Context, Shape
from gpunet.state import Array


class _AnyAxis(Module):
    """Lifts the rule of our layers that the batch is no axis to normalise along."""

    dim: int

    def output_shape(self, input_shape: Shape) -> Shape:
        """The same."""
        ndim = len(input_shape) + 1
        if not -ndim <= self.dim < ndim:
            raise ShapeError(f"axis={self.dim} is no axis of a {ndim}-d input.")
        return tuple(input_shape)


class SoftmaxAnyAxis(_AnyAxis, Softmax):
    """`Softmax` also along the batch."""


class LogSoftmaxAnyAxis(_AnyAxis, LogSoftmax):
    """`LogSoftmax` also along the batch."""


class AlongFlattened(Module):
    """A softmax along all axes from ``axis`` on taken as one, as opsets below 13 mean it.

    Attributes:
        layer: the softmax of a matrix along its rows.
        axis: the first axis that is normalised along.
    """

    def __init__(self, layer: Module, axis: int) -> None:
        self.layer, self.axis = layer, axis

    def output_shape(self, input_shape: Shape) -> Shape:
        """The same."""
        return tuple(input_shape)

    def compute(self, context: Context, x: Array) -> Array:
        """Through a matrix."""
        return context.run(self.layer, self._matrix(x)).reshape(x.shape)

    def differentiate(self, context: Context, grad_y: Array) -> Array:
        """The same way back."""
        return self.layer.backward(self._matrix(grad_y)).reshape(grad_y.shape)

    def _matrix(self, x: Array) -> Array:
        axis = self.axis + x.ndim if self.axis < 0 else self.axis
        return x.reshape(math.prod(x.shape[:axis]), math.prod(x.shape[axis:]))


def _build(node: Node, plain: type[Softmax | LogSoftmax], any_axis: type[Softmax | LogSoftmax]) -> Module:
    rank = node.rank()
    axis = int(node.attribute("axis", -1 if node.opset >= 13 else 1))
    if node.opset < 13 and (rank is None or axis % rank != rank - 1):
        return AlongFlattened(plain(1), axis)
    behind_batch = axis > 0 or (axis < 0 and rank is not None and axis + rank > 0)
    return plain(axis) if behind_batch else any_axis(axis)


@operator("Softmax", 13)
def softmax(node: Node) -> Module:
    """exp(x) / sum of exp(x)."""
    return _build(node, Softmax, SoftmaxAnyAxis)


@operator("LogSoftmax", 13)
def log_softmax(node: Node) -> Module:
    """Its logarithm."""
    return _build(node, LogSoftmax, LogSoftmaxAnyAxis)
