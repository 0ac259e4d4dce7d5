"""Pooling, one place of the window at a time over as many images as fit the cache."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gpunet.backends.numpy import parallel
from gpunet.backends.numpy.selection import keep_where
from gpunet.backends.numpy.windows import Floats, crop, element_views, pad, padded_size
from gpunet.geometry import Pair, Window


def max_pool2d(x: Floats, window: Window) -> tuple[Floats, NDArray[np.unsignedinteger]]:
    """See `Backend.max_pool2d`."""
    out_size = window.output_size(*x.shape[2:])
    y = np.empty((*x.shape[:2], *out_size), x.dtype)
    offsets = np.zeros(y.shape, np.min_scalar_type(window.area - 1))
    parallel.run(
        lambda images: _choose(x[images], window, y[images], offsets[images]),
        parallel.cache_sized(len(x), x.nbytes),
    )
    return y, offsets


def _choose(x: Floats, window: Window, y: Floats, offsets: NDArray[np.unsignedinteger]) -> None:
    """Write the largest elements into ``y`` and add their places to ``offsets``, which comes as zeros."""
    size: Pair = (x.shape[2], x.shape[3])
    out_size: Pair = (y.shape[2], y.shape[3])
    framed = pad(x, window, out_size, fill=-np.inf)
    views = [view for _, _, view in element_views(framed, window, out_size)]
    y[...] = views[0]
    for view in views[1:]:
        np.maximum(y, view, out=y)

    # The first place that holds the maximum is the number of places before it that do not.
    rows, cols = window.real_elements(*size)
    all_real = rows.all() and cols.all()
    unmatched = np.ones(y.shape, bool)
    differs = np.empty(y.shape, bool)
    for place, view in enumerate(views[:-1] if all_real else views):
        np.not_equal(view, y, out=differs)
        if not all_real:  # padding equals the maximum where all else is -inf, and must still not win
            i, j = divmod(place, window.kernel[1])
            differs |= ~(rows[:, i, None] & cols[None, :, j])
        unmatched &= differs
        offsets += unmatched
    is_nan = np.isnan(y)
    if is_nan.any():
        for place, view in enumerate(views):
            np.copyto(offsets, offsets.dtype.type(place), where=np.isnan(view))
    is_zero = y == 0
    if is_zero.any() and np.signbit(x).any():
        # np.maximum returns either one of 0.0 and -0.0; y is the element that was chosen.
        for place, view in enumerate(views):
            np.copyto(y, view, where=is_zero & (offsets == place))


def max_pool2d_backward(
    grad_y: Floats, offsets: NDArray[np.unsignedinteger], x_shape: tuple[int, ...], window: Window
) -> Floats:
    """See `Backend.max_pool2d_backward`."""
    out_size: Pair = (grad_y.shape[2], grad_y.shape[3])
    grad_x = np.empty(x_shape, grad_y.dtype)

    def job(images: slice) -> None:
        grad, chosen, part = grad_y[images], offsets[images], grad_x[images]
        framed = np.zeros((*part.shape[:2], *padded_size(window, out_size)), part.dtype)
        for place, (_, _, view) in enumerate(element_views(framed, window, out_size)):
            sent = keep_where(chosen == place, grad)
            if window.overlaps:
                view += sent
            else:
                view[...] = sent
        part[...] = crop(framed, window, part.shape)

    parallel.run(job, parallel.cache_sized(len(grad_x), grad_x.nbytes))
    return grad_x


def avg_pool2d(x: Floats, window: Window, count_include_pad: bool = True) -> Floats:
    """See `Backend.avg_pool2d`."""
    out_size = window.output_size(*x.shape[2:])
    framed = pad(x, window, out_size)
    y = np.zeros((*x.shape[:2], *out_size), x.dtype)
    for _, _, view in element_views(framed, window, out_size):
        y += view
    y /= _divisor((x.shape[2], x.shape[3]), window, count_include_pad, x.dtype)
    return y


def avg_pool2d_backward(
    grad_y: Floats, x_shape: tuple[int, ...], window: Window, count_include_pad: bool = True
) -> Floats:
    """See `Backend.avg_pool2d_backward`."""
    out_size: Pair = (grad_y.shape[2], grad_y.shape[3])
    share = grad_y / _divisor((x_shape[2], x_shape[3]), window, count_include_pad, grad_y.dtype)
    framed = np.zeros((*x_shape[:2], *padded_size(window, out_size)), grad_y.dtype)
    for _, _, view in element_views(framed, window, out_size):
        view += share
    return crop(framed, window, x_shape)


def _divisor(size: Pair, window: Window, count_include_pad: bool, dtype: np.dtype[np.floating]) -> Floats:
    rows, cols = window.padded_elements(*size) if count_include_pad else window.real_elements(*size)
    return np.multiply.outer(rows.sum(axis=1), cols.sum(axis=1)).astype(dtype)
