"""3x3 convolution at stride 1 by Winograd's F(4x4, 3x3), made of plain matrix products.

Each 4x4 tile of the output needs a 6x6 tile of the input. Both are transformed to 36 numbers a channel, where the
convolution is a product number by number: 36 multiplications instead of 144. As matrices, over the tiles of a block:

    V = (B^T x B^T) tiles          36 rows; tiles and channels along the columns
    M[k] = V[k] U[k]               for each of the 36: (tiles, C) times (C, F)
    Y = (A^T x A^T) M              16 rows: the output tiles

where x is the Kronecker product and U = (G x G) weight. The transforms are products too, so that all the work is done
by BLAS, and blocks are so small that it happens in the cache. The error is about 1e-5 of the largest output in float32,
ten times that of a direct sum, because the transforms add numbers of different sizes.

Source: Lavin and Gray 2016, "Fast algorithms for convolutional neural networks", arXiv:1509.09308.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from gpunet.backends.numpy import cutting, memory, parallel
from gpunet.backends.numpy.job import Job
from gpunet.backends.numpy.layout import channels_last
from gpunet.backends.numpy.windows import Floats, copy_pixels, fill
from gpunet.geometry import Pair, Window

TILE = 4  # rows and columns of the output that a tile makes
SPAN = 6  # rows and columns of the input that it needs
BLOCK_COLUMNS = 8192  # tiles times channels in a block: more would leave the cache
MINIMUM_TILES = 64  # in a block, for the products' sake
MOST_PARTS = 8  # partial sums of the weight's gradient: enough to share out, ...
PARTIAL_SUM_BYTES = 20 << 20  # ... and few enough to keep

# B^T, G and A^T of the source, along one axis: of the input, the weights and the output.
INPUTS = np.array(
    [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ]
)
WEIGHTS = np.array(
    [
        [1 / 4, 0, 0],
        [-1 / 6, -1 / 6, -1 / 6],
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [0, 0, 1],
    ]
)
OUTPUTS = np.array([[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]])


@dataclass(frozen=True)
class _Matrices:
    """Transforms of a whole tile, the rows of the tile one after the other: Kronecker products with themselves."""

    inputs: Floats  # (36, 36)
    weights: Floats  # (36, 9)
    outputs: Floats  # (16, 36)


@cache
def _matrices(dtype: np.dtype[np.floating]) -> _Matrices:
    return _Matrices(*(np.kron(matrix, matrix).astype(dtype) for matrix in (INPUTS, WEIGHTS, OUTPUTS)))


class _Block(NamedTuple):
    """Some rows of tiles of some images."""

    images: slice
    rows: slice

    def rows_of(self, limit: int) -> slice:
        """Rows of the output that the tiles make, those past ``limit`` left out."""
        return slice(self.rows.start * TILE, min(self.rows.stop * TILE, limit))


def fits(window: Window) -> bool:
    """Whether the algorithm can compute this window."""
    return window.kernel == (3, 3) and window.stride == (1, 1) and window.dilation == (1, 1)


def use_of_tiles(out_size: tuple[int, ...]) -> float:
    """Which share of the tiles' outputs is wanted; the rest is computed and thrown away."""
    rows, cols = _grid(out_size)
    return out_size[0] * out_size[1] / (rows * cols * TILE * TILE)


def correlate(x: Floats, weight: Floats, bias: Floats | None, window: Window, relu: bool = False) -> Floats:
    """`Backend.conv2d` for a 3x3 window at stride 1 without dilation or groups; y is channels-last."""
    (images, channels), filters = x.shape[:2], weight.shape[0]
    out_size = window.output_size(*x.shape[2:])
    dtype = np.result_type(x, weight)
    taps = memory.empty((9, channels, filters), dtype)
    np.copyto(taps, weight.reshape(filters, channels, 9).transpose(2, 1, 0))
    transformed = memory.empty((36, channels, filters), dtype)
    np.matmul(_matrices(dtype).weights, taps.reshape(9, -1), out=transformed.reshape(36, -1))
    y = memory.empty_channels_last((images, filters, *out_size), dtype)
    grid = _grid(out_size)
    job = _Correlate(x, transformed, bias, y, window, grid, relu)
    parallel.run(job, _blocks(images, grid, max(channels, filters)), x.nbytes + y.nbytes)
    return y


@dataclass(frozen=True)
class _Correlate(Job):
    """Writes a block of ``y``; ``transformed`` is (36, C, F)."""

    x: Floats
    transformed: Floats
    bias: Floats | None
    y: Floats
    window: Window
    grid: Pair
    relu: bool
    outputs = ("y",)

    def __call__(self, block: _Block) -> None:
        dtype, (_, channels, filters) = self.transformed.dtype, self.transformed.shape
        matrices = _matrices(dtype)
        tiles = _input_tiles(self.x, block, self.window, self.grid, dtype)
        count = tiles.shape[1] // channels
        changed = memory.workspace("winograd changed", tiles.shape, dtype)
        np.matmul(matrices.inputs, tiles, out=changed)
        products = memory.workspace("winograd products", (36, count, filters), dtype)
        np.matmul(changed.reshape(36, count, channels), self.transformed, out=products)
        outputs = memory.workspace("winograd tiles", (16, count * filters), dtype)
        np.matmul(matrices.outputs, products.reshape(36, -1), out=outputs)
        if self.bias is not None:
            by_filter = outputs.reshape(16, count, filters)
            by_filter += self.bias
        if self.relu:
            np.maximum(outputs, 0, out=outputs)
        _put_tiles(outputs, self.y, block, self.grid)


def weight_gradient(grad_y: Floats, x: Floats, window: Window) -> Floats:
    """`Backend.conv2d_backward_weight` for the same windows."""
    (images, channels), filters = x.shape[:2], grad_y.shape[1]
    dtype = np.result_type(grad_y, x)
    grid = _grid(grad_y.shape[2:])
    blocks = _blocks(images, grid, max(channels, filters))
    parts = min(MOST_PARTS, max(2, PARTIAL_SUM_BYTES // (36 * channels * filters * dtype.itemsize)))
    shares = cutting.shares_of(blocks, parts)
    sums = memory.shared((len(shares), 36, channels, filters), dtype)
    parallel.run(_WeightGradient(grad_y, x, sums, window, grid), shares, grad_y.nbytes + x.nbytes)
    grad_weight = memory.empty((filters, channels, 3, 3), dtype)
    if not shares:
        grad_weight[...] = 0
        return grad_weight
    total = sums[0]
    for partial_sum in sums[1:]:
        total += partial_sum
    taps = memory.empty((9, channels, filters), dtype)
    np.matmul(_matrices(dtype).weights.T, total.reshape(36, -1), out=taps.reshape(9, -1))
    np.copyto(grad_weight.reshape(filters, channels, 9), taps.transpose(2, 1, 0))
    return grad_weight


@dataclass(frozen=True)
class _WeightGradient(Job):
    """Writes what a share of the blocks sums up to, (36, C, F), to its place in ``sums``."""

    grad_y: Floats
    x: Floats
    sums: Floats
    window: Window
    grid: Pair
    outputs = ("sums",)

    def __call__(self, share: cutting.Share[_Block]) -> None:
        dtype, (channels, filters) = self.sums.dtype, self.sums.shape[2:]
        matrices, total = _matrices(dtype), self.sums[share.number]
        product = memory.workspace("winograd product", total.shape, dtype)
        for index, block in enumerate(share.members):
            tiles = _input_tiles(self.x, block, self.window, self.grid, dtype)
            count = tiles.shape[1] // channels
            changed = memory.workspace("winograd changed", tiles.shape, dtype)
            np.matmul(matrices.inputs, tiles, out=changed)
            grads = _output_tiles(self.grad_y, block, self.grid, dtype)
            changed_grads = memory.workspace("winograd changed gradients", (36, grads.shape[1]), dtype)
            np.matmul(matrices.outputs.T, grads, out=changed_grads)
            np.matmul(
                changed.reshape(36, count, channels).transpose(0, 2, 1),
                changed_grads.reshape(36, count, filters),
                out=product if index else total,
            )
            if index:
                total += product


def _grid(out_size: tuple[int, ...]) -> Pair:
    """Rows and columns of tiles that cover the output."""
    return -(-out_size[0] // TILE), -(-out_size[1] // TILE)


def _blocks(images: int, grid: Pair, channels: int) -> list[_Block]:
    """The tiles of all images in blocks that fit the cache: of several whole images, or of some rows of one."""
    tiles = max(MINIMUM_TILES, BLOCK_COLUMNS // channels)
    if grid[0] * grid[1] <= tiles:
        whole = slice(0, grid[0])
        nbytes = images * grid[0] * grid[1] * 36 * channels * 4
        parts = cutting.shares(images, tiles // (grid[0] * grid[1]), nbytes)
        return [_Block(part, whole) for part in parts]
    rows = cutting.even(grid[0], max(1, tiles // grid[1]))
    return [_Block(slice(image, image + 1), part) for image in range(images) for part in rows]


def _input_tiles(x: Floats, block: _Block, window: Window, grid: Pair, dtype: Any) -> Floats:
    """The 6x6 tiles under a block's output tiles: (36, images * tile rows * tile columns * C)."""
    source = channels_last(x[block.images])
    images, channels = len(source), source.shape[3]
    (top, _), (left, _) = window.padding
    rows, cols = block.rows.stop - block.rows.start, grid[1]
    # The images framed by zeros, so that every tile lies inside.
    framed = memory.workspace("winograd frame", (images, rows * TILE + 2, cols * TILE + 2, channels), dtype)
    first = block.rows.start * TILE - top  # row of x at the frame's first row
    fill(framed, source, first, -left)
    tiles = memory.workspace("winograd tiles", (SPAN, SPAN, images, rows, cols, channels), dtype)
    n, row, col, channel = framed.strides
    view = as_strided(framed, tiles.shape, (row, col, n, TILE * row, TILE * col, channel))
    copy_pixels(tiles, view)
    return tiles.reshape(SPAN * SPAN, -1)


def _put_tiles(outputs: Floats, y: Floats, block: _Block, grid: Pair) -> None:
    """Write 4x4 tiles, (16, images * tile rows * tile columns * F), to where they stand in y."""
    target = channels_last(y[block.images])[:, block.rows_of(y.shape[2])]
    images, height, width, filters = target.shape
    rows, cols = block.rows.stop - block.rows.start, grid[1]
    tiles = outputs.reshape(TILE, TILE, images, rows, cols, filters)
    if (height, width) == (rows * TILE, cols * TILE):
        copy_pixels(_tiled(target), tiles)
        return
    whole = memory.workspace("winograd whole tiles", (images, rows * TILE, cols * TILE, filters), outputs.dtype)
    _tiled(whole)[...] = tiles
    target[...] = whole[:, :height, :width]


def _output_tiles(grad_y: Floats, block: _Block, grid: Pair, dtype: Any) -> Floats:
    """The 4x4 tiles of a block's gradients: (16, images * tile rows * tile columns * F)."""
    source = channels_last(grad_y[block.images])[:, block.rows_of(grad_y.shape[2])]
    images, height, width, filters = source.shape
    rows, cols = block.rows.stop - block.rows.start, grid[1]
    if (height, width) != (rows * TILE, cols * TILE):
        whole = memory.workspace("winograd whole tiles", (images, rows * TILE, cols * TILE, filters), dtype)
        fill(whole, source, 0, 0)
        source = whole
    tiles = memory.workspace("winograd gradients", (TILE, TILE, images, rows, cols, filters), dtype)
    copy_pixels(tiles, _tiled(source))
    return tiles.reshape(TILE * TILE, -1)


def _tiled(images: Floats) -> Floats:
    """(N, rows * 4, columns * 4, C) as (4, 4, N, rows, columns, C), without a copy."""
    n, row, col, channel = images.strides
    count, height, width, channels = images.shape
    return as_strided(
        images,
        (TILE, TILE, count, height // TILE, width // TILE, channels),
        (row, col, n, TILE * row, TILE * col, channel),
    )
