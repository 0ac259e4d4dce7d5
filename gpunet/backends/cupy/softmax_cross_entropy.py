"""Softmax cross entropy by ``softmax_cross_entropy.cu``."""

from __future__ import annotations

import math

import numpy as np

from gpunet.backends.cupy.contiguous import contiguous
from gpunet.backends.cupy.kernel_library import KernelLibrary, accumulator_type
from gpunet.state import Array

_CHUNK_SIZE = 4096  # labels whose weights one block adds; fixes the order of summation
_WIDE = 32  # classes from which a block takes a sample, where its classes lie side by side


def softmax_cross_entropy(
    library: KernelLibrary,
    logits: Array,
    labels: Array,
    class_weight: Array | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
) -> tuple[Array, Array]:
    """See `Backend.softmax_cross_entropy`.

    A label out of range is not raised here, because looking at the labels would wait for the device. It reads nothing
    outside of the arrays; its loss, and the whole gradient, are NaN.
    """
    xp, dtype = library.xp, logits.dtype
    classes, inner = logits.shape[1], math.prod(logits.shape[2:])
    logits = contiguous(logits)
    labels = contiguous(labels, np.int64)  # uint64 above 2**63 becomes negative, so it stays out of range
    weights = None if class_weight is None else contiguous(class_weight, dtype)
    losses, grad = xp.empty(labels.shape, dtype), xp.empty_like(logits)
    total = _total_weight(library, labels, weights, ignore_index, classes, dtype)
    arrays = (logits, labels, weights, total, losses, grad)
    settings = (int(ignore_index), float(label_smoothing), classes)
    if inner == 1 and classes >= _WIDE:
        library.launch(
            "softmax_cross_entropy",
            "softmax_cross_entropy_wide",
            dtype,
            *arrays,
            *settings,
            labels.size,
            blocks=labels.size,
            block_size=128,
        )
    else:
        library.launch(
            "softmax_cross_entropy",
            "softmax_cross_entropy",
            dtype,
            *arrays,
            *settings,
            inner,
            labels.size,
            threads=labels.size,
            block_size=128,
        )
    return losses, grad


def _total_weight(
    library: KernelLibrary,
    labels: Array,
    weights: Array | None,
    ignore_index: int,
    classes: int,
    dtype: np.dtype[np.floating],
) -> Array:
    """Sum of the weights of the labels that count, of shape (1,)."""
    chunks = -(-labels.size // _CHUNK_SIZE)
    partial, total = library.xp.empty(chunks, accumulator_type(dtype)), library.xp.empty(1, dtype)
    arguments = (labels, weights, partial, int(ignore_index), classes, labels.size, _CHUNK_SIZE)
    library.launch("softmax_cross_entropy", "label_weights", dtype, *arguments, blocks=chunks)
    if chunks == 1 and partial.dtype == dtype:
        return partial
    library.launch("reductions", "sum_rows", dtype, partial, total, 1, chunks, blocks=1)
    return total
