"""Max and average pooling."""

from __future__ import annotations

from typing import Any

from gpunet.functional.checks import (
    Shape,
    as_image_shape,
    backend_for,
    check_images,
    check_owner,
    check_shape,
    names_itself,
)
from gpunet.functional.plane_indices import indices_to_offsets, offsets_to_indices
from gpunet.geometry import Window
from gpunet.state import Array


@names_itself
def max_pool2d(
    x: Array, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False
) -> tuple[Array, Array]:
    """Largest element of each window, and where it stands.

    Ties go to the first in row-major order; 0.0 and -0.0 tie. A NaN beats every number, and the last of several NaN
    wins. Padding is never chosen, not even over -inf.

    Args:
        x: (N, C, H, W), float32 or float64.
        kernel_size, dilation: an int or a pair (rows, columns).
        stride: the same; None means the kernel size.
        padding: an int, a pair or ((top, bottom), (left, right)); at most half the kernel.
        ceil_mode: keep a last window that reaches past the padded image, unless it starts past the image and its
            leading padding.

    Returns:
        y: (N, C, H', W').
        indices: int64 like y: row * W + col of the chosen element inside its (n, c) plane.

    Raises:
        ShapeError: sizes do not fit together, or a window would see nothing but padding.
        DataError: x is neither float32 nor float64.
        BackendError: x is no array.
    """
    backend = backend_for({"x": x})
    check_images("x", x)
    window, _ = _pooling(tuple(x.shape), kernel_size, stride, padding, dilation, ceil_mode)
    y, offsets = backend.max_pool2d(x, window)
    return y, offsets_to_indices(backend.xp, offsets, window, x.shape[3])


@names_itself
def max_pool2d_backward(
    grad_y: Array,
    indices: Array,
    x_shape: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> Array:
    """Gradient of `max_pool2d`: each gradient goes to the one element that was chosen; overlapping windows add.

    Args:
        grad_y: (N, C, H', W'), float32 or float64.
        indices: as `max_pool2d` returned them.
        x_shape: (N, C, H, W).
        kernel_size, stride, padding, dilation, ceil_mode: as given to `max_pool2d`.

    Returns:
        grad_x: (N, C, H, W).

    Raises:
        ShapeError: as `max_pool2d`; also when grad_y or indices are not like its output.
        DataError: a dtype is wrong, or an index lies outside its window.
        BackendError: an argument is no array, or arrays of two backends are mixed.
    """
    backend = backend_for({"grad_y": grad_y})
    check_owner("indices", indices, grad_y)
    shape = as_image_shape("x_shape", x_shape)
    window, y_shape = _pooling(shape, kernel_size, stride, padding, dilation, ceil_mode)
    check_shape("grad_y", grad_y, y_shape, ", as the output of max_pool2d")
    check_shape("indices", indices, y_shape, ", as the output of max_pool2d")
    offsets = indices_to_offsets(backend.xp, indices, window, (shape[2], shape[3]))
    return backend.max_pool2d_backward(grad_y, offsets, shape, window)


@names_itself
def avg_pool2d(
    x: Array,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Array:
    """Mean of each window.

    Args:
        x: (N, C, H, W), float32 or float64.
        kernel_size, stride, padding, ceil_mode: as in `max_pool2d`.
        count_include_pad: divide by the window's size clipped to the padded image; False: to the image itself.

    Returns:
        y: (N, C, H', W').

    Raises:
        ShapeError, DataError, BackendError: as `max_pool2d`.
    """
    backend = backend_for({"x": x})
    check_images("x", x)
    window, _ = _pooling(tuple(x.shape), kernel_size, stride, padding, 1, ceil_mode)
    return backend.avg_pool2d(x, window, bool(count_include_pad))


@names_itself
def avg_pool2d_backward(
    grad_y: Array,
    x_shape: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Array:
    """Gradient of `avg_pool2d`: every element of a window gets its share; where windows overlap, shares add.

    Args:
        grad_y: (N, C, H', W'), float32 or float64.
        x_shape: (N, C, H, W).
        kernel_size, stride, padding, ceil_mode, count_include_pad: as given to `avg_pool2d`.

    Returns:
        grad_x: (N, C, H, W).

    Raises:
        ShapeError, DataError, BackendError: as `avg_pool2d`; also when grad_y is not like its output.
    """
    backend = backend_for({"grad_y": grad_y})
    shape = as_image_shape("x_shape", x_shape)
    window, y_shape = _pooling(shape, kernel_size, stride, padding, 1, ceil_mode)
    check_shape("grad_y", grad_y, y_shape, ", as the output of avg_pool2d")
    return backend.avg_pool2d_backward(grad_y, shape, window, bool(count_include_pad))


def _pooling(
    x_shape: Shape, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> tuple[Window, Shape]:
    """The window, and the shape of the output over images of ``x_shape``."""
    window = Window.create(kernel_size, kernel_size if stride is None else stride, padding, dilation, ceil_mode)
    return window, (*x_shape[:2], *window.pooling_size(x_shape[2], x_shape[3]))
