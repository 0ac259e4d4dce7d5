"""The Gaussian error linear unit."""

from __future__ import annotations

import math

from gpunet.errors import DataError
from gpunet.layers.elementwise import Elementwise
from gpunet.layers.module import Context, Shape
from gpunet.state import Array

_CUBIC = 0.044715
_SATURATED = 40.0  # beyond, the normal distribution and both formulas are 0 or 1 in float64; its powers do not overflow


class GELU(Elementwise):
    """y = x * P(Z <= x) for a standard normal Z.

    Args:
        approximate: "none" for the exact formula with the error function, or "tanh" for
            y = x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x**3))).

    Shapes:
        (N, ...) to the same.

    Raises:
        DataError: ``approximate`` is neither.

    Source: Hendrycks and Gimpel 2016, arXiv:1606.08415.
    """

    def __init__(self, approximate: str = "none") -> None:
        if approximate not in {"none", "tanh"}:
            raise DataError(f"GELU: approximate must be 'none' or 'tanh', got {approximate!r}.")
        self.approximate = approximate

    def compute(self, context: Context, x: Array) -> Array:
        """y = x * share, the share being the chance that Z stays below x."""
        context.save(x)
        return x * self._share(self.backend.xp.clip(x, -_SATURATED, _SATURATED))

    def differentiate(self, context: Context, grad_y: Array) -> Array:
        """grad_x = grad_y * (share + x * slope of the share)."""
        (x,) = context.saved
        limited = self.backend.xp.clip(x, -_SATURATED, _SATURATED)
        share = self._share(limited)
        return grad_y * (share + limited * self._slope(limited, share))

    def _share(self, x: Array) -> Array:
        if self.approximate == "tanh":
            return 0.5 * (1 + self.backend.xp.tanh(math.sqrt(2 / math.pi) * x * (1 + _CUBIC * x * x)))
        return 0.5 * (1 + self.backend.erf(x * math.sqrt(0.5)))

    def _slope(self, x: Array, share: Array) -> Array:
        if self.approximate == "tanh":
            # With share = (1 + tanh) / 2, the slope of tanh is 1 - tanh**2 = 4 * share * (1 - share).
            return 2 * share * (1 - share) * (math.sqrt(2 / math.pi) * (1 + 3 * _CUBIC * x * x))
        return math.sqrt(0.5 / math.pi) * self.backend.xp.exp(-0.5 * x * x)

    def operations(self, input_shape: Shape, output_shape: Shape) -> int:
        """The function, two multiplications and an addition, counted as four an element."""
        return 4 * super().operations(input_shape, output_shape)

    def describe(self) -> str:
        """The approximation."""
        return f"approximate={self.approximate!r}"
