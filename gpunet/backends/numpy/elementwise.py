"""The rectifier, alone and after a bias, and dropout."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gpunet.backends.numpy import memory, parallel
from gpunet.backends.numpy.channels import Tile, channels_of
from gpunet.backends.numpy.selection import keep_where, rectify, through_rectifier
from gpunet.backends.numpy.windows import Floats
from gpunet.random import Stream

ARRAYS_IN_CACHE = 2  # what a piece reads and writes; smaller pieces have two threads waking each other
DRAWN_AT_ONCE = 1 << 16  # random words: enough that threads seldom wait for one another


def relu(x: Floats) -> Floats:
    """See `Backend.relu`."""
    y = memory.empty_like(x)
    flat_x, flat_y = memory.flat(x, like=y), memory.flat(y, like=y)
    parallel.run(lambda part: rectify(flat_x[part], out=flat_y[part]), _pieces(y))
    return y


def relu_backward(grad_y: Floats, y: Floats) -> Floats:
    """See `Backend.relu_backward`."""
    grad_x = memory.empty_like(y)
    grad, rectified, result = (memory.flat(array, like=grad_x) for array in (grad_y, y, grad_x))

    def job(part: slice) -> None:
        through_rectifier(grad[part], rectified[part], out=result[part])

    parallel.run(job, _pieces(grad_x))
    return grad_x


def bias_relu(x: Floats, bias: Floats) -> Floats:
    """See `Backend.bias_relu`."""
    y = memory.empty_like(x)
    flat_x, flat_y, channels = memory.flat(x, like=y), memory.flat(y, like=y), channels_of(y)
    shift = channels.spread(bias, x.dtype)

    def job(tile: Tile) -> None:
        part = np.add(flat_x[tile.part], shift[tile.spread], out=flat_y[tile.part])
        rectify(part, out=part)

    channels.run(job)
    return y


def bias_relu_backward(grad_y: Floats, y: Floats) -> tuple[Floats, Floats]:
    """See `Backend.bias_relu_backward`."""
    grad_x = memory.empty_like(y)
    grad, rectified, result = (memory.flat(array, like=grad_x) for array in (grad_y, y, grad_x))
    channels = channels_of(grad_x)
    sums = channels.partial_sums(y.dtype)

    def job(tile: Tile) -> None:
        part = through_rectifier(grad[tile.part], rectified[tile.part], out=result[tile.part])
        channels.sum_up(tile, part, sums)

    channels.run(job)
    return grad_x, channels.total(sums).astype(y.dtype)


def dropout(x: Floats, probability: float, stream: Stream) -> tuple[Floats, NDArray[np.bool_]]:
    """See `Backend.dropout`."""
    threshold = round(probability * 2**32)
    mask = memory.empty(x.shape, bool)
    if threshold >= 2**32:
        mask.fill(0)
    else:
        kept = mask.reshape(-1)

        def job(part: slice) -> None:
            bits = stream.bits(part.stop - part.start, part.start)
            np.greater_equal(bits, np.uint32(threshold), out=kept[part])

        parallel.run(job, parallel.pieces(x.size, DRAWN_AT_ONCE))
    return dropout_backward(x, mask, probability), mask


def dropout_backward(grad_y: Floats, mask: NDArray[np.bool_], probability: float) -> Floats:
    """See `Backend.dropout_backward`; the forward pass is the same formula."""
    grad_x = memory.empty_like(grad_y)
    if probability >= 1:
        grad_x.fill(0)
        return grad_x
    scale = np.asarray(1 / (1 - probability), grad_y.dtype)
    grad, kept, result = (memory.flat(array, like=grad_x) for array in (grad_y, mask, grad_x))

    def job(part: slice) -> None:
        scaled = memory.workspace("scaled", grad[part].shape, grad.dtype)
        np.multiply(grad[part], scale, out=scaled)
        keep_where(kept[part], scaled, out=result[part])

    parallel.run(job, _pieces(grad_x))
    return grad_x


def _pieces(x: Floats) -> list[slice]:
    """The parts of a flat array to work on at a time."""
    return parallel.cache_sized(x.size, ARRAYS_IN_CACHE * x.nbytes)
