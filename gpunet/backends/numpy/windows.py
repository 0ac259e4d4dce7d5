"""Views of an image as its sliding windows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from gpunet.geometry import Pair, Window

Floats = NDArray[np.floating]

LONG_ROW = 256  # numbers: a loop over as many hides what it costs to start it
FEW_CHANNELS = 32  # with more, a loop over the channels is long enough


def padded_size(window: Window, out_size: Pair) -> Pair:
    """Rows and columns from the first element of the first window to the last element of the last one."""
    rows, cols = ((count - 1) * window.stride[axis] + window.span[axis] for axis, count in enumerate(out_size))
    return rows, cols


def pad(x: Floats, window: Window, out_size: Pair, fill: float = 0.0) -> Floats:
    """``x`` framed by ``fill`` so that every window lies inside; x itself when nothing is missing.

    What no window reaches may be cut off, and a ceil_mode window's surplus is filled.
    """
    height, width = x.shape[2:]
    rows, cols = padded_size(window, out_size)
    (top, _), (left, _) = window.padding
    if top == 0 and left == 0 and rows <= height and cols <= width:
        return x
    framed = np.full((*x.shape[:2], rows, cols), fill, x.dtype)
    kept_rows, kept_cols = max(0, min(height, rows - top)), max(0, min(width, cols - left))
    framed[:, :, top : top + kept_rows, left : left + kept_cols] = x[:, :, :kept_rows, :kept_cols]
    return framed


def fill(framed: Floats, source: Floats, first_row: int, first_col: int) -> None:
    """Copy into ``framed`` the part of ``source`` (N, H, W, C) from that row and column on; zeros outside of it."""
    rows, cols = framed.shape[1:3]
    top, left = min(max(0, -first_row), rows), min(max(0, -first_col), cols)
    bottom = max(top, min(rows, source.shape[1] - first_row))
    right = max(left, min(cols, source.shape[2] - first_col))
    framed[:, :top] = 0
    framed[:, bottom:] = 0
    framed[:, top:bottom, :left] = 0
    framed[:, top:bottom, right:] = 0
    if bottom > top and right > left:
        copy_pixels(
            framed[:, top:bottom, left:right],
            source[:, first_row + top : first_row + bottom, first_col + left : first_col + right],
        )


def copy_pixels(target: Floats, source: Floats) -> None:
    """``target[...] = source`` for arrays (..., C) of one dtype, quicker where channels are few.

    Where a pixel's channels are neighbours in both, a pixel is moved as one item. NumPy would else loop over channels
    and start that loop anew for each pixel.
    """
    channels, itemsize = target.shape[-1], target.itemsize
    together = target.dtype == source.dtype and target.strides[-1] == source.strides[-1] == itemsize
    if together and 1 < channels <= FEW_CHANNELS and target.size > 0:
        item = np.dtype((np.void, channels * itemsize))
        np.copyto(target.view(item)[..., 0], source.view(item)[..., 0])
    else:
        np.copyto(target, source)


def add_to_rows(matrix: Floats, row: Floats) -> None:
    """``matrix += row`` for a contiguous matrix, quicker where the row is short: several rows are taken as one."""
    together = 1
    while len(matrix) % (2 * together) == 0 and together * len(row) < LONG_ROW and len(matrix) > together:
        together *= 2
    longer = matrix.reshape(-1, together * len(row))
    longer += np.tile(row, together)


def crop(framed: Floats, window: Window, x_shape: tuple[int, ...]) -> Floats:
    """Undo `pad`: the image inside the frame, with zeros where no window reached."""
    height, width = x_shape[2:]
    rows, cols = framed.shape[2:]
    (top, _), (left, _) = window.padding
    if rows >= top + height and cols >= left + width:
        return framed[:, :, top : top + height, left : left + width]
    x = np.zeros(x_shape, framed.dtype)
    kept_rows, kept_cols = max(0, min(height, rows - top)), max(0, min(width, cols - left))
    x[:, :, :kept_rows, :kept_cols] = framed[:, :, top : top + kept_rows, left : left + kept_cols]
    return x


def window_view(framed: Floats, window: Window, out_size: Pair) -> Floats:
    """All windows of a padded image, without a copy: (N, C, kh, kw, H', W')."""
    n, c, row, col = framed.strides
    return as_strided(
        framed,
        (*framed.shape[:2], *window.kernel, *out_size),
        (n, c, window.dilation[0] * row, window.dilation[1] * col, window.stride[0] * row, window.stride[1] * col),
        writeable=False,
    )


def element_views(framed: Floats, window: Window, out_size: Pair) -> Iterator[tuple[int, int, Floats]]:
    """For each place (i, j) in the window, the image seen through it: (i, j, view of (N, C, H', W')), writable."""
    for i in range(window.kernel[0]):
        for j in range(window.kernel[1]):
            top, left = i * window.dilation[0], j * window.dilation[1]
            bottom = top + (out_size[0] - 1) * window.stride[0] + 1
            right = left + (out_size[1] - 1) * window.stride[1] + 1
            yield i, j, framed[:, :, top : bottom : window.stride[0], left : right : window.stride[1]]


def elements_channels_last(framed: Floats, window: Window, out_size: Pair) -> Iterator[tuple[Pair, Floats]]:
    """For each place (i, j) in the window, (N, H, W, C) images seen through it: ((i, j), view), writable."""
    for i in range(window.kernel[0]):
        for j in range(window.kernel[1]):
            top, left = i * window.dilation[0], j * window.dilation[1]
            bottom = top + (out_size[0] - 1) * window.stride[0] + 1
            right = left + (out_size[1] - 1) * window.stride[1] + 1
            yield (i, j), framed[:, top : bottom : window.stride[0], left : right : window.stride[1]]
