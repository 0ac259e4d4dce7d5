"""Activations that are the input itself between two limits."""

from __future__ import annotations

import math

from gpunet.errors import DataError
from gpunet.layers.elementwise import Elementwise
from gpunet.layers.module import Context, Shape
from gpunet.state import Array


class Hardtanh(Elementwise):
    """y = min(max(x, min_val), max_val).

    The gradient is 0 at both limits and beyond them, as in PyTorch; a NaN goes through in both directions.

    Args:
        min_val, max_val: the limits; one may be infinite.

    Shapes:
        (N, ...) to the same.

    Raises:
        DataError: ``min_val`` is not below ``max_val``.
    """

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0) -> None:
        self.min_val, self.max_val = float(min_val), float(max_val)
        if not self.min_val < self.max_val or math.isnan(self.min_val) or math.isnan(self.max_val):
            raise DataError(f"{type(self).__name__}: min_val must be below max_val, got {min_val} and {max_val}.")

    def compute(self, context: Context, x: Array) -> Array:
        """y = min(max(x, min_val), max_val)."""
        y = self.backend.xp.clip(x, self.min_val, self.max_val)
        context.save(y)  # which the next layer keeps anyway, so that it costs nothing
        return y

    def differentiate(self, context: Context, grad_y: Array) -> Array:
        """grad_x = grad_y where y is no limit, else 0."""
        (y,) = context.saved
        stopped = (y <= self.min_val) | (y >= self.max_val)
        return self.backend.xp.where(stopped, grad_y.dtype.type(0), grad_y)

    def operations(self, input_shape: Shape, output_shape: Shape) -> int:
        """Two comparisons an element."""
        return 2 * super().operations(input_shape, output_shape)

    def describe(self) -> str:
        """The limits."""
        return f"min_val={self.min_val}, max_val={self.max_val}"
