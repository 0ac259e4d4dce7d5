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
        y = self.backend.relu(x)
        context.save(y)  # which the next layer keeps anyway, so that it costs nothing
        return y

    def differentiate(self, context: Context, grad_y: Array) -> Array:
        """grad_x = grad_y where something came through, else 0."""
        (y,) = context.saved
        return self.backend.relu_backward(grad_y, y)
