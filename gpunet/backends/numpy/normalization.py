"""Batch normalisation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gpunet.backends.numpy.windows import Floats


def batch_norm(x: Floats, weight: Floats | None, bias: Floats | None, eps: float) -> tuple[Floats, Floats, Floats]:
    """See `Backend.batch_norm`. Two passes: the variance of centred values does not cancel."""
    flat = _flat(x)
    count = max(1, flat.shape[0] * flat.shape[2])
    mean = (_channel_sums(flat) / count).astype(x.dtype)
    centred = flat - mean[:, None]
    variance = _channel_sums(np.square(centred)) / count
    inv_std = (1 / np.sqrt(variance + eps)).astype(x.dtype)
    centred *= (inv_std if weight is None else inv_std * weight)[:, None]
    if bias is not None:
        centred += bias[:, None]
    return centred.reshape(x.shape), mean, inv_std


def batch_norm_backward(
    grad_y: Floats, x: Floats, weight: Floats | None, mean: Floats, inv_std: Floats
) -> tuple[Floats, Floats, Floats]:
    """See `Backend.batch_norm_backward`."""
    grad = _flat(grad_y)
    normalised = _flat(x) - mean[:, None]
    normalised *= inv_std[:, None]
    grad_bias = _channel_sums(grad).astype(x.dtype)
    grad_weight = _channel_sums(grad * normalised).astype(x.dtype)
    count = max(1, grad.shape[0] * grad.shape[2])
    # x moves its own output, and every output of its channel through the mean and the variance.
    normalised *= (-grad_weight / count)[:, None]
    normalised += grad
    normalised -= (grad_bias / count)[:, None]
    normalised *= (inv_std if weight is None else inv_std * weight)[:, None]
    return normalised.reshape(x.shape), grad_weight, grad_bias


def batch_norm_inference(
    x: Floats, weight: Floats | None, bias: Floats | None, mean: Floats, inv_std: Floats
) -> Floats:
    """See `Backend.batch_norm_inference`."""
    y = _flat(x) - mean[:, None]
    y *= (inv_std if weight is None else inv_std * weight)[:, None]
    if bias is not None:
        y += bias[:, None]
    return y.reshape(x.shape)


def _channel_sums(values: Floats) -> NDArray[np.float64]:
    """Sums (C,) of (N, C, values).

    NumPy adds along the last axis pairwise, which is accurate, but along the others one after the other: 100,000 small
    images in float32 would lose four digits, so images are added in float64.
    """
    return np.asarray(values.sum(axis=2).sum(axis=0, dtype=np.float64))


def _flat(x: Floats) -> Floats:
    """(N, C, ...) as (N, C, values)."""
    return x.reshape(x.shape[0], x.shape[1], int(np.prod(x.shape[2:])))
