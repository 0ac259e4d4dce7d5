"""Batch normalisation in two passes over memory, each over tiles that stay in the cache.

A large mean would cancel the digits of a variance and of a scaled value, so it is subtracted first. But most channels
of a net have means of about their deviation, where that subtraction is a pass for nothing: a channel whose mean is near
0 goes without, and if all do, that pass is saved. A channel's bits do not depend on the others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gpunet.backends.numpy import memory
from gpunet.backends.numpy.channels import Channels, Tile, TileJob, channels_of
from gpunet.backends.numpy.selection import rectify, through_rectifier
from gpunet.backends.numpy.windows import Floats

FAR = 4.0  # deviations: a mean nearer to 0 than this costs less than a decimal digit where it is not subtracted first


def batch_norm(
    x: Floats,
    weight: Floats | None,
    bias: Floats | None,
    eps: float,
    residual: Floats | None = None,
    relu: bool = False,
) -> tuple[Floats, Floats, Floats]:
    """See `Backend.batch_norm`."""
    y = memory.empty_like(x)
    flat_x, channels = memory.flat(x, like=y), channels_of(y)
    exact_mean, variance = _statistics(flat_x, channels)
    mean, inv_std = exact_mean.astype(x.dtype), (1 / np.sqrt(variance + eps)).astype(x.dtype)
    _normalise(flat_x, y, channels, weight, bias, mean, inv_std, residual, relu)
    return y, mean, inv_std


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
    y = memory.empty_like(x)
    _normalise(memory.flat(x, like=y), y, channels_of(y), weight, bias, mean, inv_std, residual, relu)
    return y


def _statistics(x: Floats, channels: Channels) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and biased variance of each channel, from sums and sums of squares around a guess at the mean."""
    if x.size == 0:
        return channels.no_sums(), channels.no_sums()
    guess = _guess(channels.sample(x))
    centre = channels.spread(guess, x.dtype) if guess.any() else None
    sums, squares = channels.partial_sums(x.dtype), channels.partial_sums(x.dtype)
    channels.run(_Measure(channels, x, centre, sums, squares))
    beyond = channels.total(sums) / channels.count
    variance = channels.total(squares) / channels.count - np.square(beyond)
    return guess + beyond, np.maximum(variance, 0)


@dataclass(frozen=True)
class _Measure(TileJob):
    """Sums up x and its squares, less ``centre``."""

    x: Floats
    centre: Floats | None
    sums: Floats
    squares: Floats
    outputs = ("sums", "squares")

    def do(self, tile: Tile) -> None:
        values = self.x[tile.part]
        workspace = memory.workspace("normalization", values.shape, values.dtype)
        if self.centre is not None:
            values = np.subtract(values, self.centre[tile.spread], out=workspace)
        self.channels.sum_up(tile, values, self.sums)
        self.channels.sum_up(tile, np.multiply(values, values, out=workspace), self.squares)


def _guess(sample: Floats) -> Floats:
    """Mean of a sample (values, C) where it is `FAR` from 0, else 0.

    What lies far from 0 in the sample may be some sqrt(values / samples) times nearer in truth and not farther, so that
    what is left of a mean cancels few digits of the variance.
    """
    share = np.full(len(sample), 1 / len(sample), sample.dtype)
    mean, mean_square = share @ sample, share @ np.square(sample)
    return np.where(np.square(mean) * (1 + FAR**-2) > mean_square, mean, 0).astype(sample.dtype)


def _centre(mean: Floats, inv_std: Floats) -> Floats:
    """Mean of each channel whose mean is `FAR` from 0, else 0: what to subtract before anything is multiplied."""
    return np.where(np.abs(mean) * inv_std <= FAR, 0, mean).astype(mean.dtype)


def _normalise(
    x: Floats,
    y: Floats,
    channels: Channels,
    weight: Floats | None,
    bias: Floats | None,
    mean: Floats,
    inv_std: Floats,
    residual: Floats | None,
    relu: bool,
) -> None:
    """Write (x - mean) * scale + bias, the residual added, rectified if asked, to ``y``."""
    flat_y = memory.flat(y, like=y)
    flat_residual = None if residual is None else memory.flat(residual, like=y)
    scale, subtrahend = _scale(inv_std, weight), _centre(mean, inv_std)
    centre = channels.spread(subtrahend, y.dtype) if subtrahend.any() else None
    offset = (subtrahend - mean.astype(np.float64)) * scale + (0 if bias is None else bias)
    factor, shift = channels.spread(scale, y.dtype), channels.spread(offset, y.dtype)
    channels.run(_Normalise(channels, x, flat_y, centre, factor, shift, flat_residual, relu))


@dataclass(frozen=True)
class _Normalise(TileJob):
    """Writes ``y``; all arrays flat, those of the channels spread."""

    x: Floats
    y: Floats
    centre: Floats | None
    factor: Floats
    shift: Floats
    residual: Floats | None
    relu: bool
    outputs = ("y",)

    def do(self, tile: Tile) -> None:
        values, out = self.x[tile.part], self.y[tile.part]
        if self.centre is not None:
            values = np.subtract(values, self.centre[tile.spread], out=out)
        np.multiply(values, self.factor[tile.spread], out=out)
        np.add(out, self.shift[tile.spread], out=out)
        if self.residual is not None:
            np.add(out, self.residual[tile.part], out=out)
        if self.relu:
            rectify(out, out=out)


def batch_norm_backward(
    grad_y: Floats, x: Floats, weight: Floats | None, mean: Floats, inv_std: Floats, y: Floats | None = None
) -> tuple[Floats, Floats, Floats]:
    """See `Backend.batch_norm_backward`."""
    grad_x = memory.empty_like(x)
    channels = channels_of(grad_x)
    flat_x, result, grad = (memory.flat(array, like=grad_x) for array in (x, grad_x, grad_y))
    rectified = None if y is None else memory.flat(y, like=grad_x)
    subtrahend = _centre(mean, inv_std)
    centre = channels.spread(subtrahend, x.dtype) if subtrahend.any() else None
    grads, products = channels.partial_sums(x.dtype), channels.partial_sums(x.dtype)
    channels.run(_SumUp(channels, flat_x, centre, grad, rectified, result, grads, products))
    grad_bias = channels.total(grads)
    left = mean.astype(np.float64) - subtrahend  # of the mean, and still to be subtracted
    grad_weight = (channels.total(products) - left * grad_bias) * inv_std

    # x moves its own output, and every output of its channel through the mean and the variance.
    scale, count = _scale(inv_std, weight), max(1, channels.count)
    through_variance = -scale * inv_std * grad_weight / count
    through_mean = -scale * grad_bias / count - through_variance * left
    own, slope, constant = (channels.spread(values, x.dtype) for values in (scale, through_variance, through_mean))
    sent = grad if rectified is None else result
    channels.run(_Combine(channels, flat_x, centre, sent, own, slope, constant, result))
    return grad_x, grad_weight.astype(x.dtype), grad_bias.astype(x.dtype)


@dataclass(frozen=True)
class _Centred(TileJob):
    """Looks at x less ``centre``."""

    x: Floats
    centre: Floats | None

    def _values(self, tile: Tile, workspace: Floats) -> Floats:
        values = self.x[tile.part]
        return values if self.centre is None else np.subtract(values, self.centre[tile.spread], out=workspace)


@dataclass(frozen=True)
class _SumUp(_Centred):
    """Sums up gradients, and their products with x; what a rectifier lets through waits in ``result``."""

    grad: Floats
    rectified: Floats | None
    result: Floats
    grads: Floats
    products: Floats
    outputs = ("result", "grads", "products")

    def do(self, tile: Tile) -> None:
        part = self.grad[tile.part]
        if self.rectified is not None:
            part = through_rectifier(part, self.rectified[tile.part], out=self.result[tile.part])
        self.channels.sum_up(tile, part, self.grads)
        workspace = memory.workspace("normalization", part.shape, part.dtype)
        products = np.multiply(self._values(tile, workspace), part, out=workspace)
        self.channels.sum_up(tile, products, self.products)


@dataclass(frozen=True)
class _Combine(_Centred):
    """Writes ``result``, which may be ``sent``: its own gradient and what comes by way of mean and variance."""

    sent: Floats
    own: Floats
    slope: Floats
    constant: Floats
    result: Floats
    outputs = ("result",)

    def do(self, tile: Tile) -> None:
        out = self.result[tile.part]
        np.multiply(self.sent[tile.part], self.own[tile.spread], out=out)
        others = memory.workspace("normalization", out.shape, out.dtype)
        np.multiply(self._values(tile, others), self.slope[tile.spread], out=others)
        np.add(others, self.constant[tile.spread], out=others)
        np.add(out, others, out=out)


def _scale(inv_std: Floats, weight: Floats | None) -> Floats:
    return inv_std if weight is None else inv_std * weight
