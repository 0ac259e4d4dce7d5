"""Convolution as matrix products over blocks of columns.

Windows are copied into columns for a few images at a time, so that the copy and the product meet in the cache, and each
block is one matrix product. A window of one element needs no columns, and a depthwise convolution no product. Blocks of
images are independent of each other and are worked on by all cores.
"""

from __future__ import annotations

import threading

import numpy as np

from gpunet.backends.numpy import parallel
from gpunet.backends.numpy.windows import Floats, crop, element_views, pad, padded_size, window_view
from gpunet.geometry import Pair, Window

COLUMN_BLOCK_BYTES = parallel.PIECE_BYTES
WEIGHT_GRADIENT_PARTS = 8  # partial sums of a batch: enough to share out, few enough to keep


def conv2d(
    x: Floats,
    weight: Floats,
    bias: Floats | None,
    window: Window,
    groups: int = 1,
    precision: str = "fast",
    relu: bool = False,
) -> Floats:
    """See `Backend.conv2d`; every algorithm here has the error of a direct sum, whatever the precision asked."""
    out_size = window.output_size(*x.shape[2:])
    filters = weight.shape[0]
    y = np.empty((x.shape[0], filters, *out_size), np.result_type(x, weight))
    matrices = weight.reshape(groups, filters // groups, -1)

    def job(images: slice) -> None:
        framed, part = pad(x[images], window, out_size), y[images]
        if _is_depthwise(weight, groups):
            _depthwise(framed, weight, window, out_size, part)
        elif _is_pointwise(window, groups):
            np.matmul(matrices[0], _flat(framed), out=_flat(part))
        else:
            for index, matrix in enumerate(matrices):
                product = matrix @ _columns(framed, index, groups, window, out_size, y.dtype)
                target = _group(part, index, groups).transpose(1, 0, 2, 3)
                target[...] = product.reshape(target.shape)
        if bias is not None:
            part += bias[:, None, None]
        if relu:
            np.maximum(part, 0, out=part)

    parallel.run(job, _image_blocks(x.shape, groups, window, out_size, y.itemsize))
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
    reversed_window = _reversed(window, grad_y.shape, x_shape)
    # Columns of grad_y are read, those of grad_x written and read and added: one of the latter costs as much as two.
    few_filters = weight.shape[0] <= 2 * x_shape[1]
    if reversed_window is not None and few_filters and not _is_depthwise(weight, groups):
        return conv2d(grad_y, _reversed_filters(weight, groups), None, reversed_window, groups)
    channels = x_shape[1]
    filters = weight.shape[0]
    out_size: Pair = (grad_y.shape[2], grad_y.shape[3])
    grad_x = np.empty(x_shape, np.result_type(grad_y, weight))
    matrices = weight.reshape(groups, filters // groups, -1)

    def job(images: slice) -> None:
        grad, part = grad_y[images], grad_x[images]
        framed = np.zeros((part.shape[0], channels, *padded_size(window, out_size)), part.dtype)
        if _is_depthwise(weight, groups):
            by_channel = _by_channel(grad, channels)
            taps = weight.reshape(channels, -1, *window.kernel)
            for i, j, view in element_views(framed, window, out_size):
                view += np.einsum("ncmhw,cm->nchw", by_channel, taps[:, :, i, j])
        else:
            for index, matrix in enumerate(matrices):
                columns = matrix.T @ _filters_first(_group(grad, index, groups))
                _add_columns(columns, _group(framed, index, groups), window, out_size)
        part[...] = crop(framed, window, part.shape)

    parallel.run(job, _image_blocks(x_shape, groups, window, out_size, grad_x.itemsize))
    return grad_x


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
    dtype = np.result_type(grad_y, x)
    depthwise = groups > 1 and weight_shape[1] == 1
    blocks = _image_blocks(x.shape, groups, window, out_size, dtype.itemsize)

    def job(share: slice) -> Floats:
        total = np.zeros(weight_shape, dtype)
        matrices = total.reshape(groups, weight_shape[0] // groups, -1)
        taps = total.reshape(groups, -1, *window.kernel) if depthwise else total
        for images in blocks[share]:
            framed, grad = pad(x[images], window, out_size), grad_y[images]
            if depthwise:
                by_channel = _by_channel(grad, groups)
                for i, j, view in element_views(framed, window, out_size):
                    taps[:, :, i, j] += np.einsum("ncmhw,nchw->cm", by_channel, view)
                continue
            for index, matrix in enumerate(matrices):
                columns = _columns(framed, index, groups, window, out_size, dtype)
                matrix += _filters_first(_group(grad, index, groups)) @ columns.T
        return total

    shares = parallel.pieces(len(blocks), -(-len(blocks) // WEIGHT_GRADIENT_PARTS))
    partial_sums = parallel.run(job, shares)
    total = partial_sums[0] if partial_sums else np.zeros(weight_shape, dtype)
    for partial_sum in partial_sums[1:]:
        total += partial_sum
    return total


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


def _reversed(window: Window, y_shape: tuple[int, ...], x_shape: tuple[int, ...]) -> Window | None:
    """The window with which a convolution of grad_y gives grad_x, or None if there is none.

    At stride 1, each input element is under every place of the window in turn, the last place first: gathering what it
    is sent is a convolution with the reversed filter, and columns are read rather than added to.
    """
    (top, bottom), (left, right) = window.padding
    rows, cols = window.span
    size = (y_shape[2] - 1 + rows - top - bottom, y_shape[3] - 1 + cols - left - right)
    if window.stride != (1, 1) or size != x_shape[2:]:
        return None  # an output_padding adds rows or columns that no window reaches
    padding = ((rows - 1 - top, rows - 1 - bottom), (cols - 1 - left, cols - 1 - right))
    if min(map(min, padding)) < 0:
        return None  # more padding than the window spans: some windows saw nothing of the image
    return Window(window.kernel, (1, 1), padding, window.dilation)


def _reversed_filters(weight: Floats, groups: int) -> Floats:
    """(F, C / groups, kh, kw) as (C, F / groups, kh, kw), rows and columns in reverse."""
    filters, channels, *kernel = weight.shape
    by_group = weight.reshape(groups, filters // groups, channels, *kernel)[..., ::-1, ::-1]
    return by_group.transpose(0, 2, 1, 3, 4).reshape(groups * channels, filters // groups, *kernel)


def _image_blocks(x_shape: tuple[int, ...], groups: int, window: Window, out_size: Pair, itemsize: int) -> list[slice]:
    """The batch in blocks whose columns, for one group of channels, fit the cache; a function of sizes alone."""
    images, channels = x_shape[0], x_shape[1] // groups
    per_image = channels * window.area * out_size[0] * out_size[1] * itemsize
    return parallel.pieces(images, COLUMN_BLOCK_BYTES // max(1, per_image))


class _Workspace(threading.local):
    """Each thread's buffer for columns, kept: fresh memory costs a page fault for every 4 kB."""

    buffer: Floats | None = None


_workspace = _Workspace()


def _columns(
    framed: Floats, index: int, groups: int, window: Window, out_size: Pair, dtype: np.dtype[np.floating]
) -> Floats:
    """Windows of one group of channels as a matrix (C / groups * kh * kw, images * H' * W').

    It lies in this thread's workspace if it fits the block size, and is then valid until the next call.
    """
    # Channel and kernel element first, then image: one matrix whatever the number of images.
    source = window_view(_group(framed, index, groups), window, out_size).transpose(1, 2, 3, 0, 4, 5)
    nbytes = source.size * dtype.itemsize
    if nbytes > COLUMN_BLOCK_BYTES:
        columns = np.empty(source.shape, dtype)
    else:
        if _workspace.buffer is None or _workspace.buffer.nbytes < nbytes:
            _workspace.buffer = np.empty(COLUMN_BLOCK_BYTES, np.uint8)
        columns = _workspace.buffer[:nbytes].view(dtype).reshape(source.shape)
    np.copyto(columns, source)
    return columns.reshape(source.shape[0] * window.area, -1)


def _add_columns(columns: Floats, framed: Floats, window: Window, out_size: Pair) -> None:
    """Put columns of gradients back into padded images: where windows overlap, their gradients add."""
    parts = columns.reshape(framed.shape[1], *window.kernel, framed.shape[0], *out_size)
    for i, j, view in element_views(framed, window, out_size):
        view += parts[:, i, j].transpose(1, 0, 2, 3)


def _group(images: Floats, index: int, groups: int) -> Floats:
    """The channels of one group."""
    channels = images.shape[1] // groups
    return images[:, index * channels : (index + 1) * channels]


def _flat(images: Floats) -> Floats:
    """(N, C, H, W) as (N, C, H * W)."""
    n, c, height, width = images.shape
    return np.ascontiguousarray(images).reshape(n, c, height * width)


def _by_channel(images: Floats, channels: int) -> Floats:
    """(N, channels * M, H, W) as (N, channels, M, H, W)."""
    n, filters, height, width = images.shape
    return images.reshape(n, channels, filters // channels, height, width)


def _filters_first(grad_y: Floats) -> Floats:
    """(n, F, H', W') as a matrix (F, n * H' * W')."""
    return grad_y.transpose(1, 0, 2, 3).reshape(grad_y.shape[1], -1)


def _depthwise(framed: Floats, weight: Floats, window: Window, out_size: Pair, y: Floats) -> None:
    """Each channel alone: one multiply-add over the whole image per kernel element."""
    channels = framed.shape[1]
    taps = weight.reshape(channels, -1, *window.kernel)
    by_channel = _by_channel(y, channels)
    by_channel[...] = 0
    for i, j, view in element_views(framed, window, out_size):
        by_channel += view[:, :, None] * taps[:, :, i, j, None, None]
