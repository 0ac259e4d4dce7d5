"""Sums, the rectifier, alone and after a bias, and dropout."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gpunet.backends.numpy import cutting, memory, parallel
from gpunet.backends.numpy.channels import Tile, TileJob, channels_of
from gpunet.backends.numpy.job import Job
from gpunet.backends.numpy.selection import keep_where, rectify, through_rectifier
from gpunet.backends.numpy.windows import Floats
from gpunet.random import Stream

ARRAYS_IN_CACHE = 2  # what a piece reads and writes
DRAWN_AT_ONCE = 1 << 16  # random words
DRAWING_COSTS = 40  # as much time as it takes to read and write so many bytes


def add(a: Floats, b: Floats) -> Floats:
    """See `Backend.add`."""
    y = memory.empty_like(a)
    _run(_Add(*(memory.flat(array, like=y) for array in (a, b, y))), y)
    return y


@dataclass(frozen=True)
class _Add(Job):
    a: Floats
    b: Floats
    y: Floats
    outputs = ("y",)

    def __call__(self, part: slice) -> None:
        np.add(self.a[part], self.b[part], out=self.y[part])


def relu(x: Floats) -> Floats:
    """See `Backend.relu`."""
    y = memory.empty_like(x)
    _run(_Rectify(memory.flat(x, like=y), memory.flat(y, like=y)), y)
    return y


@dataclass(frozen=True)
class _Rectify(Job):
    x: Floats
    y: Floats
    outputs = ("y",)

    def __call__(self, part: slice) -> None:
        rectify(self.x[part], out=self.y[part])


def relu_backward(grad_y: Floats, y: Floats) -> Floats:
    """See `Backend.relu_backward`."""
    grad_x = memory.empty_like(y)
    _run(_ThroughRectifier(*(memory.flat(array, like=grad_x) for array in (grad_y, y, grad_x))), grad_x)
    return grad_x


@dataclass(frozen=True)
class _ThroughRectifier(Job):
    grad: Floats
    rectified: Floats
    result: Floats
    outputs = ("result",)

    def __call__(self, part: slice) -> None:
        through_rectifier(self.grad[part], self.rectified[part], out=self.result[part])


def bias_relu(x: Floats, bias: Floats) -> Floats:
    """See `Backend.bias_relu`."""
    y = memory.empty_like(x)
    channels = channels_of(y)
    shift = channels.spread(bias, x.dtype)
    channels.run(_BiasRectify(channels, memory.flat(x, like=y), shift, memory.flat(y, like=y)))
    return y


@dataclass(frozen=True)
class _BiasRectify(TileJob):
    x: Floats
    shift: Floats
    y: Floats
    outputs = ("y",)

    def do(self, tile: Tile) -> None:
        part = np.add(self.x[tile.part], self.shift[tile.spread], out=self.y[tile.part])
        rectify(part, out=part)


def bias_relu_backward(grad_y: Floats, y: Floats) -> tuple[Floats, Floats]:
    """See `Backend.bias_relu_backward`."""
    grad_x = memory.empty_like(y)
    grad, rectified, result = (memory.flat(array, like=grad_x) for array in (grad_y, y, grad_x))
    channels = channels_of(grad_x)
    sums = channels.partial_sums(y.dtype)
    channels.run(_BiasThroughRectifier(channels, grad, rectified, result, sums))
    return grad_x, channels.total(sums).astype(y.dtype)


@dataclass(frozen=True)
class _BiasThroughRectifier(TileJob):
    grad: Floats
    rectified: Floats
    result: Floats
    sums: Floats
    outputs = ("result", "sums")

    def do(self, tile: Tile) -> None:
        part = through_rectifier(self.grad[tile.part], self.rectified[tile.part], out=self.result[tile.part])
        self.channels.sum_up(tile, part, self.sums)


def dropout(x: Floats, probability: float, stream: Stream) -> tuple[Floats, NDArray[np.bool_]]:
    """See `Backend.dropout`."""
    threshold = round(probability * 2**32)
    mask = memory.empty(x.shape, bool)
    if threshold >= 2**32:
        mask.fill(0)
    else:
        draw = _Draw(stream, threshold, mask.reshape(-1))
        parallel.run(draw, cutting.even(x.size, DRAWN_AT_ONCE), DRAWING_COSTS * mask.nbytes)
    return dropout_backward(x, mask, probability), mask


@dataclass(frozen=True)
class _Draw(Job):
    stream: Stream
    threshold: int
    kept: NDArray[np.bool_]
    outputs = ("kept",)

    def __call__(self, part: slice) -> None:
        bits = self.stream.bits(part.stop - part.start, part.start)
        np.greater_equal(bits, np.uint32(self.threshold), out=self.kept[part])


def dropout_backward(grad_y: Floats, mask: NDArray[np.bool_], probability: float) -> Floats:
    """See `Backend.dropout_backward`; the forward pass is the same formula."""
    grad_x = memory.empty_like(grad_y)
    if probability >= 1:
        grad_x.fill(0)
        return grad_x
    scale = np.asarray(1 / (1 - probability), grad_y.dtype)
    grad, kept, result = (memory.flat(array, like=grad_x) for array in (grad_y, mask, grad_x))
    _run(_KeepScaled(grad, kept, scale, result), grad_x)
    return grad_x


@dataclass(frozen=True)
class _KeepScaled(Job):
    grad: Floats
    kept: NDArray[np.bool_]
    scale: Floats
    result: Floats
    outputs = ("result",)

    def __call__(self, part: slice) -> None:
        scaled = memory.workspace("scaled", self.grad[part].shape, self.grad.dtype)
        np.multiply(self.grad[part], self.scale, out=scaled)
        keep_where(self.kept[part], scaled, out=self.result[part])


def _run(job: Job, x: Floats) -> None:
    """The job, whose pieces are parts of a flat array of as many numbers as ``x``."""
    nbytes = ARRAYS_IN_CACHE * x.nbytes
    parallel.run(job, cutting.cache_sized(x.size, nbytes), nbytes)
