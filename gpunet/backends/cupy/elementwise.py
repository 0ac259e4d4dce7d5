"""The rectifier, alone and after a bias, dropout and the error function by ``elementwise.cu`` and ``dropout.cu``."""

from __future__ import annotations

from typing import Any

from gpunet.backends.cupy.channels import COMBINING_THREADS, Channels
from gpunet.backends.cupy.contiguous import contiguous
from gpunet.backends.cupy.kernel_library import KernelLibrary, accumulator_type
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
    xp = library.xp
    x, bias = contiguous(x), contiguous(bias)
    y, sizes = xp.empty_like(x), Channels.of(x.shape)
    library.launch("elementwise", "bias_relu", x.dtype, x, bias, y, sizes.fields(), threads=sizes.threads)
    return y


def bias_relu_backward(library: KernelLibrary, grad_y: Array, y: Array) -> tuple[Array, Array]:
    """See `Backend.bias_relu_backward`."""
    xp = library.xp
    grad_y, y = contiguous(grad_y), contiguous(y)
    grad_x, sizes = xp.empty_like(y), Channels.of(y.shape)
    grad_bias = xp.empty(sizes.channels, y.dtype)
    partial = xp.empty((sizes.channels, sizes.parts), accumulator_type(y.dtype))
    arguments = (grad_y, y, grad_x, partial, sizes.fields())
    library.launch("elementwise", "bias_relu_backward", y.dtype, *arguments, blocks=sizes.blocks)
    totals = (partial, grad_bias, sizes.channels, sizes.parts)
    library.launch("reductions", "sum_rows", y.dtype, *totals, blocks=sizes.channels, block_size=COMBINING_THREADS)
    return grad_x, grad_bias


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
