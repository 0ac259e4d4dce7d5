"""The exponential linear unit."""

from __future__ import annotations

from gpunet.errors import DataError
from gpunet.layers.elementwise import Elementwise
from gpunet.layers.module import Context, Shape
from gpunet.state import Array


class ELU(Elementwise):
    """y = x where x > 0, else alpha * (exp(x) - 1).

    Args:
        alpha: minus the limit towards minus infinity; 0 or more.

    Shapes:
        (N, ...) to the same.

    Raises:
        DataError: ``alpha`` is negative.

    Source: Clevert, Unterthiner and Hochreiter 2016, arXiv:1511.07289.
    """

    def __init__(self, alpha: float = 1.0) -> None:
        if not alpha >= 0:
            raise DataError(f"ELU: alpha must be 0 or more, got {alpha}. The usual value is 1.")
        self.alpha = float(alpha)

    def compute(self, context: Context, x: Array) -> Array:
        """y = x where x > 0, else alpha * (exp(x) - 1)."""
        xp = self.backend.xp
        y = xp.where(x > 0, x, self.alpha * xp.expm1(xp.minimum(x, 0)))  # minimum: exp of a large x would overflow
        context.save(y)
        return y

    def differentiate(self, context: Context, grad_y: Array) -> Array:
        """The slope below 0 is alpha * exp(x) = y + alpha."""
        (y,) = context.saved
        return self.backend.xp.where(y > 0, grad_y, grad_y * (y + self.alpha))

    def operations(self, input_shape: Shape, output_shape: Shape) -> int:
        """An exponential, a subtraction and a multiplication an element."""
        return 3 * super().operations(input_shape, output_shape)

    def describe(self) -> str:
        """alpha."""
        return f"alpha={self.alpha}"
