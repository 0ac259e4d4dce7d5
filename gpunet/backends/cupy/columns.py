"""Windows as columns, and columns back into images, by the kernels of im2col.cu."""

from __future__ import annotations

from gpunet.backends.cupy import windows
from gpunet.backends.cupy.kernel_library import KernelLibrary
from gpunet.geometry import Pair, Window
from gpunet.state import Array


def im2col(library: KernelLibrary, x: Array, window: Window) -> Array:
    """See `Backend.im2col`."""
    images, channels, height, width = x.shape
    out_size = window.output_size(height, width)
    rows, places = channels * window.area, out_size[0] * out_size[1]
    columns = library.xp.empty((images, rows, places), x.dtype)
    x = library.xp.ascontiguousarray(x)
    write_columns(library, x, columns, window, out_size, image_stride=rows * places, row_stride=places)
    return columns


def col2im(library: KernelLibrary, columns: Array, x_shape: tuple[int, ...], window: Window) -> Array:
    """See `Backend.col2im`."""
    out_size = window.output_size(*x_shape[2:])
    rows, places = x_shape[1] * window.area, out_size[0] * out_size[1]
    x = library.xp.empty(x_shape, columns.dtype)
    columns = library.xp.ascontiguousarray(columns)
    add_columns(library, columns, x, window, out_size, image_stride=rows * places, row_stride=places)
    return x


def write_columns(
    library: KernelLibrary,
    x: Array,
    columns: Array,
    window: Window,
    out_size: Pair,
    image_stride: int,
    row_stride: int,
) -> None:
    """Fill ``columns`` with the windows of ``x``.

    Args:
        library: the kernels.
        x: (N, C, H, W), contiguous.
        columns: room for N * C * kh * kw * H' * W' elements.
        window: the window.
        out_size: H' and W'.
        image_stride, row_stride: distances in ``columns``, in elements, between one image and the next and between one
            row, which is an element of a channel's window, and the next.
    """
    images, channels, height, width = x.shape
    library.launch(
        "im2col",
        "im2col",
        x.dtype,
        x,
        columns,
        images,
        channels,
        windows.fields(window, height, width, out_size),
        image_stride,
        row_stride,
        threads=images * channels * out_size[0] * out_size[1],
        constants=windows.constants(window),
    )


def add_columns(
    library: KernelLibrary,
    columns: Array,
    x: Array,
    window: Window,
    out_size: Pair,
    image_stride: int,
    row_stride: int,
) -> None:
    """Transpose of `write_columns`: every element of ``x`` becomes the sum of its entries in ``columns``.

    ``library.options.scatter`` chooses between the gather and the atomic kernel.
    """
    images, channels, height, width = x.shape
    constants = windows.constants(window)
    if library.options.scatter == "atomic":
        kernel, per_channel = "col2im_atomic", out_size[0] * out_size[1]
        x.fill(0)
    elif constants:
        (top, _), (left, _) = window.padding
        stride_rows, stride_cols = window.stride
        tile_rows = (height - 1 + top) // stride_rows - top // stride_rows + 1
        tile_cols = (width - 1 + left) // stride_cols - left // stride_cols + 1
        kernel, per_channel = "col2im", tile_rows * tile_cols
    else:
        kernel, per_channel = "col2im", height * width
    library.launch(
        "im2col",
        kernel,
        x.dtype,
        columns,
        x,
        images,
        channels,
        windows.fields(window, height, width, out_size),
        image_stride,
        row_stride,
        threads=images * channels * per_channel,
        constants=constants,
    )
