"""3x3 convolution at stride 1 of few channels by Winograd's F(4, 3) along the rows of the image alone.

Where channels are few, the transforms of `winograd` cost as much as the products that they save. Along one axis they
are six times smaller, and save half of the multiplications. Along the other axis the three rows of the kernel are part
of the product: in memory ordered by image, column of tiles, row and channel, three rows are neighbours, so that they
are a row of a matrix without being copied. Rows of a matrix may not overlap, for BLAS; every third row of windows makes
one matrix, and there are three. The error is about five times that of a direct sum.

    V = B^T tiles            6 rows; for each tile of six columns
    M[k] = V[k] U[k]         for each of the 6: (rows, 3 * C) times (3 * C, F)
    Y = A^T M                4 columns of the output a tile

Source: Lavin and Gray 2016, arXiv:1509.09308, for the matrices.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from gpunet.backends.numpy import cutting, memory, parallel
from gpunet.backends.numpy.job import Job
from gpunet.backends.numpy.layout import channels_last
from gpunet.backends.numpy.windows import Floats, copy_pixels, fill
from gpunet.backends.numpy.winograd import INPUTS, OUTPUTS, SPAN, TILE, WEIGHTS
from gpunet.geometry import Window

BLOCK_BYTES = 2 << 20  # of transformed tiles
PARTS = 8  # partial sums of the weight's gradient
PHASES = 3  # matrices whose rows do not overlap; as many as the kernel has rows


def correlate(x: Floats, weight: Floats, bias: Floats | None, window: Window, relu: bool = False) -> Floats:
    """`Backend.conv2d` for a 3x3 window at stride 1 without dilation or groups; y is channels-last."""
    filters, dtype = weight.shape[0], np.result_type(x, weight)
    problem = _Problem(x, window, dtype)
    # (F, C, 3, 3) to (6, 1, 3 * C, F)
    transformed = np.einsum("tj,fcij->ticf", WEIGHTS.astype(dtype), weight).reshape(SPAN, 1, -1, filters)
    y = memory.empty_channels_last((len(x), filters, *problem.out_size), dtype)
    parallel.run(_Correlate(problem, x, transformed, bias, y, relu), problem.blocks(), x.nbytes + y.nbytes)
    return y


@dataclass(frozen=True)
class _Correlate(Job):
    """Writes some images of ``y``; ``transformed`` is (6, 1, 3 * C, F)."""

    problem: _Problem
    x: Floats
    transformed: Floats
    bias: Floats | None
    y: Floats
    relu: bool
    outputs = ("y",)

    def __call__(self, images: slice) -> None:
        problem, dtype, filters = self.problem, self.y.dtype, self.y.shape[1]
        windows = problem.windows(self.x[images])
        rows = PHASES * windows.shape[2]
        products = memory.workspace("winograd products", (SPAN, rows, filters), dtype)
        np.matmul(windows, self.transformed, out=_phases(products, filters))
        outputs = memory.workspace("winograd tiles", (TILE, rows, filters), dtype)
        np.matmul(_converted(dtype).outputs, products.reshape(SPAN, -1), out=outputs.reshape(TILE, -1))
        if self.bias is not None:
            outputs += self.bias
        if self.relu:
            np.maximum(outputs, 0, out=outputs)
        part = channels_last(self.y[images])
        tiles = outputs[:, : len(part) * problem.columns * problem.rows]
        by_image = tiles.reshape(TILE, len(part), problem.columns, problem.rows, filters)
        _put(by_image[:, :, :, : problem.out_size[0]], part)


def weight_gradient(grad_y: Floats, x: Floats, window: Window) -> Floats:
    """`Backend.conv2d_backward_weight` for the same windows."""
    channels, filters, dtype = x.shape[1], grad_y.shape[1], np.result_type(grad_y, x)
    problem = _Problem(x, window, dtype)
    shares = cutting.shares_of(problem.blocks(), PARTS)
    sums = memory.shared((len(shares), SPAN, PHASES * channels, filters), dtype)
    parallel.run(_WeightGradient(problem, grad_y, x, sums), shares, grad_y.nbytes + x.nbytes)
    total = np.zeros(sums.shape[1:], dtype)
    for partial_sum in sums:
        total += partial_sum
    by_row = total.reshape(SPAN, PHASES, channels, filters)
    return np.ascontiguousarray(np.einsum("tj,ticf->fcij", WEIGHTS.astype(dtype), by_row))


@dataclass(frozen=True)
class _WeightGradient(Job):
    """Writes what a share of the images sums up to, (6, 3 * C, F), to its place in ``sums``."""

    problem: _Problem
    grad_y: Floats
    x: Floats
    sums: Floats
    outputs = ("sums",)

    def __call__(self, share: cutting.Share[slice]) -> None:
        dtype, total = self.sums.dtype, self.sums[share.number]
        total[...] = 0
        for images in share.members:
            windows = self.problem.windows(self.x[images])
            grads = self.problem.gradients(self.grad_y[images], PHASES * windows.shape[2])
            changed = memory.workspace("winograd changed gradients", (SPAN, *grads.shape[1:]), dtype)
            back = _converted(dtype).outputs_transposed
            np.matmul(back, grads.reshape(TILE, -1), out=changed.reshape(SPAN, -1))
            total += np.matmul(windows.transpose(0, 1, 3, 2), _phases(changed, self.sums.shape[3])).sum(axis=1)


@dataclass(frozen=True)
class _Converted:
    """Transforms along one axis."""

    inputs: Floats  # (6, 6)
    outputs: Floats  # (4, 6)
    outputs_transposed: Floats


@cache
def _converted(dtype: np.dtype[np.floating]) -> _Converted:
    outputs = OUTPUTS.astype(dtype)
    return _Converted(INPUTS.astype(dtype), outputs, np.ascontiguousarray(outputs.T))


class _Problem:
    """The sizes of one convolution.

    Attributes:
        columns: of tiles.
        rows: of the framed image.
    """

    def __init__(self, x: Floats, window: Window, dtype: Any) -> None:
        self.window, self.dtype = window, dtype
        self.images, self.channels = x.shape[:2]
        self.out_size = window.output_size(*x.shape[2:])
        self.rows, self.columns = self.out_size[0] + 2, -(-self.out_size[1] // TILE)

    def blocks(self) -> list[slice]:
        """The batch in blocks whose transformed tiles fit the cache."""
        per_image = SPAN * self.rows * self.columns * self.channels * self.dtype.itemsize
        return cutting.shares(self.images, BLOCK_BYTES // max(1, per_image), self.images * per_image)

    def windows(self, x: Floats) -> Floats:
        """Transformed tiles as (6, phases, rows of a matrix, 3 * C)."""
        (top, _), (left, _) = self.window.padding
        images, channels = x.shape[:2]
        frame = (images, self.rows, self.columns * TILE + 2, channels)
        framed = memory.workspace("winograd frame", frame, self.dtype)
        fill(framed, channels_last(x), -top, -left)
        tiles = memory.workspace("winograd tiles", (SPAN, images, self.columns, self.rows, channels), self.dtype)
        n, row, col, channel = framed.strides
        copy_pixels(tiles, as_strided(framed, tiles.shape, (col, n, TILE * col, row, channel), writeable=False))
        # Rows past the end complete the last windows, which nobody reads.
        rows = images * self.columns * self.rows
        count = -(-rows // PHASES)
        changed = memory.workspace("winograd changed", (SPAN, PHASES * count + 2, channels), self.dtype)
        changed[:, rows:] = 0
        flat = changed.reshape(SPAN, -1)
        np.matmul(_converted(self.dtype).inputs, tiles.reshape(SPAN, -1), out=flat[:, : rows * channels])
        step, row = changed.strides[:2]
        shape = (SPAN, PHASES, count, PHASES * channels)
        return as_strided(changed, shape, (step, row, PHASES * row, changed.itemsize), writeable=False)

    def gradients(self, grad_y: Floats, rows: int) -> Floats:
        """Tiles of gradients, (4, rows, F), with zeros at the rows that make no output."""
        source = channels_last(grad_y)
        images, height, width, filters = source.shape
        tiles = memory.workspace("winograd gradients", (TILE, rows, filters), self.dtype)
        used = images * self.columns * self.rows
        tiles[:, used:] = 0
        by_image = tiles[:, :used].reshape(TILE, images, self.columns, self.rows, filters)
        by_image[:, :, :, height:] = 0
        if width % TILE:
            whole = memory.workspace("winograd frame", (images, height, self.columns * TILE, filters), self.dtype)
            fill(whole, source, 0, 0)
            source = whole
        n, row, col, channel = source.strides
        view = as_strided(source, by_image[:, :, :, :height].shape, (col, n, TILE * col, row, channel))
        copy_pixels(by_image[:, :, :, :height], view)
        return tiles


def _phases(rows: Floats, width: int) -> Floats:
    """(k, rows, width) as (k, phases, rows / phases, width): every third row together, without a copy."""
    step, row, item = rows.strides
    return as_strided(rows, (len(rows), PHASES, rows.shape[1] // PHASES, width), (step, row, PHASES * row, item))


def _put(tiles: Floats, part: Floats) -> None:
    """Write (4, N, columns of tiles, rows, F) to (N, rows, columns, F)."""
    images, rows, width, filters = part.shape
    columns = tiles.shape[2]
    target = part
    if width % TILE:
        target = memory.workspace("winograd frame", (images, rows, columns * TILE, filters), part.dtype)
    n, row, col, channel = target.strides
    copy_pixels(as_strided(target, tiles.shape, (col, n, TILE * col, row, channel)), tiles)
    if target is not part:
        part[...] = target[:, :, :width]
