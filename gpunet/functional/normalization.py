"""Batch normalisation."""

from __future__ import annotations

import math

from gpunet.errors import DataError, ShapeError
from gpunet.functional.checks import backend_for, check_per_channel, check_shape, names_itself
from gpunet.state import Array


@names_itself
def batch_norm(x: Array, weight: Array | None, bias: Array | None, eps: float = 1e-5) -> tuple[Array, Array, Array]:
    """Normalise each channel by this batch's mean and variance, then scale and shift.

    Args:
        x: (N, C, ...), float32 or float64, with at least two values a channel.
        weight, bias: (C,); None means 1 and 0.
        eps: added to the variance; above 0.

    Returns:
        y: like x.
        mean: (C,).
        inv_std: (C,), 1 / sqrt(variance + eps), the variance biased (over N * ...).

    Raises:
        ShapeError: sizes do not fit together, or there is one value a channel.
        DataError: a dtype is wrong, or eps is not above 0.
        BackendError: an argument is no array, or arrays of two backends are mixed.

    Source: Ioffe and Szegedy 2015, arXiv:1502.03167, algorithm 1.
    """
    backend = backend_for({"x": x}, {"weight": weight, "bias": bias})
    _check_channels(x)
    check_per_channel(x.shape[1], weight=weight, bias=bias)
    if not eps > 0:
        raise DataError(f"eps is {eps}, wanted a number above 0 such as 1e-5.")
    values = x.shape[0] * math.prod(x.shape[2:])
    if values < 2:
        raise ShapeError(
            f"x has shape {tuple(x.shape)}, {values} values a channel; their variance needs at least two. "
            f"Use a larger batch, or batch_norm_inference with known statistics."
        )
    return backend.batch_norm(x, weight, bias, float(eps))


@names_itself
def batch_norm_backward(
    grad_y: Array, x: Array, weight: Array | None, mean: Array, inv_std: Array
) -> tuple[Array, Array, Array]:
    """Gradients of `batch_norm`; mean and variance are functions of x.

    Args:
        grad_y, x: (N, C, ...), float32 or float64.
        weight: (C,) or None, as given to `batch_norm`.
        mean, inv_std: (C,), as `batch_norm` returned them.

    Returns:
        grad_x: like x.
        grad_weight, grad_bias: (C,).

    Raises:
        ShapeError, DataError, BackendError: as `batch_norm`; also when grad_y is not like x.
    """
    backend = backend_for({"grad_y": grad_y, "x": x, "mean": mean, "inv_std": inv_std}, {"weight": weight})
    _check_channels(x)
    check_shape("grad_y", grad_y, tuple(x.shape), ", as x")
    check_per_channel(x.shape[1], weight=weight, mean=mean, inv_std=inv_std)
    return backend.batch_norm_backward(grad_y, x, weight, mean, inv_std)


@names_itself
def batch_norm_inference(x: Array, weight: Array | None, bias: Array | None, mean: Array, inv_std: Array) -> Array:
    """Normalise each channel by given statistics: (x - mean) * inv_std * weight + bias.

    Args:
        x: (N, C, ...), float32 or float64.
        weight, bias: (C,); None means 1 and 0.
        mean, inv_std: (C,); inv_std is 1 / sqrt(variance + eps).

    Returns:
        y: like x.

    Raises:
        ShapeError, DataError, BackendError: as `batch_norm`, but any number of values a channel is legal.
    """
    backend = backend_for({"x": x, "mean": mean, "inv_std": inv_std}, {"weight": weight, "bias": bias})
    _check_channels(x)
    check_per_channel(x.shape[1], weight=weight, bias=bias, mean=mean, inv_std=inv_std)
    return backend.batch_norm_inference(x, weight, bias, mean, inv_std)


def _check_channels(x: Array) -> None:
    if x.ndim < 2 or min(x.shape[1:]) < 1:
        raise ShapeError(
            f"x has shape {tuple(x.shape)}, wanted (N, C, ...) with at least one channel and one value in each."
        )
