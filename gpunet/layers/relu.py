"""The rectifier."""

from __future__ import annotations

from gpunet.layers.elementwise import Elementwise
from gpunet.layers.module import Context
from gpunet.state import Array


class ReLU(Elementwise):
    """y = max(x, 0).

    The gradient at 0 is 0, and at NaN it is 1: a NaN goes through in both directions.

    Shapes:
        (N, ...) to the same.
    """

    def compute(self, context: Context, x: Array) -> Array:
        """y = max(x, 0)."""
        if context.keep:
            context.save(x <= 0)  # one byte an element, a quarter of x itself
        return self.backend.xp.maximum(x, 0)

    def differentiate(self, context: Context, grad_y: Array) -> Array:
        """grad_x = 0 where x <= 0, else grad_y."""
        (blocked,) = context.saved
        return self.backend.xp.where(blocked, grad_y.dtype.type(0), grad_y)
