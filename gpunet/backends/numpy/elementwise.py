"""Dropout."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gpunet.backends.numpy.windows import Floats
from gpunet.random import Stream


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
    return np.where(mask, grad_y * scale, grad_y.dtype.type(0))
