"""Convolution: which algorithm computes it.

    depthwise      one channel a group: multiply-adds without a matrix
    winograd       3x3 at stride 1 with many channels: a quarter of the multiplications, ten times the rounding error
    winograd rows  3x3 at stride 1 with fewer channels: half of the multiplications, five times the error
    row columns    at stride 1 to few filters from more channels: one product for all rows of the kernel
    columns        everything else: windows copied into matrices

A gradient for the images at stride 1 is itself a convolution, of the gradient with the reversed filters. All results
are channels-last in memory.
"""

from __future__ import annotations

import numpy as np

from gpunet.backends.numpy import columns, depthwise, memory, row_columns, winograd, winograd_rows
from gpunet.backends.numpy.windows import Floats, crop, element_views, pad, padded_size, window_view
from gpunet.geometry import Pair, Window

WINOGRAD_CHANNELS = 32  # with fewer, transforming the tiles along both axes costs more than it saves ...
WINOGRAD_ROW_CHANNELS = 16  # ... and with fewer than this, along one axis

FEW_FILTERS = 16  # below, a product with as many columns as filters runs at half its speed


def conv2d(
    x: Floats,
    weight: Floats,
    bias: Floats | None,
    window: Window,
    groups: int = 1,
    precision: str = "fast",
    relu: bool = False,
) -> Floats:
    """See `Backend.conv2d`."""
    algorithm = _algorithm(weight.shape, window, window.output_size(*x.shape[2:]), groups, precision)
    if algorithm == "depthwise":
        return depthwise.correlate(x, weight, bias, window, relu)
    if algorithm == "winograd":
        return winograd.correlate(x, weight, bias, window, relu)
    if algorithm == "winograd rows":
        return winograd_rows.correlate(x, weight, bias, window, relu)
    if algorithm == "row columns":
        return row_columns.correlate(x, weight, bias, window, relu)
    return columns.correlate(x, weight, bias, window, groups, relu)


def conv2d_backward_input(
    grad_y: Floats,
    weight: Floats,
    x_shape: tuple[int, ...],
    window: Window,
    groups: int = 1,
    precision: str = "fast",
) -> Floats:
    """See `Backend.conv2d_backward_input`."""
    if _is_depthwise(weight.shape, groups):
        return depthwise.input_gradient(grad_y, weight, x_shape, window)
    reversed_window = _reversed(window, grad_y.shape, x_shape)
    # Columns of grad_y are read, those of grad_x written and read and added: one of the latter costs as much as two.
    cheaper = weight.shape[0] <= 2 * x_shape[1] or (x_shape[1] < FEW_FILTERS and groups == 1)
    if reversed_window is not None and cheaper:
        return conv2d(grad_y, _reversed_filters(weight, groups), None, reversed_window, groups, precision)
    return columns.input_gradient(grad_y, weight, x_shape, window, groups)


def conv2d_backward_weight(
    grad_y: Floats,
    x: Floats,
    weight_shape: tuple[int, ...],
    window: Window,
    groups: int = 1,
    precision: str = "fast",
) -> Floats:
    """See `Backend.conv2d_backward_weight`."""
    algorithm = _algorithm(weight_shape, window, grad_y.shape[2:], groups, precision)
    if algorithm == "depthwise":
        return depthwise.weight_gradient(grad_y, x, weight_shape, window)
    if algorithm == "winograd":
        return winograd.weight_gradient(grad_y, x, window)
    if algorithm == "winograd rows":
        return winograd_rows.weight_gradient(grad_y, x, window)
    return columns.weight_gradient(grad_y, x, weight_shape, window, groups)


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


def _algorithm(
    weight_shape: tuple[int, ...], window: Window, out_size: tuple[int, ...], groups: int, precision: str
) -> str:
    """The name of the algorithm; a function of sizes and precision alone."""
    if _is_depthwise(weight_shape, groups):
        return "depthwise"
    if (
        precision != "strict"
        and winograd.fits(window)
        and groups == 1
        and min(weight_shape[:2]) >= WINOGRAD_ROW_CHANNELS
        and winograd.use_of_tiles(out_size) >= 0.5
    ):
        return "winograd" if min(weight_shape[:2]) >= WINOGRAD_CHANNELS else "winograd rows"
    few_filters = weight_shape[0] < FEW_FILTERS and weight_shape[0] < weight_shape[1]
    if few_filters and groups == 1 and window.stride == (1, 1) and window.kernel[0] > 1:
        return "row columns"
    return "columns"


def _is_depthwise(weight_shape: tuple[int, ...], groups: int) -> bool:
    return groups > 1 and weight_shape[1] == 1


def _reversed(window: Window, y_shape: tuple[int, ...], x_shape: tuple[int, ...]) -> Window | None:
    """The window with which a convolution of grad_y gives grad_x, or None if there is none.

    At stride 1, each input element is under every place of the window in turn, the last place first: gathering what it
    is sent is a convolution with the reversed filter, and columns are read rather than added to.
    """
    (top, bottom), (left, right) = window.padding
    rows, cols = window.span
    size: Pair = (y_shape[2] - 1 + rows - top - bottom, y_shape[3] - 1 + cols - left - right)
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
    reversed_filters = memory.empty((groups, channels, filters // groups, *kernel), weight.dtype)
    np.copyto(reversed_filters, by_group.transpose(0, 2, 1, 3, 4))
    return reversed_filters.reshape(groups * channels, filters // groups, *kernel)
