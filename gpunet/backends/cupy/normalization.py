"""Batch normalisation by ``batch_norm.cu``: moments of parts of each channel, their combination, then each element."""

from __future__ import annotations

import math
from dataclasses import dataclass

from gpunet.backends.cupy import elementwise
from gpunet.backends.cupy.contiguous import contiguous
from gpunet.backends.cupy.kernel_library import KernelLibrary, accumulator_type
from gpunet.state import Array

_PART_SIZE = 4096  # values of a channel that one block reduces; fixes the order of summation, whatever the device
_COMBINING_THREADS = 64  # of the blocks that combine the parts of one channel
_RUN = 4  # elements a thread takes: where it starts costs two divisions


@dataclass(frozen=True)
class _Layout:
    """An (N, C, ...) array as the kernels see it.

    Attributes:
        channels: C.
        inner: values of one image and channel.
        count: values of one channel.
        parts: blocks that reduce one channel.
        size: values in all.
    """

    channels: int
    inner: int
    count: int
    parts: int
    size: int

    @classmethod
    def of(cls, shape: tuple[int, ...]) -> _Layout:
        inner = math.prod(shape[2:])
        count = shape[0] * inner
        return cls(shape[1], inner, count, -(-count // _PART_SIZE), count * shape[1])

    @property
    def threads(self) -> int:
        return -(-self.size // _RUN)


def batch_norm(
    library: KernelLibrary,
    x: Array,
    weight: Array | None,
    bias: Array | None,
    eps: float,
    residual: Array | None = None,
    relu: bool = False,
) -> tuple[Array, Array, Array]:
    """See `Backend.batch_norm`."""
    xp = library.xp
    x = contiguous(x)
    layout = _Layout.of(x.shape)
    channels, inner, count, parts = layout.channels, layout.inner, layout.count, layout.parts
    mean, inv_std = xp.empty(channels, x.dtype), xp.empty(channels, x.dtype)
    partial = xp.empty((channels, parts, 3), accumulator_type(x.dtype))
    moments = (x, partial, channels, inner, count, _PART_SIZE, parts)
    library.launch("batch_norm", "batch_norm_moments", x.dtype, *moments, blocks=channels * parts)
    statistics = (x, partial, mean, inv_std, float(eps), channels, inner, parts)
    library.launch(
        "batch_norm", "batch_norm_statistics", x.dtype, *statistics, blocks=channels, block_size=_COMBINING_THREADS
    )
    return batch_norm_inference(library, x, weight, bias, mean, inv_std, residual, relu), mean, inv_std


def batch_norm_backward(
    library: KernelLibrary,
    grad_y: Array,
    x: Array,
    weight: Array | None,
    mean: Array,
    inv_std: Array,
    y: Array | None = None,
) -> tuple[Array, Array, Array]:
    """See `Backend.batch_norm_backward`."""
    grad_y = grad_y if y is None else elementwise.relu_backward(library, grad_y, y)
    xp = library.xp
    grad_y, x, weight, mean, inv_std = map(_contiguous, (grad_y, x, weight, mean, inv_std))
    layout = _Layout.of(x.shape)
    channels, inner, count, parts = layout.channels, layout.inner, layout.count, layout.parts
    grad_weight, grad_bias = xp.empty(channels, x.dtype), xp.empty(channels, x.dtype)
    partial = xp.empty((channels, parts, 2), accumulator_type(x.dtype))
    sums = (grad_y, x, mean, inv_std, partial, channels, inner, count, _PART_SIZE, parts)
    library.launch("batch_norm", "batch_norm_gradient_sums", x.dtype, *sums, blocks=channels * parts)
    totals = (partial, grad_weight, grad_bias, channels, parts)
    library.launch(
        "batch_norm", "batch_norm_gradient_totals", x.dtype, *totals, blocks=channels, block_size=_COMBINING_THREADS
    )
    grad_x = xp.empty_like(x)
    arrays = (grad_y, x, weight, mean, inv_std, grad_weight, grad_bias, grad_x)
    sizes = (channels, inner, count, layout.size)
    library.launch("batch_norm", "batch_norm_backward", x.dtype, *arrays, *sizes, threads=layout.threads)
    return grad_x, grad_weight, grad_bias


def batch_norm_inference(
    library: KernelLibrary,
    x: Array,
    weight: Array | None,
    bias: Array | None,
    mean: Array,
    inv_std: Array,
    residual: Array | None = None,
    relu: bool = False,
) -> Array:
    """See `Backend.batch_norm_inference`."""
    xp = library.xp
    x, weight, bias, mean, inv_std = map(_contiguous, (x, weight, bias, mean, inv_std))
    layout = _Layout.of(x.shape)
    y = xp.empty_like(x)
    arguments = (x, weight, bias, mean, inv_std, y, layout.channels, layout.inner, layout.size)
    library.launch("batch_norm", "batch_norm_apply", x.dtype, *arguments, threads=layout.threads)
    y = y if residual is None else y + residual
    return elementwise.relu(library, y) if relu else y


def _contiguous(array: Array | None) -> Array | None:
    return None if array is None else contiguous(array)
