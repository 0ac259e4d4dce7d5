"""Depthwise convolution: each channel by itself, so that there is no product of matrices, only multiply-adds.

For each element of the kernel the whole image, seen through that element, is multiplied by one number a channel. The
images are channels-last here: a row of pixels with its channels is one long run.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gpunet.backends.numpy import cutting, memory, parallel
from gpunet.backends.numpy.job import Job
from gpunet.backends.numpy.layout import channels_last
from gpunet.backends.numpy.windows import Floats, elements_channels_last, fill, padded_size
from gpunet.geometry import Pair, Window


def correlate(x: Floats, weight: Floats, bias: Floats | None, window: Window, relu: bool = False) -> Floats:
    """`Backend.conv2d` with as many groups as channels; y is channels-last."""
    out_size = window.output_size(*x.shape[2:])
    y = memory.empty_channels_last((len(x), weight.shape[0], *out_size), np.result_type(x, weight))
    job = _Correlate(x, _taps(weight, x.shape[1]), bias, y, window, relu)
    parallel.run(job, cutting.cache_sized(len(y), y.nbytes), x.nbytes + y.nbytes)
    return y


@dataclass(frozen=True)
class _Correlate(Job):
    """Writes some images of ``y``; ``taps`` is (kh, kw, C, M)."""

    x: Floats
    taps: Floats
    bias: Floats | None
    y: Floats
    window: Window
    relu: bool
    outputs = ("y",)

    def __call__(self, images: slice) -> None:
        flat, window, taps = channels_last(self.y[images]), self.window, self.taps
        out_size: Pair = (flat.shape[1], flat.shape[2])
        framed = _framed(self.x[images], window, out_size)
        part = flat.reshape(*flat.shape[:3], *taps.shape[2:])
        product = memory.workspace("depthwise product", part.shape, part.dtype)
        for (i, j), view in elements_channels_last(framed, window, out_size):
            first = (i, j) == (0, 0)
            np.multiply(view[..., None], taps[i, j], out=part if first else product)
            if not first:
                part += product
        if self.bias is not None:
            flat += self.bias
        if self.relu:
            np.maximum(flat, 0, out=flat)


def input_gradient(grad_y: Floats, weight: Floats, x_shape: tuple[int, ...], window: Window) -> Floats:
    """`Backend.conv2d_backward_input` with as many groups as channels."""
    grad_x = memory.empty_channels_last(x_shape, np.result_type(grad_y, weight))
    job = _InputGradient(grad_y, _taps(weight, x_shape[1]), grad_x, window)
    parallel.run(job, cutting.cache_sized(len(grad_x), grad_x.nbytes), grad_y.nbytes + grad_x.nbytes)
    return grad_x


@dataclass(frozen=True)
class _InputGradient(Job):
    """Writes some images of ``grad_x``; ``taps`` is (kh, kw, C, M)."""

    grad_y: Floats
    taps: Floats
    grad_x: Floats
    window: Window
    outputs = ("grad_x",)

    def __call__(self, images: slice) -> None:
        part, window, channels = channels_last(self.grad_x[images]), self.window, self.grad_x.shape[1]
        (top, _), (left, _) = window.padding
        out_size: Pair = (self.grad_y.shape[2], self.grad_y.shape[3])
        frame = (len(part), *padded_size(window, out_size), channels)
        framed = memory.workspace("depthwise frame", frame, part.dtype)
        framed[...] = 0
        grad = _by_channel(self.grad_y[images], channels)
        product = memory.workspace("depthwise product", grad.shape, part.dtype)
        for (i, j), view in elements_channels_last(framed, window, out_size):
            np.multiply(grad, self.taps[i, j], out=product)
            for multiple in range(product.shape[4]):
                view += product[..., multiple]
        fill(part, framed, top, left)


def weight_gradient(grad_y: Floats, x: Floats, weight_shape: tuple[int, ...], window: Window) -> Floats:
    """`Backend.conv2d_backward_weight` with as many groups as channels."""
    dtype = np.result_type(grad_y, x)
    shares = cutting.shares_of(cutting.cache_sized(len(grad_y), grad_y.nbytes))
    sums = memory.shared((len(shares), *window.kernel, weight_shape[0]), dtype)
    parallel.run(_WeightGradient(grad_y, x, sums, window), shares, grad_y.nbytes + x.nbytes)
    total = np.zeros(sums.shape[1:], dtype)
    for partial_sum in sums:
        total += partial_sum
    return np.ascontiguousarray(total.transpose(2, 0, 1)).reshape(weight_shape)


@dataclass(frozen=True)
class _WeightGradient(Job):
    """Writes what some images sum up to, (kh, kw, F), to their place in ``sums``."""

    grad_y: Floats
    x: Floats
    sums: Floats
    window: Window
    outputs = ("sums",)

    def __call__(self, share: cutting.Share[slice]) -> None:
        (images,), dtype, filters = share.members, self.sums.dtype, self.sums.shape[3]
        out_size: Pair = (self.grad_y.shape[2], self.grad_y.shape[3])
        framed = _framed(self.x[images], self.window, out_size)
        grad = _by_channel(self.grad_y[images], self.x.shape[1])
        product = memory.workspace("depthwise product", grad.shape, dtype)
        ones = np.ones(product.size // (filters or 1), dtype)
        for (i, j), view in elements_channels_last(framed, self.window, out_size):
            np.multiply(grad, view[..., None], out=product)
            np.matmul(ones, product.reshape(len(ones), -1), out=self.sums[share.number, i, j])


def _taps(weight: Floats, channels: int) -> Floats:
    """(C * M, 1, kh, kw) as (kh, kw, C, M)."""
    by_channel = weight.reshape(channels, -1, *weight.shape[2:])
    return np.ascontiguousarray(by_channel.transpose(2, 3, 0, 1))


def _by_channel(images: Floats, channels: int) -> Floats:
    """(N, C * M, H, W) as (N, H, W, C, M)."""
    last = channels_last(images)
    return last.reshape(*last.shape[:3], channels, -1)


def _framed(x: Floats, window: Window, out_size: Pair) -> Floats:
    """Images (N, H, W, C), framed by zeros so that every window lies inside."""
    (top, _), (left, _) = window.padding
    framed = memory.workspace("depthwise frame", (len(x), *padded_size(window, out_size), x.shape[1]), x.dtype)
    fill(framed, channels_last(x), -top, -left)
    return framed
