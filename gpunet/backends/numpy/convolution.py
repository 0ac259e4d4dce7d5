"""Convolution as matrix products over blocks of columns.

Windows are copied into columns for a few images at a time, so that the copy and the product meet in the cache, and each
block is one matrix product. A window of one element needs no columns, and a depthwise convolution no product.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gpunet.backends.numpy.windows import Floats, crop, element_views, pad, padded_size, window_view
from gpunet.geometry import Pair, Window

COLUMN_BLOCK_BYTES = 1 << 20  # about one core's L2 cache


def conv2d(
    x: Floats, weight: Floats, bias: Floats | None, window: Window, groups: int = 1, precision: str = "fast"
) -> Floats:
    """See `Backend.conv2d`; every algorithm here has the error of a direct sum, whatever the precision asked."""
    out_size = window.output_size(*x.shape[2:])
    filters = weight.shape[0]
    framed = pad(x, window, out_size)
    y = np.empty((x.shape[0], filters, *out_size), np.result_type(x, weight))
    if _is_depthwise(weight, groups):
        _depthwise(framed, weight, window, out_size, y)
    elif _is_pointwise(window, groups):
        np.matmul(weight.reshape(filters, -1), _flat(framed), out=_flat(y))
    else:
        _conv2d_columns(framed, weight, window, groups, y)
    if bias is not None:
        y += bias[:, None, None]
    return y


def conv2d_backward_input(
    grad_y: Floats,
    weight: Floats,
    x_shape: tuple[int, ...],
    window: Window,
    groups: int = 1,
    precision: str = "fast",
) -> Floats:
    """See `Backend.conv2d_backward_input`."""
    images, channels = x_shape[:2]
    filters = weight.shape[0]
    out_size: Pair = (grad_y.shape[2], grad_y.shape[3])
    dtype = np.result_type(grad_y, weight)
    if _is_pointwise(window, groups) and window.padding == ((0, 0), (0, 0)):
        return np.matmul(weight.reshape(filters, channels).T, _flat(grad_y)).reshape(x_shape)
    framed = np.zeros((images, channels, *padded_size(window, out_size)), dtype)
    if _is_depthwise(weight, groups):
        by_channel = _by_channel(grad_y, channels)
        taps = weight.reshape(channels, -1, *window.kernel)
        for i, j, view in element_views(framed, window, out_size):
            view += np.einsum("ncmhw,cm->nchw", by_channel, taps[:, :, i, j])
    else:
        _backward_input_columns(grad_y, weight, window, groups, framed)
    return crop(framed, window, x_shape)


def conv2d_backward_weight(
    grad_y: Floats,
    x: Floats,
    weight_shape: tuple[int, ...],
    window: Window,
    groups: int = 1,
    precision: str = "fast",
) -> Floats:
    """See `Backend.conv2d_backward_weight`."""
    out_size: Pair = (grad_y.shape[2], grad_y.shape[3])
    framed = pad(x, window, out_size)
    grad_weight = np.zeros(weight_shape, np.result_type(grad_y, x))
    if groups == x.shape[1] and weight_shape[1] == 1 and groups > 1:
        by_channel = _by_channel(grad_y, groups)
        taps = grad_weight.reshape(groups, -1, *window.kernel)
        for i, j, view in element_views(framed, window, out_size):
            taps[:, :, i, j] = np.einsum("ncmhw,nchw->cm", by_channel, view)
        return grad_weight
    rows = grad_weight.reshape(groups, weight_shape[0] // groups, -1)
    for block in _blocks(framed, window, groups, out_size, grad_weight.dtype):
        filters = block.group(grad_y, rows.shape[1])
        rows[block.index] += _filters_first(filters) @ block.columns.T
    return grad_weight


def im2col(x: Floats, window: Window) -> Floats:
    """See `Backend.im2col`."""
    out_size = window.output_size(*x.shape[2:])
    view = window_view(pad(x, window, out_size), window, out_size)
    # order="C" copies even where the view is x itself: the caller owns what it gets.
    return view.copy(order="C").reshape(x.shape[0], x.shape[1] * window.area, out_size[0] * out_size[1])


def col2im(columns: Floats, x_shape: tuple[int, ...], window: Window) -> Floats:
    """See `Backend.col2im`."""
    out_size = window.output_size(*x_shape[2:])
    framed = np.zeros((*x_shape[:2], *padded_size(window, out_size)), columns.dtype)
    parts = columns.reshape(*x_shape[:2], *window.kernel, *out_size)
    for i, j, view in element_views(framed, window, out_size):
        view += parts[:, :, i, j]
    return crop(framed, window, x_shape)


def _is_pointwise(window: Window, groups: int) -> bool:
    return window.kernel == (1, 1) and window.stride == (1, 1) and groups == 1


def _is_depthwise(weight: Floats, groups: int) -> bool:
    return groups > 1 and weight.shape[1] == 1


def _flat(images: Floats) -> Floats:
    """(N, C, H, W) as (N, C, H * W)."""
    n, c, height, width = images.shape
    return np.ascontiguousarray(images).reshape(n, c, height * width)


def _by_channel(images: Floats, channels: int) -> Floats:
    """(N, channels * M, H, W) as (N, channels, M, H, W)."""
    n, filters, height, width = images.shape
    return images.reshape(n, channels, filters // channels, height, width)


class _Block:
    """The columns of some images and one group of channels.

    Attributes:
        index: the group.
        images: which images.
        columns: (C / groups * kh * kw, images * H' * W').
    """

    __slots__ = ("columns", "images", "index")

    def __init__(self, index: int, images: slice, columns: Floats) -> None:
        self.index, self.images, self.columns = index, images, columns

    def group(self, array: Floats, channels: int) -> Floats:
        """This block's images and channels of an (N, groups * channels, ...) array."""
        return array[self.images, self.index * channels : (self.index + 1) * channels]


def _images_at_once(rows: int, out_size: Pair, itemsize: int) -> int:
    return max(1, COLUMN_BLOCK_BYTES // max(1, rows * out_size[0] * out_size[1] * itemsize))


def _blocks(
    framed: Floats, window: Window, groups: int, out_size: Pair, dtype: np.dtype[np.floating]
) -> Iterator[_Block]:
    """Cut a padded batch into blocks of columns; all of them share one workspace, so each is valid until the next."""
    images, channels = framed.shape[0], framed.shape[1] // groups
    rows = channels * window.area
    step = min(images, _images_at_once(rows, out_size, dtype.itemsize))
    workspace = np.empty(rows * step * out_size[0] * out_size[1], dtype)
    # Channel and kernel element first, then image: the block is one matrix whatever the number of images.
    view = window_view(framed, window, out_size).transpose(1, 2, 3, 0, 4, 5)
    for start in range(0, images, max(1, step)):
        part = slice(start, min(start + step, images))
        for index in range(groups):
            source = view[index * channels : (index + 1) * channels, :, :, part]
            columns = workspace[: source.size].reshape(source.shape)
            np.copyto(columns, source)
            yield _Block(index, part, columns.reshape(rows, -1))


def _filters_first(grad_y: Floats) -> Floats:
    """(n, F, H', W') as a matrix (F, n * H' * W')."""
    return grad_y.transpose(1, 0, 2, 3).reshape(grad_y.shape[1], -1)


def _conv2d_columns(framed: Floats, weight: Floats, window: Window, groups: int, y: Floats) -> None:
    out_size: Pair = (y.shape[2], y.shape[3])
    matrices = weight.reshape(groups, weight.shape[0] // groups, -1)
    for block in _blocks(framed, window, groups, out_size, y.dtype):
        target = block.group(y, matrices.shape[1])
        product = matrices[block.index] @ block.columns
        target.transpose(1, 0, 2, 3)[...] = product.reshape(product.shape[0], -1, *out_size)


def _backward_input_columns(grad_y: Floats, weight: Floats, window: Window, groups: int, framed: Floats) -> None:
    """Columns of gradients, added back into the padded image: the gradients of overlapping windows add."""
    out_size: Pair = (grad_y.shape[2], grad_y.shape[3])
    matrices = weight.reshape(groups, weight.shape[0] // groups, -1)
    channels = weight.shape[1]
    step = _images_at_once(channels * window.area, out_size, framed.itemsize)
    for start in range(0, grad_y.shape[0], step):
        part = slice(start, start + step)
        for index in range(groups):
            block = _Block(
                index, part, _filters_first(grad_y[part, index * matrices.shape[1] :][:, : matrices.shape[1]])
            )
            columns = (matrices[index].T @ block.columns).reshape(channels, *window.kernel, -1, *out_size)
            target = block.group(framed, channels)
            for i, j, view in element_views(target, window, out_size):
                view += columns[:, i, j].transpose(1, 0, 2, 3)


def _depthwise(framed: Floats, weight: Floats, window: Window, out_size: Pair, y: Floats) -> None:
    """Each channel alone: one multiply-add over the whole image per kernel element."""
    channels = framed.shape[1]
    taps = weight.reshape(channels, -1, *window.kernel)
    by_channel = _by_channel(y, channels)
    by_channel[...] = 0
    for i, j, view in element_views(framed, window, out_size):
        by_channel += view[:, :, None] * taps[:, :, i, j, None, None]
