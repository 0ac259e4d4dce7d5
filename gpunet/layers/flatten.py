"""Several axes made one."""

from __future__ import annotations

import math

from gpunet.errors import ShapeError
from gpunet.geometry import as_int
from gpunet.layers.module import Context, Module, Shape
from gpunet.state import Array


class Flatten(Module):
    """Join the axes from ``start_dim`` to ``end_dim`` into one, in row-major order.

    Args:
        start_dim, end_dim: first and last axis to join, the batch being axis 0; a negative one counts from the end.
            The batch itself is never joined.

    Shapes:
        (N, ...) to (N, product of the sizes) by default.
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        self.start_dim = as_int(start_dim, "Flatten: start_dim", -64)
        self.end_dim = as_int(end_dim, "Flatten: end_dim", -64)

    def output_shape(self, input_shape: Shape) -> Shape:
        """The shape with the joined axes as their product."""
        ndim = len(input_shape) + 1
        first, last = (axis + ndim if axis < 0 else axis for axis in (self.start_dim, self.end_dim))
        if not 1 <= first <= last < ndim:
            raise ShapeError(
                f"start_dim={self.start_dim} and end_dim={self.end_dim} are no axes, in this order, of an input of "
                f"shape {tuple(input_shape)} without the batch, which is axis 0 and stays."
            )
        sizes = tuple(input_shape)
        return (*sizes[: first - 1], math.prod(sizes[first - 1 : last]), *sizes[last:])

    def compute(self, context: Context, x: Array) -> Array:
        """The same numbers in the same order."""
        context.save(x.shape)
        return x.reshape(x.shape[0], *self.output_shape(tuple(x.shape[1:])))

    def differentiate(self, context: Context, grad_y: Array) -> Array:
        """Back to the shape of x."""
        (x_shape,) = context.saved
        return grad_y.reshape(x_shape)

    def operations(self, input_shape: Shape, output_shape: Shape) -> int:
        """None."""
        return 0

    def describe(self) -> str:
        """The axes, where they are not the defaults."""
        return (
            "" if (self.start_dim, self.end_dim) == (1, -1) else f"start_dim={self.start_dim}, end_dim={self.end_dim}"
        )
