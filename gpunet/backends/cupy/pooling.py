"""Max and average pooling by ``pooling.cu``."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gpunet.backends.cupy import windows
from gpunet.backends.cupy.contiguous import contiguous
from gpunet.backends.cupy.kernel_library import KernelLibrary
from gpunet.geometry import Pair, Window
from gpunet.state import Array

_BYTE = np.dtype("uint8")
_WIDE = np.dtype("uint32")  # for offsets that a byte does not hold


def max_pool2d(library: KernelLibrary, x: Array, window: Window) -> tuple[Array, Array]:
    """See `Backend.max_pool2d`; the offsets are uint8, or uint32 for windows of more than 256 elements."""
    xp = library.xp
    x = contiguous(x)
    y, planes = _output(xp, x, window)
    offsets = xp.empty(y.shape, _offset_dtype(window))
    arguments = (x, y, offsets, windows.fields(window, x.shape[2], x.shape[3]), planes)
    kernel = _wide("max_pool2d", window)
    library.launch("pooling", kernel, x.dtype, *arguments, threads=y.size, constants=_constants(window))
    return y, offsets


def max_pool2d_backward(
    library: KernelLibrary, grad_y: Array, offsets: Array, x_shape: tuple[int, ...], window: Window
) -> Array:
    """See `Backend.max_pool2d_backward`.

    Where windows overlap, ``library.options.scatter`` chooses between gathering and atomic addition.
    """
    xp = library.xp
    grad_y = contiguous(grad_y)
    offsets = contiguous(offsets, _offset_dtype(window))
    if window.overlaps and library.options.scatter == "atomic":
        grad_x = xp.zeros(x_shape, grad_y.dtype)
        kernel, threads = "max_pool2d_backward_atomic", grad_y.size
    else:
        grad_x = xp.empty(x_shape, grad_y.dtype)
        kernel, threads = _gathering("max_pool2d_backward", grad_x, window)
    fields, planes = windows.fields(window, x_shape[2], x_shape[3]), x_shape[0] * x_shape[1]
    arguments, name = (grad_y, offsets, grad_x, fields, planes), _wide(kernel, window)
    library.launch("pooling", name, grad_y.dtype, *arguments, threads=threads, constants=_constants(window))
    return grad_x


def avg_pool2d(library: KernelLibrary, x: Array, window: Window, count_include_pad: bool = True) -> Array:
    """See `Backend.avg_pool2d`."""
    xp = library.xp
    x = contiguous(x)
    y, planes = _output(xp, x, window)
    arguments = (x, y, windows.fields(window, x.shape[2], x.shape[3]), bool(count_include_pad), planes)
    library.launch("pooling", "avg_pool2d", x.dtype, *arguments, threads=y.size, constants=_constants(window))
    return y


def avg_pool2d_backward(
    library: KernelLibrary,
    grad_y: Array,
    x_shape: tuple[int, ...],
    window: Window,
    count_include_pad: bool = True,
) -> Array:
    """See `Backend.avg_pool2d_backward`."""
    xp = library.xp
    grad_y = contiguous(grad_y)
    grad_x = xp.empty(x_shape, grad_y.dtype)
    kernel, threads = _gathering("avg_pool2d_backward", grad_x, window)
    fields, planes = windows.fields(window, x_shape[2], x_shape[3]), x_shape[0] * x_shape[1]
    arguments = (grad_y, grad_x, fields, bool(count_include_pad), planes)
    library.launch("pooling", kernel, grad_y.dtype, *arguments, threads=threads, constants=_constants(window))
    return grad_x


def _output(xp: Any, x: Array, window: Window) -> tuple[Array, int]:
    """An array for the result, and the number of (n, c) planes."""
    return xp.empty((*x.shape[:2], *window.output_size(*x.shape[2:])), x.dtype), x.shape[0] * x.shape[1]


def _offset_dtype(window: Window) -> np.dtype[Any]:
    return _BYTE if window.area <= np.iinfo(_BYTE).max + 1 else _WIDE


def _wide(kernel: str, window: Window) -> str:
    """The kernel for the dtype of this window's offsets."""
    return kernel if _offset_dtype(window) == _BYTE else f"{kernel}_wide"


def _constants(window: Window) -> dict[str, int]:
    """What a common window's kernels are compiled with: the window, and where its padding puts the tiles."""
    constants = windows.constants(window)
    if not constants:
        return {}
    phases: Pair = (window.padding[0][0] % window.stride[0], window.padding[1][0] % window.stride[1])
    return {**constants, "PHASE_ROWS": phases[0], "PHASE_COLS": phases[1]}


def _gathering(name: str, grad_x: Array, window: Window) -> tuple[str, int]:
    """The kernel that gathers gradients, and its number of work items: tiles for common windows, else elements."""
    if not windows.constants(window):
        return f"{name}_gather", grad_x.size
    tiles = (-(-size // stride) for size, stride in zip(grad_x.shape[2:], window.stride, strict=True))
    return f"{name}_tiles", grad_x.shape[0] * grad_x.shape[1] * math.prod(tiles)
