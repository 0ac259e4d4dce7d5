"""The rectifier with a ceiling."""

from __future__ import annotations

from gpunet.layers.hardtanh import Hardtanh
from gpunet.layers.module import Context
from gpunet.state import Array

_CEILING = 6.0


class ReLU6(Hardtanh):
    """y = min(max(x, 0), 6): small numbers, of which few bits hold much.

    The gradient is 0 at 0 and at 6, as in PyTorch; a NaN goes through in both directions.

    Shapes:
        (N, ...) to the same.

    Source: Howard et al. 2017, arXiv:1704.04861.
    """

    def __init__(self) -> None:
        super().__init__(0.0, _CEILING)

    def differentiate(self, context: Context, grad_y: Array) -> Array:
        """grad_x = grad_y where y is above 0 and below 6, else 0: as of a rectifier whose output is min(y, 6 - y)."""
        (y,) = context.saved
        xp = self.backend.xp
        below = xp.subtract(_CEILING, y, out=self.backend.empty_like(y))
        return self.backend.relu_backward(grad_y, xp.minimum(y, below, out=below))

    def describe(self) -> str:
        """Nothing: the limits stand in the name."""
        return ""
