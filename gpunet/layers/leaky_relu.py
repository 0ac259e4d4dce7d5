"""The rectifier that lets a little through."""

from __future__ import annotations

from gpunet.layers.elementwise import Elementwise
from gpunet.layers.module import Context, Shape
from gpunet.state import Array


class LeakyReLU(Elementwise):
    """y = x where x > 0, else negative_slope * x.

    The gradient at 0 is ``negative_slope``, as in PyTorch.

    Args:
        negative_slope: slope below 0.

    Shapes:
        (N, ...) to the same.
    """

    def __init__(self, negative_slope: float = 0.01) -> None:
        self.negative_slope = float(negative_slope)

    def compute(self, context: Context, x: Array) -> Array:
        """y = x where x > 0, else negative_slope * x."""
        positive = x > 0
        context.save(positive)
        return self.backend.xp.where(positive, x, x * self.negative_slope)

    def differentiate(self, context: Context, grad_y: Array) -> Array:
        """grad_x = grad_y times the slope on which x stood."""
        (positive,) = context.saved
        return self.backend.xp.where(positive, grad_y, grad_y * self.negative_slope)

    def operations(self, input_shape: Shape, output_shape: Shape) -> int:
        """A comparison and a multiplication an element."""
        return 2 * super().operations(input_shape, output_shape)

    def describe(self) -> str:
        """The slope."""
        return f"negative_slope={self.negative_slope}"
