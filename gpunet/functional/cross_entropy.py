"""Softmax and cross entropy in one step."""

from __future__ import annotations

from gpunet.backends.labels import check_labels
from gpunet.errors import DataError, ShapeError
from gpunet.functional.checks import backend_for, check_owner, check_shape, names_itself
from gpunet.state import Array

IGNORED = -100  # the label of a sample to leave out


@names_itself
def softmax_cross_entropy(logits: Array, labels: Array) -> tuple[Array, Array]:
    """Negative log-likelihood of the labels under the softmax of the logits; stable for logits of any size.

    Args:
        logits: (N, C) or (N, C, d1, ...), float32 or float64.
        labels: (N,) or (N, d1, ...), integers in [0, C); -100 marks a sample to leave out.

    Returns:
        losses: like labels; 0 where left out.
        grad: like logits, the gradient of the mean of the losses that are not left out; NaN if all are.

    Raises:
        ShapeError: logits and labels do not fit together.
        DataError: a dtype is wrong or a label out of range.
        BackendError: an argument is no array, or arrays of two backends are mixed.
    """
    backend = backend_for({"logits": logits})
    check_owner("labels", labels, logits)
    if logits.ndim < 2 or logits.shape[1] < 1:
        raise ShapeError(f"logits have shape {tuple(logits.shape)}, wanted (N, C, ...) with at least one class.")
    if labels.dtype.kind not in "iu":
        raise DataError(f"labels have dtype {labels.dtype}, wanted integers: labels.astype('int64').")
    check_shape("labels", labels, (logits.shape[0], *logits.shape[2:]), ", one for each sample of the logits")
    check_labels(backend.xp, labels, logits.shape[1], IGNORED)
    return backend.softmax_cross_entropy(logits, labels, ignore_index=IGNORED)
