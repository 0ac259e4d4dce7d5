"""Binary cross entropy of logits."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet.backends import Backend
from gpunet.errors import ShapeError
from gpunet.losses.loss import PointwiseLoss, factor_array
from gpunet.state import Array


class BCEWithLogitsLoss(PointwiseLoss):
    """The mean of -(pos_weight * t * log(p) + (1 - t) * log(1 - p)) with p = sigmoid(prediction).

    It takes logits, not probabilities, so that it is exact for logits of any size.

    Args:
        weight: factor of each loss, broadcast over the predictions; None means 1.
        reduction: "mean" over all elements, "sum" or "none".
        pos_weight: factor of the positive part, broadcast over the predictions, such as (C,) for the last axis;
            above 1 it favours recall, below 1 precision; None means 1.

    Shapes:
        predictions and targets: any, the same; targets t from 0 to 1.
    """

    def __init__(self, weight: Any = None, reduction: str = "mean", pos_weight: Any = None) -> None:
        super().__init__(reduction)
        self.weight = factor_array(weight, "BCEWithLogitsLoss: weight")
        self.pos_weight = factor_array(pos_weight, "BCEWithLogitsLoss: pos_weight")

    def pointwise(self, backend: Backend, predictions: Array, targets: Array) -> tuple[Array, Array]:
        """See `PointwiseLoss.pointwise`."""
        xp = backend.xp
        positive_factor = 1 if self.pos_weight is None else self._factor("pos_weight", backend, predictions)
        small = xp.exp(-xp.abs(predictions))
        negative_log_p = xp.log1p(small) + xp.maximum(-predictions, 0)
        one_minus_p = xp.where(predictions >= 0, small, predictions.dtype.type(1)) / (1 + small)
        # log(1 - p) = log(p) - prediction gathers both logarithms into one, with this factor.
        factor = 1 + (positive_factor - 1) * targets
        losses = (1 - targets) * predictions + factor * negative_log_p
        grad = (1 - targets) - factor * one_minus_p
        if self.weight is not None:
            weight = self._factor("weight", backend, predictions)
            losses, grad = losses * weight, grad * weight
        return losses, grad

    def _factor(self, name: str, backend: Backend, predictions: Array) -> Array:
        array = getattr(self, name)
        shape = tuple(predictions.shape)
        try:
            fits = np.broadcast_shapes(array.shape, shape) == shape
        except ValueError:
            fits = False
        if not fits:
            raise ShapeError(f"{name} of shape {array.shape} does not broadcast over predictions of shape {shape}.")
        return backend.asarray(array, predictions.dtype)
