"""Convolution, its transpose and the columns that both can be built on."""

from __future__ import annotations

from typing import Any

from gpunet.errors import ShapeError
from gpunet.functional.checks import (
    Shape,
    as_image_shape,
    backend_for,
    check_images,
    check_per_channel,
    check_precision,
    check_shape,
    names_itself,
)
from gpunet.geometry import Window, as_int, as_pair
from gpunet.state import Array


@names_itself
def conv2d(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    precision: str = "fast",
) -> Array:
    """Cross-correlate images with filters: y[n, f] = bias[f] + sum over c, i, j of x window[c, i, j] * weight[f].

    Args:
        x: (N, C, H, W), float32 or float64.
        weight: (F, C / groups, kh, kw), of x's dtype; output channels of group g see the input channels of group g.
        bias: (F,) or None.
        stride, dilation: an int or a pair (rows, columns).
        padding: zeros around the image: an int, a pair, "same", "valid" or ((top, bottom), (left, right)).
        groups: divides C and F.
        precision: "fast", or "strict" for algorithms with the error of a direct sum only.

    Returns:
        y: (N, F, H', W').

    Raises:
        ShapeError: sizes do not fit together.
        DataError: a dtype is wrong or the precision unknown.
        BackendError: an argument is no array, or arrays of two backends are mixed.
    """
    backend = backend_for({"x": x, "weight": weight}, {"bias": bias})
    check_images("x", x)
    window, groups = _convolution(weight, stride, padding, dilation, groups, precision)
    _check_filters(weight, x.shape[1], groups, "x")
    check_per_channel(weight.shape[0], bias=bias)
    return backend.conv2d(x, weight, bias, window, groups, precision)


@names_itself
def conv2d_backward(
    grad_y: Array,
    x: Array,
    weight: Array,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    bias: bool = True,
    precision: str = "fast",
) -> tuple[Array, Array, Array | None]:
    """Gradients of `conv2d`; where windows overlap, an input element gets the sum of what each of them sends.

    Args:
        grad_y: (N, F, H', W'), the gradient of the output.
        x, weight, stride, padding, dilation, groups, precision: as given to `conv2d`.
        bias: whether there was one.

    Returns:
        grad_x: (N, C, H, W).
        grad_weight: (F, C / groups, kh, kw), summed over the batch.
        grad_bias: (F,), or None without a bias.

    Raises:
        ShapeError, DataError, BackendError: as `conv2d`; also when grad_y is not like its output.
    """
    backend = backend_for({"grad_y": grad_y, "x": x, "weight": weight})
    check_images("x", x)
    window, groups = _convolution(weight, stride, padding, dilation, groups, precision)
    _check_filters(weight, x.shape[1], groups, "x")
    out_size = window.output_size(*x.shape[2:])
    check_shape("grad_y", grad_y, (x.shape[0], weight.shape[0], *out_size), ", as the output of conv2d")
    return (
        backend.conv2d_backward_input(grad_y, weight, tuple(x.shape), window, groups, precision),
        backend.conv2d_backward_weight(grad_y, x, tuple(weight.shape), window, groups, precision),
        grad_y.sum(axis=(0, 2, 3)) if bias else None,
    )


@names_itself
def conv_transpose2d(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
    precision: str = "fast",
) -> Array:
    """Transpose of `conv2d`: every input element spreads a copy of its filter, scaled, over the output; copies add.

    Args:
        x: (N, C, H, W), float32 or float64.
        weight: (C, F / groups, kh, kw), of x's dtype: input channels first, as in PyTorch.
        bias: (F,) or None.
        stride, dilation: an int or a pair (rows, columns).
        padding: what to cut from each side of the output, in the forms of `conv2d`.
        output_padding: rows and columns to add at the bottom and right; below the stride or the dilation.
        groups: divides C and F.
        precision: "fast" or "strict", as in `conv2d`.

    Returns:
        y: (N, F, H', W') with H' = (H - 1) * stride - top - bottom + dilation * (kh - 1) + output_padding + 1.

    Raises:
        ShapeError, DataError, BackendError: as `conv2d`.
    """
    backend = backend_for({"x": x, "weight": weight}, {"bias": bias})
    check_images("x", x)
    window, groups = _convolution(weight, stride, padding, dilation, groups, precision)
    y_shape = _transposed_shape(x, weight, window, output_padding, groups)
    check_per_channel(y_shape[1], bias=bias)
    y = backend.conv2d_backward_input(x, weight, y_shape, window, groups, precision)
    return y if bias is None else y + bias[:, None, None]


@names_itself
def conv_transpose2d_backward(
    grad_y: Array,
    x: Array,
    weight: Array,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
    bias: bool = True,
    precision: str = "fast",
) -> tuple[Array, Array, Array | None]:
    """Gradients of `conv_transpose2d`, which are a convolution and its weight gradient.

    Args:
        grad_y: (N, F, H', W'), the gradient of the output.
        x, weight, stride, padding, output_padding, groups, dilation, precision: as given to `conv_transpose2d`.
        bias: whether there was one.

    Returns:
        grad_x: (N, C, H, W).
        grad_weight: (C, F / groups, kh, kw), summed over the batch.
        grad_bias: (F,), or None without a bias.

    Raises:
        ShapeError, DataError, BackendError: as `conv_transpose2d`; also when grad_y is not like its output.
    """
    backend = backend_for({"grad_y": grad_y, "x": x, "weight": weight})
    check_images("x", x)
    window, groups = _convolution(weight, stride, padding, dilation, groups, precision)
    y_shape = _transposed_shape(x, weight, window, output_padding, groups)
    check_shape("grad_y", grad_y, y_shape, ", as the output of conv_transpose2d")
    grad_x = backend.conv2d(grad_y, weight, None, window, groups, precision)
    height, width = x.shape[2:]
    if grad_x.shape[2:] != (height, width):
        # An output_padding beyond the stride makes room for windows that no input element belongs to.
        grad_x = grad_x[:, :, :height, :width].copy()
    return (
        grad_x,
        backend.conv2d_backward_weight(x, grad_y, tuple(weight.shape), window, groups, precision),
        grad_y.sum(axis=(0, 2, 3)) if bias else None,
    )


@names_itself
def im2col(x: Array, kernel_size: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1) -> Array:
    """Write every window of the images as a column.

    Args:
        x: (N, C, H, W), float32 or float64.
        kernel_size, stride, dilation: an int or a pair (rows, columns).
        padding: zeros around the image, in the forms of `conv2d`.

    Returns:
        columns: (N, C * kh * kw, H' * W'); row (c * kh + i) * kw + j is element (i, j) of channel c.

    Raises:
        ShapeError, DataError, BackendError: as `conv2d`.
    """
    backend = backend_for({"x": x})
    check_images("x", x)
    window = Window.create(kernel_size, stride, padding, dilation)
    window.output_size(*x.shape[2:])
    return backend.im2col(x, window)


@names_itself
def col2im(
    columns: Array, x_shape: Any, kernel_size: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1
) -> Array:
    """Transpose of `im2col`: put columns back where they came from; overlapping entries add.

    Args:
        columns: (N, C * kh * kw, H' * W'), float32 or float64.
        x_shape: (N, C, H, W).
        kernel_size, stride, padding, dilation: as given to `im2col`.

    Returns:
        x: of ``x_shape``; what falls on the padding is dropped.

    Raises:
        ShapeError, DataError, BackendError: as `im2col`; also when the columns do not fit x_shape.
    """
    backend = backend_for({"columns": columns})
    images, channels, height, width = as_image_shape("x_shape", x_shape)
    window = Window.create(kernel_size, stride, padding, dilation)
    rows, cols = window.output_size(height, width)
    check_shape("columns", columns, (images, channels * window.area, rows * cols), f" for images {x_shape}")
    return backend.col2im(columns, (images, channels, height, width), window)


def _convolution(
    weight: Array, stride: Any, padding: Any, dilation: Any, groups: int, precision: str
) -> tuple[Window, int]:
    """The window and the checked number of groups."""
    check_precision(precision)
    if weight.ndim != 4:
        raise ShapeError(f"weight has shape {tuple(weight.shape)}, wanted four axes, the last two being the kernel.")
    return Window.create(tuple(weight.shape[2:]), stride, padding, dilation), as_int(groups, "groups", 1)


def _check_filters(weight: Array, channels: int, groups: int, name: str) -> None:
    filters, group_channels = weight.shape[:2]
    if group_channels * groups != channels:
        raise ShapeError(
            f"weight has shape {tuple(weight.shape)}, which with groups={groups} takes {group_channels * groups} "
            f"channels, but {name} has {channels}."
        )
    if filters < 1 or filters % groups:
        raise ShapeError(f"weight has {filters} filters, wanted at least one and a multiple of groups={groups}.")


def _transposed_shape(x: Array, weight: Array, window: Window, output_padding: Any, groups: int) -> Shape:
    """Shape of the output of `conv_transpose2d`, having checked weight and groups."""
    if weight.shape[0] != x.shape[1] or x.shape[1] % groups or weight.shape[1] < 1:
        raise ShapeError(
            f"weight has shape {tuple(weight.shape)}, wanted (C, F / groups, kh, kw) with C the {x.shape[1]} channels "
            f"of x, a multiple of groups={groups}, and F at least 1."
        )
    size = window.transposed_size(x.shape[2], x.shape[3], as_pair(output_padding, "output_padding", 0))
    return (x.shape[0], weight.shape[1] * groups, *size)
