"""What all losses are: a function from predictions and targets to a value and its gradient."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from gpunet.backends import Backend
from gpunet.backends.select import backend_of
from gpunet.errors import DataError, GpunetError, ShapeError
from gpunet.state import Array

REDUCTIONS = ("mean", "sum", "none")


class Loss(ABC):
    """Base of the losses: checks what they have in common and puts the loss's name on errors.

    Args:
        reduction: "mean", "sum", or "none": the value is then the array of all losses, and the gradient that of
            their sum.

    Raises:
        DataError: the reduction is unknown.
    """

    def __init__(self, reduction: str = "mean") -> None:
        if reduction not in REDUCTIONS:
            raise DataError(
                f"{type(self).__name__}: reduction {reduction!r} is unknown: choose one of {', '.join(REDUCTIONS)}."
            )
        self.reduction = reduction

    def __call__(self, predictions: Array, targets: Array) -> tuple[Array, Array]:
        """Value and gradient.

        Args:
            predictions: what the net returned.
            targets: what it should have returned; the loss says in which form.

        Returns:
            value, a 0-d array of the predictions' backend and dtype; and its gradient, like predictions.

        Raises:
            ShapeError, DataError, BackendError: predictions and targets do not fit each other or this loss.
        """
        try:
            backend = backend_of(predictions, targets)
            if predictions.dtype.kind != "f":
                raise DataError(f"got {predictions.dtype} predictions, wanted floats such as float32.")
            return self.evaluate(backend, predictions, targets)
        except GpunetError as error:
            if error.layer is None:
                error.layer = type(self).__name__
                error.args = (f"{error.layer}: {error}",)
            raise

    @abstractmethod
    def evaluate(self, backend: Backend, predictions: Array, targets: Array) -> tuple[Array, Array]:
        """The formula: see `__call__`."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(reduction={self.reduction!r})"


class PointwiseLoss(Loss):
    """Base of the losses that compare each prediction with its own target."""

    def evaluate(self, backend: Backend, predictions: Array, targets: Array) -> tuple[Array, Array]:
        """See `Loss.__call__`; the mean is over all elements."""
        if tuple(targets.shape) != tuple(predictions.shape):
            raise ShapeError(
                f"got targets of shape {tuple(targets.shape)} for predictions of shape {tuple(predictions.shape)}, "
                f"wanted the same shape. Reshape one of them; nothing is broadcast."
            )
        if targets.dtype != predictions.dtype:
            raise DataError(
                f"got {targets.dtype} targets for {predictions.dtype} predictions. "
                f"Convert them: targets.astype('{predictions.dtype}')."
            )
        losses, grad = self.pointwise(backend, predictions, targets)
        if self.reduction == "none":
            return losses, grad
        if self.reduction == "sum":
            return backend.asarray(losses.sum()), grad
        with np.errstate(invalid="ignore"):  # the mean of nothing is NaN
            return backend.asarray(losses.sum() / losses.size), grad / losses.size

    @abstractmethod
    def pointwise(self, backend: Backend, predictions: Array, targets: Array) -> tuple[Array, Array]:
        """Loss of each element, and the gradient of their sum; both like predictions."""


def factor_array(values: Any, name: str) -> np.ndarray | None:
    """A loss's weights as a float64 array on the host; None stays None.

    Raises:
        DataError: they are not numbers.
    """
    if values is None:
        return None
    host = backend_of(values).to_numpy(values) if hasattr(values, "dtype") else values
    try:
        return np.array(host, np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{name}: got {values!r}, wanted numbers.") from error
