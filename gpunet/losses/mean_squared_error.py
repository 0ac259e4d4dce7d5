"""Mean squared error."""

from __future__ import annotations

from gpunet.backends import Backend
from gpunet.losses.loss import PointwiseLoss
from gpunet.state import Array


class MSELoss(PointwiseLoss):
    """The mean of (prediction - target)**2.

    Args:
        reduction: "mean" over all elements, "sum" or "none".

    Shapes:
        predictions and targets: any, the same.
    """

    def pointwise(self, backend: Backend, predictions: Array, targets: Array) -> tuple[Array, Array]:
        """See `PointwiseLoss.pointwise`."""
        difference = predictions - targets
        return difference * difference, 2 * difference
