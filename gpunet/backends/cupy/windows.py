"""A sliding window as kernels see it: the fields of ``struct Window`` in common.cuh, and what may be compiled in."""

from __future__ import annotations

from gpunet.errors import BackendError
from gpunet.geometry import Pair, Window

# Windows (kernel, stride) that most networks are made of. Their kernels are compiled for them alone: loops unroll and
# no index is divided. Every other window is served by the general kernels, compiled once for all.
_COMMON = {(1, 2), (2, 2), (3, 1), (3, 2), (5, 1), (5, 2), (7, 2)}
_LIMIT = 2**31


def fields(window: Window, height: int, width: int, out_size: Pair | None = None) -> dict[str, int]:
    """What `KernelLibrary.launch` takes for a parameter of type Window.

    Args:
        window: the window.
        height, width: of the image.
        out_size: number of windows along rows and columns; by default as many as fit.

    Raises:
        BackendError: a padded image has 2**31 rows or columns, which kernels do not count to.
    """
    out_height, out_width = out_size or window.output_size(height, width)
    (top, bottom), (left, right) = window.padding
    for name, size, axis in (("rows", height + top + bottom, 0), ("columns", width + left + right, 1)):
        if size + window.span[axis] + window.stride[axis] >= _LIMIT:
            raise BackendError(
                f"an image of {height}x{width} with padding {window.padding} and this window needs {size} {name} and "
                f"more; the kernels count up to 2**31. Cut the image into pieces."
            )
    return {
        "height": height,
        "width": width,
        "out_height": out_height,
        "out_width": out_width,
        "rows": window.kernel[0],
        "cols": window.kernel[1],
        "row_stride": window.stride[0],
        "col_stride": window.stride[1],
        "row_dilation": window.dilation[0],
        "col_dilation": window.dilation[1],
        "top": top,
        "bottom": bottom,
        "left": left,
        "right": right,
    }


def constants(window: Window) -> dict[str, int]:
    """The ``constants`` of `KernelLibrary.launch` that build a common window into the kernels; none for another."""
    rows, cols = window.kernel
    if rows != cols or window.stride[0] != window.stride[1] or window.dilation != (1, 1):
        return {}
    if (rows, window.stride[0]) not in _COMMON:
        return {}
    return {
        "KERNEL_ROWS": rows,
        "KERNEL_COLS": cols,
        "STRIDE_ROWS": window.stride[0],
        "STRIDE_COLS": window.stride[1],
    }
