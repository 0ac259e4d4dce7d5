"""The rectifier, dropout and the error function by ``elementwise.cu`` and ``dropout.cu``."""

from __future__ import annotations

from typing import Any

from gpunet.backends.cupy.contiguous import contiguous
from gpunet.backends.cupy.kernel_library import KernelLibrary
from gpunet.random import Stream
from gpunet.state import Array

_RUN = 4  # elements a thread takes, so that starting it costs little


def relu(library: KernelLibrary, x: Array) -> Array:
    """See `Backend.relu`."""
    xp = library.xp
    x = contiguous(x)
    y = xp.empty_like(x)
    library.launch("elementwise", "relu", x.dtype, x, y, x.size, threads=_threads(x.size))
    return y


def relu_backward(library: KernelLibrary, grad_y: Array, y: Array) -> Array:
    """See `Backend.relu_backward`."""
    xp = library.xp
    grad_y, y = contiguous(grad_y), contiguous(y)
    grad_x = xp.empty_like(y)
    library.launch("elementwise", "relu_backward", y.dtype, grad_y, y, grad_x, y.size, threads=_threads(y.size))
    return grad_x


def bias_relu(library: KernelLibrary, x: Array, bias: Array) -> Array:
    """See `Backend.bias_relu`."""
    return relu(library, x + bias.reshape(-1, *(1,) * (x.ndim - 2)))


def bias_relu_backward(library: KernelLibrary, grad_y: Array, y: Array) -> tuple[Array, Array]:
    """See `Backend.bias_relu_backward`."""
    grad_x = relu_backward(library, grad_y, y)
    return grad_x, grad_x.sum(axis=(0, *range(2, y.ndim)))


def dropout(library: KernelLibrary, x: Array, probability: float, stream: Stream) -> tuple[Array, Array]:
    """See `Backend.dropout`; the bits are those of `Stream.bits`."""
    xp = library.xp
    x = contiguous(x)
    threshold = round(probability * 2**32)
    if threshold >= 2**32:
        return xp.zeros_like(x), xp.zeros(x.shape, bool)
    y, mask = xp.empty_like(x), xp.empty(x.shape, bool)
    scale, address = 1 / (1 - probability), (*stream.key, stream.step, stream.epoch)
    arguments: tuple[Any, ...] = (x, y, mask, threshold, scale, *address, x.size)
    library.launch("dropout", "dropout", x.dtype, *arguments, threads=-(-x.size // 4))
    return y, mask


def dropout_backward(library: KernelLibrary, grad_y: Array, mask: Array, probability: float) -> Array:
    """See `Backend.dropout_backward`."""
    xp = library.xp
    if probability >= 1:
        return xp.zeros(grad_y.shape, grad_y.dtype)
    grad_y, mask = contiguous(grad_y), contiguous(mask)
    grad_x, size = xp.empty_like(grad_y), grad_y.size
    arguments = (grad_y, mask, grad_x, 1 / (1 - probability), size)
    library.launch("elementwise", "dropout_backward", grad_y.dtype, *arguments, threads=_threads(size))
    return grad_x


def erf(library: KernelLibrary, x: Array) -> Array:
    """See `Backend.erf`."""
    xp = library.xp
    x = contiguous(x)
    y = xp.empty_like(x)
    library.launch("elementwise", "error_function", x.dtype, x, y, x.size, threads=_threads(x.size))
    return y


def _threads(size: int) -> int:
    return -(-size // _RUN)
