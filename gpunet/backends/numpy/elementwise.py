"""The rectifier and dropout."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gpunet.backends.numpy import parallel
from gpunet.backends.numpy.selection import keep_where
from gpunet.backends.numpy.windows import Floats
from gpunet.random import Stream


def relu(x: Floats) -> Floats:
    """See `Backend.relu`."""
    y = np.empty(x.shape, x.dtype)
    parallel.run(lambda part: np.maximum(x[part], 0, out=y[part]), parallel.cache_sized(len(x), x.nbytes))
    return y


def relu_backward(grad_y: Floats, y: Floats) -> Floats:
    """See `Backend.relu_backward`."""
    grad_x = np.empty(y.shape, y.dtype)

    def job(part: slice) -> None:
        blocked = y[part] <= 0  # not y > 0, which is False at NaN too
        grad_x[part] = keep_where(np.logical_not(blocked, out=blocked), grad_y[part])

    parallel.run(job, parallel.cache_sized(len(y), y.nbytes))
    return grad_x


def dropout(x: Floats, probability: float, stream: Stream) -> tuple[Floats, NDArray[np.bool_]]:
    """See `Backend.dropout`."""
    threshold = round(probability * 2**32)
    if threshold >= 2**32:
        mask = np.zeros(x.shape, bool)
    else:
        mask = (stream.bits(x.size) >= np.uint32(threshold)).reshape(x.shape)
    return dropout_backward(x, mask, probability), mask


def dropout_backward(grad_y: Floats, mask: NDArray[np.bool_], probability: float) -> Floats:
    """See `Backend.dropout_backward`; the forward pass is the same formula."""
    if probability >= 1:
        return np.zeros_like(grad_y)
    scale = grad_y.dtype.type(1 / (1 - probability))
    return keep_where(mask, grad_y * scale)
