"""Softmax and its logarithm."""

from __future__ import annotations

from gpunet.errors import ShapeError
from gpunet.geometry import as_int
from gpunet.layers.module import Context, Module, Shape
from gpunet.state import Array


class _AlongAxis(Module):
    """What both layers below share: the axis, counted with the batch as PyTorch does."""

    def __init__(self, dim: int = 1) -> None:
        self.dim = as_int(dim, f"{type(self).__name__}: dim", -64)

    def output_shape(self, input_shape: Shape) -> Shape:
        """The same; ``dim`` must be one of the axes behind the batch, and hold something."""
        ndim = len(input_shape) + 1
        axis = self.dim + ndim if self.dim < 0 else self.dim
        if not 1 <= axis < ndim:
            raise ShapeError(
                f"dim={self.dim} is no axis of {ndim}-d inputs behind the batch. "
                f"Use a dim from 1 to {ndim - 1}, or from {1 - ndim} to -1."
            )
        if input_shape[axis - 1] == 0:
            raise ShapeError(f"axis {axis} of an input of shape {tuple(input_shape)} without the batch is empty.")
        return tuple(input_shape)

    def operations(self, input_shape: Shape, output_shape: Shape) -> int:
        """Comparison, subtraction, exponential, sum and division or subtraction an element."""
        return 5 * super().operations(input_shape, output_shape)

    def describe(self) -> str:
        """The axis."""
        return f"dim={self.dim}"


class Softmax(_AlongAxis):
    """y = exp(x) / sum of exp(x) along one axis; right for x of any size.

    For training a classifier give the logits to `CrossEntropyLoss` instead, which is exact where this rounds to 0.

    Args:
        dim: the axis, the batch being axis 0; the default is the channels.

    Shapes:
        (N, ...) to the same.
    """

    def compute(self, context: Context, x: Array) -> Array:
        """y = exp(x - max) / sum of exp(x - max)."""
        y = self.backend.xp.exp(x - x.max(axis=self.dim, keepdims=True))
        y /= y.sum(axis=self.dim, keepdims=True)
        context.save(y)
        return y

    def differentiate(self, context: Context, grad_y: Array) -> Array:
        """grad_x = y * (grad_y - sum of grad_y * y)."""
        (y,) = context.saved
        return y * (grad_y - (grad_y * y).sum(axis=self.dim, keepdims=True))


class LogSoftmax(_AlongAxis):
    """y = x - log of the sum of exp(x) along one axis; right for x of any size.

    Args:
        dim: the axis, the batch being axis 0; the default is the channels.

    Shapes:
        (N, ...) to the same.
    """

    def compute(self, context: Context, x: Array) -> Array:
        """y = (x - max) - log of the sum of exp(x - max)."""
        xp = self.backend.xp
        y = x - x.max(axis=self.dim, keepdims=True)
        y -= xp.log(xp.exp(y).sum(axis=self.dim, keepdims=True))
        context.save(y)
        return y

    def differentiate(self, context: Context, grad_y: Array) -> Array:
        """grad_x = grad_y - softmax * sum of grad_y."""
        (y,) = context.saved
        return grad_y - self.backend.xp.exp(y) * grad_y.sum(axis=self.dim, keepdims=True)
