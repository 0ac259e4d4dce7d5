"""Batch normalisation."""

from __future__ import annotations

import numpy as np

from gpunet.backends.numpy.windows import Floats


def batch_norm(x: Floats, weight: Floats | None, bias: Floats | None, eps: float) -> tuple[Floats, Floats, Floats]:
    """See `Backend.batch_norm`. Two passes: the variance of centred values does not cancel."""
    flat = _flat(x)
    mean = flat.mean(axis=(0, 2))
    centred = flat - mean[:, None]
    variance = np.square(centred).mean(axis=(0, 2))
    inv_std = 1 / np.sqrt(variance + variance.dtype.type(eps))
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
    grad_bias = grad.sum(axis=(0, 2))
    grad_weight = (grad * normalised).sum(axis=(0, 2))
    count = grad.shape[0] * grad.shape[2]
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


def _flat(x: Floats) -> Floats:
    """(N, C, ...) as (N, C, values)."""
    return x.reshape(x.shape[0], x.shape[1], int(np.prod(x.shape[2:])))
