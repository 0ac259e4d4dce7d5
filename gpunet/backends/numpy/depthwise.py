"""Depthwise convolution: each channel by itself, so that there is no product of matrices, only multiply-adds.

For each element of the kernel the whole image, seen through that element, is multiplied by one number a channel. The
images are channels-last here: a row of pixels with its channels is one long run.
"""

from __future__ import annotations

import numpy as np

from gpunet.backends.numpy import memory, parallel
from gpunet.backends.numpy.layout import channels_last
from gpunet.backends.numpy.windows import Floats, elements_channels_last, fill, padded_size
from gpunet.geometry import Pair, Window


def correlate(x: Floats, weight: Floats, bias: Floats | None, window: Window, relu: bool = False) -> Floats:
    """`Backend.conv2d` with as many groups as channels; y is channels-last."""
    out_size = window.output_size(*x.shape[2:])
    y = memory.empty_channels_last((len(x), weight.shape[0], *out_size), np.result_type(x, weight))
    taps = _taps(weight, x.shape[1])

    def job(images: slice) -> None:
        framed = _framed(x[images], window, out_size)
        flat = channels_last(y[images])
        part = flat.reshape(*flat.shape[:3], *taps.shape[2:])
        product = memory.workspace("depthwise product", part.shape, part.dtype)
        for (i, j), view in elements_channels_last(framed, window, out_size):
            first = (i, j) == (0, 0)
            np.multiply(view[..., None], taps[i, j], out=part if first else product)
            if not first:
                part += product
        if bias is not None:
            flat += bias
        if relu:
            np.maximum(flat, 0, out=flat)

    parallel.run(job, parallel.cache_sized(len(y), y.nbytes))
    return y


def input_gradient(grad_y: Floats, weight: Floats, x_shape: tuple[int, ...], window: Window) -> Floats:
    """`Backend.conv2d_backward_input` with as many groups as channels."""
    out_size: Pair = (grad_y.shape[2], grad_y.shape[3])
    grad_x = memory.empty_channels_last(x_shape, np.result_type(grad_y, weight))
    taps = _taps(weight, x_shape[1])
    (top, _), (left, _) = window.padding

    def job(images: slice) -> None:
        part = channels_last(grad_x[images])
        framed = memory.workspace(
            "depthwise frame", (len(part), *padded_size(window, out_size), x_shape[1]), part.dtype
        )
        framed[...] = 0
        grad = _by_channel(grad_y[images], x_shape[1])
        product = memory.workspace("depthwise product", grad.shape, part.dtype)
        for (i, j), view in elements_channels_last(framed, window, out_size):
            np.multiply(grad, taps[i, j], out=product)
            for multiple in range(product.shape[4]):
                view += product[..., multiple]
        fill(part, framed, top, left)

    parallel.run(job, parallel.cache_sized(len(grad_x), grad_x.nbytes))
    return grad_x


def weight_gradient(grad_y: Floats, x: Floats, weight_shape: tuple[int, ...], window: Window) -> Floats:
    """`Backend.conv2d_backward_weight` with as many groups as channels."""
    out_size: Pair = (grad_y.shape[2], grad_y.shape[3])
    channels, dtype = x.shape[1], np.result_type(grad_y, x)

    def job(images: slice) -> Floats:
        framed, grad = _framed(x[images], window, out_size), _by_channel(grad_y[images], channels)
        product = memory.workspace("depthwise product", grad.shape, dtype)
        ones = np.ones(product.size // (weight_shape[0] or 1), dtype)
        sums = np.empty((*window.kernel, weight_shape[0]), dtype)
        for (i, j), view in elements_channels_last(framed, window, out_size):
            np.multiply(grad, view[..., None], out=product)
            np.matmul(ones, product.reshape(len(ones), -1), out=sums[i, j])
        return sums

    total = np.zeros((*window.kernel, weight_shape[0]), dtype)
    for partial_sum in parallel.run(job, parallel.cache_sized(len(grad_y), grad_y.nbytes)):
        total += partial_sum
    return np.ascontiguousarray(total.transpose(2, 0, 1)).reshape(weight_shape)


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
