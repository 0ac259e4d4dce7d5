"""Cross entropy of classes."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet.backends import Backend
from gpunet.errors import DataError, ShapeError
from gpunet.losses.loss import Loss, factor_array
from gpunet.state import Array


class CrossEntropyLoss(Loss):
    """Negative logarithm of the probability that softmax gives to the right class; stable for logits of any size.

    The mean divides by the sum of the class weights of the labels that are not ignored (by their number without
    ``weight``); with none left it is NaN, as is its gradient.

    Args:
        weight: (C,) factor of each class, or None.
        ignore_index: samples with this label count for nothing.
        label_smoothing: in [0, 1]: share of the target that is spread evenly over all classes.
        reduction: "mean", "sum" or "none".

    Shapes:
        predictions: (N, C) or (N, C, d1, ...), logits; targets: (N,) or (N, d1, ...), integers in [0, C).

    Raises:
        DataError: ``label_smoothing`` is outside [0, 1]; when called, a label is out of range or no integer. On a GPU,
            where a look at the labels would wait for it, a label out of range makes loss and gradient NaN instead.
        ShapeError: when called, shapes that do not fit.
    """

    def __init__(
        self,
        weight: Any = None,
        ignore_index: int = -100,
        label_smoothing: float = 0.0,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction)
        self.weight = factor_array(weight, "CrossEntropyLoss: weight")
        if self.weight is not None and self.weight.ndim != 1:
            raise ShapeError(f"CrossEntropyLoss: weight of shape {self.weight.shape}, wanted one number a class.")
        if not 0 <= label_smoothing <= 1:
            raise DataError(f"CrossEntropyLoss: label_smoothing must be in [0, 1], got {label_smoothing}.")
        self.ignore_index = int(ignore_index)
        self.label_smoothing = float(label_smoothing)

    def evaluate(self, backend: Backend, predictions: Array, targets: Array) -> tuple[Array, Array]:
        """See `Loss.__call__`."""
        self._check(predictions, targets)
        xp, dtype = backend.xp, predictions.dtype
        labels = targets.astype(np.int64, copy=False)
        weight = None if self.weight is None else backend.asarray(self.weight, dtype)
        losses, grad = backend.softmax_cross_entropy(
            predictions, labels, weight, self.ignore_index, self.label_smoothing
        )
        counted = labels != self.ignore_index
        if weight is not None:
            counted = weight[xp.where(counted, labels, 0)] * counted
        total = counted.sum().astype(dtype)
        if self.reduction == "mean":
            with np.errstate(invalid="ignore"):
                return backend.asarray(losses.sum() / total), grad
        grad_of_sum = xp.where(total > 0, grad * total, dtype.type(0))
        return (losses if self.reduction == "none" else backend.asarray(losses.sum())), grad_of_sum

    def _check(self, predictions: Array, targets: Array) -> None:
        shape = tuple(predictions.shape)
        if len(shape) < 2 or shape[1] < 1:
            raise ShapeError(f"got predictions of shape {shape}, wanted logits (N, classes) or (N, classes, ...).")
        wanted = (shape[0], *shape[2:])
        if tuple(targets.shape) != wanted:
            hint = " For one-hot targets use targets.argmax(axis=1)." if tuple(targets.shape) == shape else ""
            raise ShapeError(
                f"got targets of shape {tuple(targets.shape)} for predictions of shape {shape}, "
                f"wanted integer labels of shape {wanted}.{hint}"
            )
        if targets.dtype.kind not in "iu":
            raise DataError(f"got {targets.dtype} targets, wanted integer labels. Convert: targets.astype('int64').")
        if self.weight is not None and self.weight.shape != shape[1:2]:
            raise ShapeError(f"got weights for {len(self.weight)} classes, but the predictions have {shape[1]}.")

    def __repr__(self) -> str:
        weight = "None" if self.weight is None else f"array of {len(self.weight)}"
        return (
            f"CrossEntropyLoss(weight={weight}, ignore_index={self.ignore_index}, "
            f"label_smoothing={self.label_smoothing}, reduction={self.reduction!r})"
        )
