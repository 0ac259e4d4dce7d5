"""The rectifier with a ceiling."""

from __future__ import annotations

from gpunet.layers.hardtanh import Hardtanh


class ReLU6(Hardtanh):
    """y = min(max(x, 0), 6): small numbers, of which few bits hold much.

    The gradient is 0 at 0 and at 6, as in PyTorch; a NaN goes through in both directions.

    Shapes:
        (N, ...) to the same.

    Source: Howard et al. 2017, arXiv:1704.04861.
    """

    def __init__(self) -> None:
        super().__init__(0.0, 6.0)

    def describe(self) -> str:
        """Nothing: the limits stand in the name."""
        return ""
