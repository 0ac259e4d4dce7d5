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
    check_labels(np, labels, logits.shape[1], ignore_index)
    counted = labels != ignore_index
    with np.errstate(invalid="ignore", divide="ignore"):  # infinite logits and an empty mean give NaN, quietly
        return _losses_and_grad(logits, labels, counted, class_weight, label_smoothing)


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
