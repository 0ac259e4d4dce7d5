"""The logistic function."""

from __future__ import annotations

from typing import Any

from gpunet.layers.elementwise import Elementwise
from gpunet.layers.module import Context, Shape
from gpunet.state import Array


def sigmoid(xp: Any, x: Array) -> Array:
    """1 / (1 + exp(-x)) for x of any size: the exponential's argument is never positive."""
    small = xp.exp(-xp.abs(x))
    return xp.where(x >= 0, x.dtype.type(1), small) / (1 + small)


class Sigmoid(Elementwise):
    """y = 1 / (1 + exp(-x)).

    Shapes:
        (N, ...) to the same.
    """

    def compute(self, context: Context, x: Array) -> Array:
        """y = 1 / (1 + exp(-x))."""
        y = sigmoid(self.backend.xp, x)
        context.save(y)
        return y

    def differentiate(self, context: Context, grad_y: Array) -> Array:
        """grad_x = grad_y * y * (1 - y)."""
        (y,) = context.saved
        return grad_y * y * (1 - y)

    def operations(self, input_shape: Shape, output_shape: Shape) -> int:
        """An exponential, an addition and a division an element."""
        return 3 * super().operations(input_shape, output_shape)
