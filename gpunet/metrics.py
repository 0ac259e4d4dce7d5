"""How good predictions are, on host arrays: accuracy, the confusion matrix and the table of each class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpunet.errors import DataError, ShapeError


def softmax(outputs: Any) -> NDArray[Any]:
    """Probabilities of the classes from the outputs of a net that was trained with cross entropy.

    Args:
        outputs: (N, K), any finite size.

    Returns:
        (N, K) of the same floating dtype; each row sums to 1.
    """
    scores = np.asarray(outputs)
    if scores.ndim != 2 or scores.shape[1] == 0:
        raise ShapeError(f"softmax: got outputs of shape {scores.shape}, wanted (samples, classes).")
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def accuracy(predictions: Any, labels: Any) -> float:
    """Share of the samples that were given their own class.

    Args:
        predictions: (N,) classes, or (N, K) scores whose largest is the prediction.
        labels: (N,) integers.

    Returns:
        a number from 0 to 1.

    Raises:
        ShapeError: the shapes do not fit each other.
        DataError: there is no sample.
    """
    classes, labels = _as_classes(predictions, labels, "accuracy")
    if labels.size == 0:
        raise DataError("accuracy: got no samples, wanted at least one.")
    return float(np.count_nonzero(classes == labels) / labels.size)


def confusion_matrix(predictions: Any, labels: Any, num_classes: int | None = None) -> NDArray[np.int64]:
    """How often each class was taken for each.

    Args:
        predictions: (N,) classes, or (N, K) scores.
        labels: (N,) integers.
        num_classes: K; by default one more than the largest class that occurs, or the number of scores.

    Returns:
        (K, K): row = true class, column = predicted class.

    Raises:
        ShapeError: the shapes do not fit each other.
        DataError: a class is not in 0 ... K - 1.
    """
    scores = np.asarray(predictions)
    classes, labels = _as_classes(scores, labels, "confusion_matrix")
    if num_classes is None:
        largest = max((int(array.max()) for array in (classes, labels) if array.size), default=-1)
        num_classes = max(largest + 1, scores.shape[1] if scores.ndim == 2 else 0)
    for what, array in (("prediction", classes), ("label", labels)):
        outside = array[(array < 0) | (array >= num_classes)]
        if outside.size:
            raise DataError(f"confusion_matrix: got {what} {int(outside[0])}, wanted 0 to {num_classes - 1}.")
    counts = np.bincount(labels * num_classes + classes, minlength=num_classes * num_classes)
    return counts.reshape(num_classes, num_classes).astype(np.int64)


@dataclass(frozen=True, slots=True)
class ClassTable:
    """Precision, recall and support of each class; ``str`` shows it.

    Attributes:
        names: K names.
        precision: (K,) of the samples given this class, the share that is of it; NaN where none was given it.
        recall: (K,) of the samples of this class, the share that was given it; NaN where there is none.
        f1: (K,) harmonic mean of the two.
        support: (K,) samples of this class.
        accuracy: share of all samples that were given their own class; NaN without samples.
    """

    names: tuple[str, ...]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    f1: NDArray[np.float64]
    support: NDArray[np.int64]
    accuracy: float

    def __str__(self) -> str:
        width = max(len("class"), *(len(name) for name in self.names), len("all"))
        lines = [f"{'class':<{width}}  precision  recall      F1  support"]
        for name, precision, recall, f1, support in zip(
            self.names, self.precision, self.recall, self.f1, self.support, strict=True
        ):
            lines.append(
                f"{name:<{width}}  {_percent(precision):>9}  {_percent(recall):>6}  {_percent(f1):>6}  {support:>7}"
            )
        lines.append(
            f"{'all':<{width}}  {'accuracy':>9}  {_percent(self.accuracy):>6}  {'':>6}  {self.support.sum():>7}"
        )
        return "\n".join(lines)


def class_table(confusion: NDArray[np.int64], class_names: Sequence[str] | None = None) -> ClassTable:
    """Precision, recall, F1 and support of each class.

    Args:
        confusion: (K, K) as `confusion_matrix` returns it.
        class_names: K names; by default the numbers of the classes.

    Raises:
        ShapeError: the matrix is not square, or the names are not K.
    """
    confusion = np.asarray(confusion)
    if confusion.ndim != 2 or confusion.shape[0] != confusion.shape[1] or confusion.shape[0] == 0:
        raise ShapeError(f"class_table: got a confusion matrix of shape {confusion.shape}, wanted (classes, classes).")
    names = tuple(class_names) if class_names is not None else tuple(map(str, range(len(confusion))))
    if len(names) != len(confusion):
        raise ShapeError(f"class_table: got {len(names)} names for {len(confusion)} classes.")
    right = confusion.diagonal().astype(np.float64)
    given, support = confusion.sum(axis=0), confusion.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return ClassTable(
            names=names,
            precision=right / given,
            recall=right / support,
            f1=2 * right / (given + support),
            support=support,
            accuracy=float(right.sum() / np.float64(support.sum())),
        )


def _percent(share: float) -> str:
    return "-" if np.isnan(share) else f"{100 * share:.1f} %"


def _as_classes(predictions: Any, labels: Any, who: str) -> tuple[NDArray[Any], NDArray[Any]]:
    predictions, labels = np.asarray(predictions), np.asarray(labels)
    if predictions.ndim == 2 and predictions.shape[1] > 0:
        predictions = predictions.argmax(axis=1)
    if predictions.ndim != 1 or predictions.shape != labels.shape:
        raise ShapeError(
            f"{who}: got predictions of shape {predictions.shape} and labels of shape {labels.shape}, "
            f"wanted (N,) or (N, classes), and (N,)."
        )
    for what, array in (("predictions", predictions), ("labels", labels)):
        if array.size and array.dtype.kind not in "iu":
            raise DataError(f"{who}: got {what} of dtype {array.dtype}, wanted integers.")
    return predictions.astype(np.int64), labels.astype(np.int64)
