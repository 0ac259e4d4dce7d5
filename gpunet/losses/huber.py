"""A loss that is square near the target and straight far from it."""

from __future__ import annotations

from gpunet.backends import Backend
from gpunet.errors import DataError
from gpunet.losses.loss import PointwiseLoss
from gpunet.state import Array


class HuberLoss(PointwiseLoss):
    """The mean of d**2 / 2 where d = abs(prediction - target) is at most delta, else of delta * (d - delta / 2).

    Args:
        reduction: "mean" over all elements, "sum" or "none".
        delta: where the parabola becomes a line; above 0.

    Shapes:
        predictions and targets: any, the same.

    Raises:
        DataError: ``delta`` is not above 0.

    Source: Huber 1964, Annals of Mathematical Statistics 35.
    """

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction)
        if not delta > 0:
            raise DataError(f"HuberLoss: delta must be above 0, got {delta}.")
        self.delta = float(delta)

    def pointwise(self, backend: Backend, predictions: Array, targets: Array) -> tuple[Array, Array]:
        """See `PointwiseLoss.pointwise`."""
        difference = predictions - targets
        slope = backend.xp.clip(difference, -self.delta, self.delta)
        # slope is the difference on the parabola and +-delta on the lines, where this is delta * (d - delta / 2).
        return slope * (difference - 0.5 * slope), slope

    def __repr__(self) -> str:
        return f"HuberLoss(reduction={self.reduction!r}, delta={self.delta})"
