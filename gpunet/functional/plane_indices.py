"""Two ways to say which element a max-pooling window chose, and how one becomes the other.

Backends give the offset inside the window, i * kw + j, in as few bits as hold it; users get the index inside the image
plane, row * W + col, in 64 bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet.errors import DataError
from gpunet.geometry import Pair, Window
from gpunet.state import Array


def offsets_to_indices(xp: Any, offsets: Array, window: Window, width: int) -> Array:
    """Window offsets as plane indices.

    Args:
        xp: the array module.
        offsets: (N, C, H', W'), unsigned.
        window: of the pooling.
        width: W.

    Returns:
        int64 like offsets.
    """
    top, left = _starts(xp, window, (offsets.shape[2], offsets.shape[3]))
    steps_down, steps_right = (xp.arange(kernel, dtype=xp.int64) for kernel in window.kernel)
    steps = (steps_down * window.dilation[0] * width)[:, None] + (steps_right * window.dilation[1])[None, :]
    indices = steps.reshape(window.area)[offsets]
    indices += top * width + left
    return indices


def indices_to_offsets(xp: Any, indices: Array, window: Window, size: Pair) -> Array:
    """Plane indices as window offsets.

    Args:
        xp: the array module.
        indices: int64 (N, C, H', W').
        window: of the pooling.
        size: H and W.

    Returns:
        unsigned like indices, of the smallest sufficient dtype.

    Raises:
        DataError: the dtype is not int64, or an index does not lie in its own window, or lies on padding.
    """
    if indices.dtype != np.dtype("int64"):
        raise DataError(f"indices have dtype {indices.dtype}, wanted int64: indices.astype('int64').")
    height, width = size
    top, left = _starts(xp, window, (indices.shape[2], indices.shape[3]))
    i, rest_down = xp.divmod(indices // width - top, window.dilation[0])
    j, rest_right = xp.divmod(indices % width - left, window.dilation[1])
    wrong = (indices < 0) | (indices >= height * width) | (rest_down != 0) | (rest_right != 0)
    wrong |= (i < 0) | (i >= window.kernel[0]) | (j < 0) | (j >= window.kernel[1])
    if bool(wrong.any()):
        n, c, row, col = (int(place[0]) for place in xp.nonzero(wrong))
        raise DataError(
            f"indices[{n}, {c}, {row}, {col}] is {int(indices[n, c, row, col])}, which is not in that window of a "
            f"{height}x{width} image. Give the indices and settings of the max_pool2d call that this one belongs to."
        )
    return (i * window.kernel[1] + j).astype(np.min_scalar_type(window.area - 1))


def _starts(xp: Any, window: Window, out_size: Pair) -> tuple[Array, Array]:
    """Row (H', 1) and column (1, W') of each window's first element; negative on the padding."""
    (top, _), (left, _) = window.padding
    rows = xp.arange(out_size[0], dtype=xp.int64) * window.stride[0] - top
    cols = xp.arange(out_size[1], dtype=xp.int64) * window.stride[1] - left
    return rows[:, None], cols[None, :]
