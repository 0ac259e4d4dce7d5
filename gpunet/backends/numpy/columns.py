"""Convolution as matrix products over blocks of columns.

Windows are copied into a matrix for some images, or some rows of one image, at a time, so that the copy and the product
meet in the cache. The order of the matrix follows from how the images lie in memory, so that the copy moves long runs:

    channels last   (places, kh * kw * C): a window's row is kw * C neighbours
    otherwise       (C * kh * kw, places): a row of the image is a run of its places

The product is (places, F) in either case: the output's channels are last.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from gpunet.backends.numpy import cutting, memory, parallel
from gpunet.backends.numpy.job import Job
from gpunet.backends.numpy.layout import channels_last, is_channels_last
from gpunet.backends.numpy.windows import Floats, add_to_rows, elements_channels_last, fill, padded_size
from gpunet.geometry import Pair, Window

BLOCK_BYTES = 4 << 20  # of columns
SHARES = 4  # of a batch that would fit fewer blocks: smaller products lose more than is won by sharing them out
WEIGHT_GRADIENT_PARTS = 8  # partial sums of a batch: enough to share out, few enough to keep


class Block(NamedTuple):
    """Some rows of the output of some images; of several images only all rows."""

    images: slice
    rows: slice

    @property
    def size(self) -> int:
        """Images."""
        return int(self.images.stop - self.images.start)

    @property
    def height(self) -> int:
        """Rows of the output."""
        return int(self.rows.stop - self.rows.start)


def correlate(
    x: Floats, weight: Floats, bias: Floats | None, window: Window, groups: int = 1, relu: bool = False
) -> Floats:
    """`Backend.conv2d`; y is channels-last."""
    out_size, dtype = window.output_size(*x.shape[2:]), np.result_type(x, weight)
    problem = _Problem(len(x), weight.shape, window, out_size, groups, dtype, is_channels_last(x))
    y = memory.empty_channels_last((len(x), weight.shape[0], *problem.out_size), problem.dtype)
    job = _Correlate(problem, x, problem.matrices(weight), bias, y, relu)
    parallel.run(job, problem.blocks(), x.nbytes + y.nbytes)
    return y


@dataclass(frozen=True)
class _Correlate(Job):
    """Writes a block of ``y``."""

    problem: _Problem
    x: Floats
    matrices: list[Floats]
    bias: Floats | None
    y: Floats
    relu: bool
    outputs = ("y",)

    def __call__(self, block: Block) -> None:
        part = channels_last(self.y).reshape(-1, self.y.shape[1])[self.problem.places(block)]
        framed = self.problem.framed(self.x, block)
        for group, matrix in enumerate(self.matrices):
            columns = self.problem.columns(framed, block, group)
            np.matmul(columns, matrix, out=_filters(part, group, len(self.matrices)))
        if self.bias is not None:
            add_to_rows(part, self.bias)
        if self.relu:
            np.maximum(part, 0, out=part)


def weight_gradient(
    grad_y: Floats, x: Floats, weight_shape: tuple[int, ...], window: Window, groups: int = 1
) -> Floats:
    """`Backend.conv2d_backward_weight`."""
    out_size: Pair = (grad_y.shape[2], grad_y.shape[3])
    dtype = np.result_type(grad_y, x)
    problem = _Problem(len(x), weight_shape, window, out_size, groups, dtype, is_channels_last(x))
    shares = cutting.shares_of(problem.blocks(), WEIGHT_GRADIENT_PARTS)
    sums = memory.shared((len(shares), groups, weight_shape[0] // groups, problem.row_length), dtype)
    parallel.run(_WeightGradient(problem, grad_y, x, sums), shares, grad_y.nbytes + x.nbytes)
    total = np.zeros(sums.shape[1:], dtype)
    for partial_sum in sums:
        total += partial_sum
    return problem.as_weight(total)


@dataclass(frozen=True)
class _WeightGradient(Job):
    """Writes what a share of the blocks sums up to, (groups, F / groups, row_length), to its place in ``sums``."""

    problem: _Problem
    grad_y: Floats
    x: Floats
    sums: Floats
    outputs = ("sums",)

    def __call__(self, share: cutting.Share[Block]) -> None:
        problem, total = self.problem, self.sums[share.number]
        total[...] = 0
        for block in share.members:
            framed, grads = problem.framed(self.x, block), problem.gradients(self.grad_y, block)
            for group in range(problem.groups):
                columns = problem.columns(framed, block, group)
                total[group] += _filters(grads, group, problem.groups).T @ columns


def input_gradient(grad_y: Floats, weight: Floats, x_shape: tuple[int, ...], window: Window, groups: int = 1) -> Floats:
    """`Backend.conv2d_backward_input`: columns of gradients are put back, and add where windows overlap."""
    out_size: Pair = (grad_y.shape[2], grad_y.shape[3])
    grad_x = memory.empty_channels_last(x_shape, np.result_type(grad_y, weight))
    problem = _Problem(len(grad_x), weight.shape, window, out_size, groups, grad_x.dtype, by_pixel=True)
    per_image = out_size[0] * out_size[1] * problem.row_length * grad_x.itemsize
    images = x_shape[0]
    images_at_once = cutting.shares(images, BLOCK_BYTES // max(1, per_image), images * per_image, SHARES)
    job = _InputGradient(problem, grad_y, problem.matrices(weight), grad_x)
    parallel.run(job, images_at_once, grad_y.nbytes + grad_x.nbytes)
    return grad_x


@dataclass(frozen=True)
class _InputGradient(Job):
    """Writes some images of ``grad_x``."""

    problem: _Problem
    grad_y: Floats
    matrices: list[Floats]
    grad_x: Floats
    outputs = ("grad_x",)

    def __call__(self, images: slice) -> None:
        problem, part = self.problem, channels_last(self.grad_x[images])
        window, out_size, channels = problem.window, problem.out_size, problem.channels
        (top, _), (left, _) = window.padding
        frame = (len(part), *padded_size(window, out_size), part.shape[3])
        framed = memory.workspace("columns frame", frame, part.dtype)
        framed[...] = 0
        grads = problem.gradients(self.grad_y, Block(images, slice(0, out_size[0])))
        for group, matrix in enumerate(self.matrices):
            target = framed[..., group * channels : (group + 1) * channels]
            columns = memory.workspace("columns", (len(grads), problem.row_length), part.dtype)
            np.matmul(_filters(grads, group, len(self.matrices)), matrix.T, out=columns)
            by_element = columns.reshape(len(part), *out_size, *window.kernel, channels)
            for (i, j), view in elements_channels_last(target, window, out_size):
                view += by_element[:, :, :, i, j]
        fill(part, framed, top, left)


class _Problem:
    """The sizes of one convolution, and its blocks as matrices.

    Attributes:
        by_pixel: the images are channels-last, so that a window is written row by row, each pixel's channels together.
        row_length: numbers in a window of one group.
    """

    def __init__(
        self,
        images: int,
        weight_shape: tuple[int, ...],
        window: Window,
        out_size: Pair,
        groups: int,
        dtype: Any,
        by_pixel: bool,
    ) -> None:
        self.images, self.weight_shape, self.window, self.out_size = images, weight_shape, window, out_size
        self.groups, self.dtype, self.by_pixel = groups, dtype, by_pixel
        self.channels = weight_shape[1]
        self.row_length = self.channels * window.area

    def matrices(self, weight: Floats) -> list[Floats]:
        """The filters of each group as (row_length, F / groups), in the order of the columns."""
        ordered = weight.transpose(0, 2, 3, 1) if self.by_pixel else weight
        by_group = ordered.reshape(self.groups, weight.shape[0] // self.groups, self.row_length)
        return [np.ascontiguousarray(matrix.T) for matrix in by_group]

    def as_weight(self, matrices: Floats) -> Floats:
        """(groups, F / groups, row_length) in the order of the columns as (F, C / groups, kh, kw)."""
        if not self.by_pixel:
            return matrices.reshape(self.weight_shape)
        by_pixel = matrices.reshape(self.weight_shape[0], *self.window.kernel, self.channels)
        return np.ascontiguousarray(by_pixel.transpose(0, 3, 1, 2))

    def blocks(self) -> list[Block]:
        """The batch in blocks whose columns fit the cache; a function of sizes alone."""
        rows, cols = self.out_size
        row_bytes = max(1, cols * self.row_length * self.dtype.itemsize)
        if rows * row_bytes <= BLOCK_BYTES:
            whole = slice(0, rows)
            most, nbytes = BLOCK_BYTES // (rows * row_bytes), self.images * rows * row_bytes
            images = cutting.shares(self.images, most, nbytes, SHARES)
            return [Block(part, whole) for part in images]
        parts = cutting.even(rows, BLOCK_BYTES // row_bytes)
        return [Block(slice(image, image + 1), part) for image in range(self.images) for part in parts]

    def places(self, block: Block) -> slice:
        """Where a block's places stand among those of all images."""
        rows, cols = self.out_size
        start = (block.images.start * rows + block.rows.start) * cols
        return slice(start, start + block.size * block.height * cols)

    def gradients(self, grad_y: Floats, block: Block) -> Floats:
        """A block's gradients as (places, F)."""
        part = channels_last(grad_y[block.images])[:, block.rows]
        if not part.flags.c_contiguous:
            copied = memory.workspace("columns gradients", part.shape, grad_y.dtype)
            np.copyto(copied, part)
            part = copied
        return part.reshape(-1, grad_y.shape[1])

    def framed(self, x: Floats, block: Block) -> Floats:
        """The part of the images that a block's windows see, (n, rows, columns, C), framed by zeros where needed."""
        source = channels_last(x[block.images])
        (top, _), (left, _) = self.window.padding
        first = block.rows.start * self.window.stride[0] - top
        rows, cols = padded_size(self.window, (block.height, self.out_size[1]))
        if first >= 0 and left == 0 and first + rows <= source.shape[1] and cols <= source.shape[2]:
            return source[:, first : first + rows, :cols]
        if self.by_pixel:
            framed = memory.workspace("columns frame", (len(source), rows, cols, source.shape[3]), x.dtype)
        else:
            planes = memory.workspace("columns frame", (len(source), source.shape[3], rows, cols), x.dtype)
            framed = channels_last(planes)
        fill(framed, source, first, -left)
        return framed

    def columns(self, framed: Floats, block: Block, group: int) -> Floats:
        """A block's windows as (places, row_length), valid until the next call."""
        (step_row, step_col), (apart_row, apart_col) = self.window.stride, self.window.dilation
        n, row, col, channel = framed.strides
        inside = framed[..., group * self.channels : (group + 1) * self.channels]
        axes = {
            "image": (block.size, n),
            "row": (block.height, step_row * row),
            "column": (self.out_size[1], step_col * col),
            "kernel row": (self.window.kernel[0], apart_row * row),
            "kernel column": (self.window.kernel[1], apart_col * col),
            "channel": (self.channels, channel),
        }
        order = _BY_PIXEL if self.by_pixel else _BY_PLANE
        shape, strides = zip(*(axes[name] for name in order), strict=True)
        view = as_strided(inside, shape, strides, writeable=False)
        if view.flags.c_contiguous and view.dtype == self.dtype:  # a window of one element: the images are the columns
            columns = view
        else:
            columns = memory.workspace("columns", shape, self.dtype)
            np.copyto(columns, view)
        if self.by_pixel:
            return columns.reshape(-1, self.row_length)
        return columns.reshape(self.row_length, -1).T


_BY_PIXEL = ("image", "row", "column", "kernel row", "kernel column", "channel")
_BY_PLANE = ("channel", "kernel row", "kernel column", "image", "row", "column")


def _filters(matrix: Floats, group: int, groups: int) -> Floats:
    """The columns of (places, F) that belong to one group."""
    if groups == 1:
        return matrix
    filters = matrix.shape[1] // groups
    return matrix[:, group * filters : (group + 1) * filters]
