"""The hyperbolic tangent."""

from __future__ import annotations

from gpunet.layers.elementwise import Elementwise
from gpunet.layers.module import Context
from gpunet.state import Array


class Tanh(Elementwise):
    """y = tanh(x).

    Shapes:
        (N, ...) to the same.
    """

    def compute(self, context: Context, x: Array) -> Array:
        """y = tanh(x)."""
        y = self.backend.xp.tanh(x)
        context.save(y)
        return y

    def differentiate(self, context: Context, grad_y: Array) -> Array:
        """grad_x = grad_y * (1 - y**2)."""
        (y,) = context.saved
        return grad_y * (1 - y * y)
