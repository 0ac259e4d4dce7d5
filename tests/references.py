"""Convolution and pooling once more, as slow loops over pixels in float64: too plain to be wrong, and sharing no code
with gpunet.

A window is read for its settings alone (kernel, stride, padding, dilation, ceil_mode); where it stands is found here by
walking along the image.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from gpunet.geometry import Window


def window_starts(
    size: int, kernel: int, stride: int, padding: tuple[int, int], dilation: int, ceil: bool
) -> list[int]:
    """First row (or column) of each window, padding having negative numbers: walk until the image ends."""
    before, after = padding
    reach = dilation * (kernel - 1)
    starts = []
    start = -before
    while start + reach < size + after:
        starts.append(start)
        start += stride
    if ceil:
        if start + reach - (size + after - 1) < stride:
            starts.append(start)  # it hangs over the end by less than a stride
        if starts and starts[-1] >= size:
            starts.pop()
    return starts


def all_starts(window: Window, height: int, width: int) -> tuple[list[int], list[int]]:
    rows, cols = (
        window_starts(size, window.kernel[a], window.stride[a], window.padding[a], window.dilation[a], window.ceil_mode)
        for a, size in enumerate((height, width))
    )
    return rows, cols


def elements(window: Window, top: int, left: int) -> Iterator[tuple[int, int, int, int]]:
    """(i, j, row, col) of each element of the window that starts at (top, left), in row-major order."""
    for i in range(window.kernel[0]):
        for j in range(window.kernel[1]):
            yield i, j, top + i * window.dilation[0], left + j * window.dilation[1]


def inside(row: int, col: int, height: int, width: int) -> bool:
    return 0 <= row < height and 0 <= col < width


def connections(window: Window, x_shape: Any, filters: int, groups: int) -> Iterator[tuple[Any, Any, Any]]:
    """Each product of a convolution as (index of y, index of x, index of weight)."""
    images, channels, height, width = x_shape
    rows, cols = all_starts(window, height, width)
    for f in range(filters):
        group = f // (filters // groups)
        for c in range(channels // groups):
            for (out_row, top), (out_col, left) in itertools.product(enumerate(rows), enumerate(cols)):
                for i, j, row, col in elements(window, top, left):
                    if inside(row, col, height, width):
                        for n in range(images):
                            channel = group * (channels // groups) + c
                            yield (n, f, out_row, out_col), (n, channel, row, col), (f, c, i, j)


def conv2d_reference(x: Any, weight: Any, bias: Any, window: Window, groups: int = 1) -> Any:
    rows, cols = all_starts(window, *x.shape[2:])
    y = np.zeros((x.shape[0], weight.shape[0], len(rows), len(cols)))
    for at_y, at_x, at_weight in connections(window, x.shape, weight.shape[0], groups):
        y[at_y] += float(x[at_x]) * float(weight[at_weight])
    for f in range(weight.shape[0]):
        y[:, f] += 0.0 if bias is None else float(bias[f])
    return y


def conv2d_backward_input_reference(grad_y: Any, weight: Any, x_shape: Any, window: Window, groups: int = 1) -> Any:
    grad_x = np.zeros(x_shape)
    for at_y, at_x, at_weight in connections(window, x_shape, weight.shape[0], groups):
        grad_x[at_x] += float(grad_y[at_y]) * float(weight[at_weight])
    return grad_x


def conv2d_backward_weight_reference(grad_y: Any, x: Any, weight_shape: Any, window: Window, groups: int = 1) -> Any:
    grad_weight = np.zeros(weight_shape)
    for at_y, at_x, at_weight in connections(window, x.shape, weight_shape[0], groups):
        grad_weight[at_weight] += float(grad_y[at_y]) * float(x[at_x])
    return grad_weight


def conv_transpose2d_reference(
    x: Any, weight: Any, bias: Any, window: Window, output_padding: tuple[int, int] = (0, 0), groups: int = 1
) -> Any:
    """Spread each input element's scaled filter over a wide canvas, then cut the padding off."""
    images, channels, height, width = x.shape
    group_filters = weight.shape[1]
    (top, bottom), (left, right) = window.padding
    full = [
        (count - 1) * window.stride[a] + window.dilation[a] * (window.kernel[a] - 1) + 1 + output_padding[a]
        for a, count in enumerate((height, width))
    ]
    y = np.zeros((images, group_filters * groups, *full))
    for n, c, row, col in itertools.product(*map(range, x.shape)):
        for f in range(group_filters):
            filter_index = c // (channels // groups) * group_filters + f
            for i, j, down, right_by in elements(window, row * window.stride[0], col * window.stride[1]):
                y[n, filter_index, down, right_by] += float(x[n, c, row, col]) * float(weight[c, f, i, j])
    y = y[:, :, top : full[0] - bottom, left : full[1] - right]
    return y if bias is None else y + np.asarray(bias, float).reshape(1, -1, 1, 1)


def im2col_reference(x: Any, window: Window) -> Any:
    images, channels, height, width = x.shape
    rows, cols = all_starts(window, height, width)
    columns = np.zeros((images, channels * window.kernel[0] * window.kernel[1], len(rows) * len(cols)))
    for n, c in itertools.product(range(images), range(channels)):
        for place, (top, left) in enumerate(itertools.product(rows, cols)):
            for i, j, row, col in elements(window, top, left):
                if inside(row, col, height, width):
                    columns[n, (c * window.kernel[0] + i) * window.kernel[1] + j, place] = x[n, c, row, col]
    return columns


def col2im_reference(columns: Any, x_shape: Any, window: Window) -> Any:
    images, channels, height, width = x_shape
    rows, cols = all_starts(window, height, width)
    x = np.zeros(x_shape)
    for n, c in itertools.product(range(images), range(channels)):
        for place, (top, left) in enumerate(itertools.product(rows, cols)):
            for i, j, row, col in elements(window, top, left):
                if inside(row, col, height, width):
                    x[n, c, row, col] += columns[n, (c * window.kernel[0] + i) * window.kernel[1] + j, place]
    return x


def planes(shape: Any, window: Window) -> Iterator[tuple[Any, list[tuple[int, int, int, int]]]]:
    """For each pooled element its index and the real (i, j, row, col) under its window."""
    images, channels, height, width = shape
    rows, cols = all_starts(window, height, width)
    for n, c, out_row, out_col in itertools.product(range(images), range(channels), range(len(rows)), range(len(cols))):
        under = [e for e in elements(window, rows[out_row], cols[out_col]) if inside(e[2], e[3], height, width)]
        yield (n, c, out_row, out_col), under


def pooled_shape(shape: Any, window: Window) -> tuple[int, ...]:
    rows, cols = all_starts(window, *shape[2:])
    return (*shape[:2], len(rows), len(cols))


def max_pool2d_reference(x: Any, window: Window) -> tuple[Any, Any, Any]:
    """(y, offsets inside the windows, indices inside the planes)."""
    y = np.zeros(pooled_shape(x.shape, window))
    offsets, indices = np.zeros(y.shape, np.int64), np.zeros(y.shape, np.int64)
    for at, under in planes(x.shape, window):
        best = None
        for i, j, row, col in under:
            value = float(x[at[0], at[1], row, col])
            if best is None or value > best or math.isnan(value):
                best = value
                y[at], offsets[at], indices[at] = value, i * window.kernel[1] + j, row * x.shape[3] + col
    return y, offsets, indices


def max_pool2d_backward_reference(grad_y: Any, indices: Any, x_shape: Any) -> Any:
    grad_x = np.zeros(x_shape)
    for n, c, row, col in itertools.product(*map(range, grad_y.shape)):
        grad_x[n, c, *divmod(int(indices[n, c, row, col]), x_shape[3])] += float(grad_y[n, c, row, col])
    return grad_x


def pooling_divisor(window: Window, at: Any, under: list[Any], shape: Any, count_include_pad: bool) -> int:
    if not count_include_pad:
        return len(under)
    rows, cols = all_starts(window, *shape[2:])
    (top, bottom), (left, right) = window.padding
    return sum(
        -top <= row < shape[2] + bottom and -left <= col < shape[3] + right
        for _, _, row, col in elements(window, rows[at[2]], cols[at[3]])
    )


def avg_pool2d_reference(x: Any, window: Window, count_include_pad: bool) -> Any:
    y = np.zeros(pooled_shape(x.shape, window))
    for at, under in planes(x.shape, window):
        total = sum(float(x[at[0], at[1], row, col]) for _, _, row, col in under)
        y[at] = total / pooling_divisor(window, at, under, x.shape, count_include_pad)
    return y


def avg_pool2d_backward_reference(grad_y: Any, x_shape: Any, window: Window, count_include_pad: bool) -> Any:
    grad_x = np.zeros(x_shape)
    for at, under in planes(x_shape, window):
        share = float(grad_y[at]) / pooling_divisor(window, at, under, x_shape, count_include_pad)
        for _, _, row, col in under:
            grad_x[at[0], at[1], row, col] += share
    return grad_x
