"""The rectifier, alone and after a bias, and dropout."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gpunet.backends.numpy import parallel
from gpunet.backends.numpy.selection import keep_where, through_rectifier
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
        grad_x[part] = through_rectifier(grad_y[part], y[part])

    parallel.run(job, parallel.cache_sized(len(y), y.nbytes))
    return grad_x


def bias_relu(x: Floats, bias: Floats) -> Floats:
    """See `Backend.bias_relu`."""
    y = np.empty(x.shape, x.dtype)
    spread = bias.reshape(-1, *(1,) * (x.ndim - 2))

    def job(images: slice) -> None:
        part = np.add(x[images], spread, out=y[images])
        np.maximum(part, 0, out=part)

    parallel.run(job, parallel.cache_sized(len(x), x.nbytes))
    return y


def bias_relu_backward(grad_y: Floats, y: Floats) -> tuple[Floats, Floats]:
    """See `Backend.bias_relu_backward`."""
    grad_x = np.empty(y.shape, y.dtype)
    inner = tuple(range(2, y.ndim))

    def job(images: slice) -> NDArray[np.float64]:
        part = grad_x[images]
        part[...] = through_rectifier(grad_y[images], y[images])
        # Within an image NumPy adds pairwise, but images one after the other: in float32 many would lose digits.
        return np.asarray(part.sum(axis=inner).sum(axis=0, dtype=np.float64))

    total = np.zeros(y.shape[1])
    for partial_sum in parallel.run(job, parallel.cache_sized(len(y), y.nbytes)):
        total += partial_sum
    return grad_x, total.astype(y.dtype)


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
