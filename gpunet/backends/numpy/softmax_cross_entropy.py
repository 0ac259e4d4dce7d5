"""Softmax and cross entropy as one primitive, so that neither overflows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gpunet.backends.labels import check_labels
from gpunet.backends.numpy.windows import Floats


def softmax_cross_entropy(
    logits: Floats,
    labels: NDArray[np.integer],
    class_weight: Floats | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
) -> tuple[Floats, Floats]:
    """See `Backend.softmax_cross_entropy`."""
    classes = logits.shape[1]
    with np.errstate(invalid="ignore", divide="ignore"):  # infinite logits and an empty mean give NaN, quietly
        plain = logits.ndim == 2 and class_weight is None and not label_smoothing
        if plain and _all_count(labels, classes, ignore_index):
            return _plain_losses_and_grad(logits, labels)
        check_labels(np, labels, classes, ignore_index)
        counted = labels != ignore_index
        return _losses_and_grad(logits, labels, counted, class_weight, label_smoothing)


def _all_count(labels: NDArray[np.integer], classes: int, ignore_index: int) -> bool:
    """Whether there are labels, all of them in [0, ``classes``), and none may be the one that is ignored."""
    if labels.size == 0 or 0 <= ignore_index < classes:
        return False
    return bool(labels.min() >= 0 and labels.max() < classes)


def _plain_losses_and_grad(logits: Floats, labels: NDArray[np.integer]) -> tuple[Floats, Floats]:
    """Of logits (N, C), every sample with weight 1: a dozen NumPy calls, which are what a small batch costs."""
    one, samples = np.asarray(1, logits.dtype), np.asarray(len(labels), logits.dtype)
    chosen = np.arange(0, logits.size, logits.shape[1]) + labels.astype(np.intp)  # in the flat array
    shifted = np.subtract(logits, np.maximum.reduce(logits, axis=1, keepdims=True), order="C")
    losses = shifted.reshape(-1)[chosen]
    grad = np.exp(shifted, out=shifted)
    total = np.add.reduce(grad, axis=1, keepdims=True)
    np.divide(grad, total, out=grad)
    grad.reshape(-1)[chosen] -= one
    np.divide(grad, samples, out=grad)
    return np.subtract(np.log(total[:, 0]), losses, out=losses), grad


def _losses_and_grad(
    logits: Floats,
    labels: NDArray[np.integer],
    counted: NDArray[np.bool_],
    class_weight: Floats | None,
    label_smoothing: float,
) -> tuple[Floats, Floats]:
    dtype, classes = logits.dtype, logits.shape[1]
    safe_labels = np.where(counted, labels, 0)[:, None]
    shifted = logits - logits.max(axis=1, keepdims=True)
    exponentials = np.exp(shifted)
    total = exponentials.sum(axis=1, keepdims=True)
    log_probabilities = shifted - np.log(total)
    probabilities = exponentials / total

    weights = np.ones(classes, dtype) if class_weight is None else class_weight
    sample_weight = (weights[safe_labels] * counted[:, None]).astype(dtype, copy=False)
    nll = -np.take_along_axis(log_probabilities, safe_labels, axis=1) * sample_weight
    grad = probabilities * sample_weight
    target = np.take_along_axis(grad, safe_labels, axis=1) - sample_weight
    np.put_along_axis(grad, safe_labels, target, axis=1)
    if label_smoothing:
        # The evenly spread share has each class's own weight, not the label's.
        share = dtype.type(label_smoothing / classes)
        per_class = weights.reshape(1, classes, *(1,) * (logits.ndim - 2)) * counted[:, None]
        spread = -(log_probabilities * per_class).sum(axis=1, keepdims=True)
        nll = dtype.type(1 - label_smoothing) * nll + share * spread
        even = probabilities * per_class.sum(axis=1, keepdims=True) - per_class
        grad = dtype.type(1 - label_smoothing) * grad + share * even
    losses = nll[:, 0].astype(dtype, copy=False)
    grad = grad.astype(dtype, copy=False)
    if not counted.all():
        # A factor of 0 would do, but for logits that are infinite or NaN.
        losses[~counted] = 0
        grad = np.where(counted[:, None], grad, dtype.type(0))
    grad /= sample_weight.sum(dtype=dtype)
    return losses, grad
