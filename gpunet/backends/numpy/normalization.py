"""Batch normalisation, as many channels at a time as fit the cache."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gpunet.backends.numpy import parallel
from gpunet.backends.numpy.selection import through_rectifier
from gpunet.backends.numpy.windows import Floats


def batch_norm(
    x: Floats,
    weight: Floats | None,
    bias: Floats | None,
    eps: float,
    residual: Floats | None = None,
    relu: bool = False,
) -> tuple[Floats, Floats, Floats]:
    """See `Backend.batch_norm`. Two passes: the variance of centred values does not cancel."""
    flat, flat_residual = _flat(x), None if residual is None else _flat(residual)
    count = max(1, flat.shape[0] * flat.shape[2])
    y = np.empty_like(flat)
    mean, inv_std = np.empty(flat.shape[1], x.dtype), np.empty(flat.shape[1], x.dtype)

    def job(channels: slice) -> None:
        values = flat[:, channels]
        mean[channels] = _channel_sums(values) / count
        centred = values - mean[channels, None]
        variance = _channel_sums(np.square(centred)) / count
        inv_std[channels] = 1 / np.sqrt(variance + eps)
        centred *= _scale(inv_std, weight, channels)
        if bias is not None:
            centred += bias[channels, None]
        _finish(centred, None if flat_residual is None else flat_residual[:, channels], relu)
        y[:, channels] = centred

    parallel.run(job, parallel.cache_sized(flat.shape[1], flat.nbytes))
    return y.reshape(x.shape), mean, inv_std


def batch_norm_backward(
    grad_y: Floats, x: Floats, weight: Floats | None, mean: Floats, inv_std: Floats, y: Floats | None = None
) -> tuple[Floats, Floats, Floats]:
    """See `Backend.batch_norm_backward`."""
    flat_grad, flat, flat_y = _flat(grad_y), _flat(x), None if y is None else _flat(y)
    count = max(1, flat.shape[0] * flat.shape[2])
    grad_x = np.empty_like(flat)
    grad_weight, grad_bias = np.empty(flat.shape[1], x.dtype), np.empty(flat.shape[1], x.dtype)

    def job(channels: slice) -> None:
        grad = flat_grad[:, channels]
        if flat_y is not None:
            grad = through_rectifier(grad, flat_y[:, channels])
        normalised = flat[:, channels] - mean[channels, None]
        normalised *= inv_std[channels, None]
        grad_bias[channels] = _channel_sums(grad)
        grad_weight[channels] = _channel_sums(grad * normalised)
        # x moves its own output, and every output of its channel through the mean and the variance.
        normalised *= (-grad_weight[channels] / count)[:, None]
        normalised += grad
        normalised -= (grad_bias[channels] / count)[:, None]
        normalised *= _scale(inv_std, weight, channels)
        grad_x[:, channels] = normalised

    parallel.run(job, parallel.cache_sized(flat.shape[1], flat.nbytes))
    return grad_x.reshape(x.shape), grad_weight, grad_bias


def batch_norm_inference(
    x: Floats,
    weight: Floats | None,
    bias: Floats | None,
    mean: Floats,
    inv_std: Floats,
    residual: Floats | None = None,
    relu: bool = False,
) -> Floats:
    """See `Backend.batch_norm_inference`."""
    flat, flat_residual = _flat(x), None if residual is None else _flat(residual)
    y = np.empty_like(flat)
    everything = slice(None)

    def job(images: slice) -> None:
        part = np.subtract(flat[images], mean[:, None], out=y[images])
        part *= _scale(inv_std, weight, everything)
        if bias is not None:
            part += bias[:, None]
        _finish(part, None if flat_residual is None else flat_residual[images], relu)

    parallel.run(job, parallel.cache_sized(len(flat), flat.nbytes))
    return y.reshape(x.shape)


def _finish(values: Floats, residual: Floats | None, relu: bool) -> None:
    """Add ``residual`` if there is one and rectify if asked, in place."""
    if residual is not None:
        values += residual
    if relu:
        np.maximum(values, 0, out=values)


def _scale(inv_std: Floats, weight: Floats | None, channels: slice) -> Floats:
    scale = inv_std[channels] if weight is None else inv_std[channels] * weight[channels]
    return scale[:, None]


def _channel_sums(values: Floats) -> NDArray[np.float64]:
    """Sums (C,) of (N, C, values).

    NumPy adds along the last axis pairwise, which is accurate, but along the others one after the other: 100,000 small
    images in float32 would lose four digits, so images are added in float64.
    """
    return np.asarray(values.sum(axis=2).sum(axis=0, dtype=np.float64))


def _flat(x: Floats) -> Floats:
    """(N, C, ...) as (N, C, values)."""
    return x.reshape(x.shape[0], x.shape[1], int(np.prod(x.shape[2:])))
