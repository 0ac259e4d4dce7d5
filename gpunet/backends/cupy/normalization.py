"""Batch normalisation by ``batch_norm.cu``: moments of parts of each channel, their combination, then each element."""

from __future__ import annotations

from gpunet.backends.cupy.channels import COMBINING_THREADS, Channels
from gpunet.backends.cupy.contiguous import contiguous
from gpunet.backends.cupy.kernel_library import KernelLibrary, accumulator_type
from gpunet.state import Array


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
    sizes = Channels.of(x.shape)
    fields = sizes.fields()
    mean, inv_std = xp.empty(sizes.channels, x.dtype), xp.empty(sizes.channels, x.dtype)
    partial = xp.empty((sizes.channels, sizes.parts, 3), accumulator_type(x.dtype))
    library.launch("batch_norm", "batch_norm_moments", x.dtype, x, partial, fields, blocks=sizes.blocks)
    statistics = (x, partial, mean, inv_std, float(eps), fields)
    library.launch(
        "batch_norm", "batch_norm_statistics", x.dtype, *statistics, blocks=sizes.channels, block_size=COMBINING_THREADS
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
    xp = library.xp
    grad_y, x, y, weight, mean, inv_std = map(_contiguous, (grad_y, x, y, weight, mean, inv_std))
    sizes = Channels.of(x.shape)
    fields = sizes.fields()
    grad_weight, grad_bias = xp.empty(sizes.channels, x.dtype), xp.empty(sizes.channels, x.dtype)
    partial = xp.empty((sizes.channels, sizes.parts, 2), accumulator_type(x.dtype))
    sums = (grad_y, x, y, mean, inv_std, partial, fields)
    library.launch("batch_norm", "batch_norm_gradient_sums", x.dtype, *sums, blocks=sizes.blocks)
    totals = (partial, grad_weight, grad_bias, fields)
    library.launch(
        "batch_norm",
        "batch_norm_gradient_totals",
        x.dtype,
        *totals,
        blocks=sizes.channels,
        block_size=COMBINING_THREADS,
    )
    grad_x = xp.empty_like(x)
    arrays = (grad_y, x, y, weight, mean, inv_std, grad_weight, grad_bias, grad_x)
    library.launch("batch_norm", "batch_norm_backward", x.dtype, *arrays, fields, threads=sizes.threads)
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
    x, weight, bias, mean, inv_std, residual = map(_contiguous, (x, weight, bias, mean, inv_std, residual))
    sizes = Channels.of(x.shape)
    y = xp.empty_like(x)
    arguments = (x, weight, bias, mean, inv_std, residual, y, sizes.fields(), relu)
    library.launch("batch_norm", "batch_norm_apply", x.dtype, *arguments, threads=sizes.threads)
    return y


def _contiguous(array: Array | None) -> Array | None:
    return None if array is None else contiguous(array)
