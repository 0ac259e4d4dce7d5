"""Convolution at stride 1 to few channels: windows along the rows only, and sums along the columns of the image.

A product of matrices is slow when the result has few columns. Here the rows of the kernel share one product:

    product[i, f] = sum over j, c of weight[f, c, i, j] * image row seen through j    for each row i of the kernel
    y[row] = sum over i of product[i] at row + i

It has kernel rows times F results instead of F, and the windows that are copied hold one row of the kernel each. Rows
of padding are all zeros, and are left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import as_strided

from gpunet.backends.numpy import cutting, memory, parallel
from gpunet.backends.numpy.job import Job
from gpunet.backends.numpy.layout import channels_last
from gpunet.backends.numpy.windows import Floats, fill
from gpunet.geometry import Window

BLOCK_BYTES = 4 << 20  # of windows
SHARES = 4  # as in `columns`


def correlate(x: Floats, weight: Floats, bias: Floats | None, window: Window, relu: bool = False) -> Floats:
    """`Backend.conv2d` at stride 1 without groups; y is channels-last."""
    images, channels, height, _ = x.shape
    filters, (kernel_rows, kernel_cols) = weight.shape[0], window.kernel
    out_rows, out_cols = window.output_size(*x.shape[2:])
    dtype = np.result_type(x, weight)
    y = memory.empty_channels_last((images, filters, out_rows, out_cols), dtype)
    # (F, C, kh, kw) as (kh * F, kw * C): one row of the kernel after the other.
    matrix = np.ascontiguousarray(weight.transpose(2, 0, 3, 1)).reshape(kernel_rows * filters, -1)
    per_image = height * out_cols * kernel_cols * channels * dtype.itemsize
    images_at_once = cutting.shares(images, BLOCK_BYTES // max(1, per_image), images * per_image, SHARES)
    parallel.run(_Correlate(x, matrix, bias, y, window, relu), images_at_once, x.nbytes + y.nbytes)
    return y


@dataclass(frozen=True)
class _Correlate(Job):
    """Writes some images of ``y``; ``matrix`` is (kh * F, kw * C)."""

    x: Floats
    matrix: Floats
    bias: Floats | None
    y: Floats
    window: Window
    relu: bool
    outputs = ("y",)

    def __call__(self, images: slice) -> None:
        source, window, dtype = channels_last(self.x[images]), self.window, self.y.dtype
        count, height, _, channels = source.shape
        (kernel_rows, kernel_cols), (filters, out_rows, out_cols) = window.kernel, self.y.shape[1:]
        (top, _), (left, _) = window.padding
        width = out_cols - 1 + window.span[1]
        framed = memory.workspace("row columns frame", (count, height, width, channels), dtype)
        fill(framed, source, 0, -left)
        n, row, col, channel = framed.strides
        windows = memory.workspace("columns", (count, height, out_cols, kernel_cols, channels), dtype)
        strides = (n, row, col, window.dilation[1] * col, channel)
        np.copyto(windows, as_strided(framed, windows.shape, strides, writeable=False))
        product = memory.workspace("row columns product", (kernel_rows, filters, count, height, out_cols), dtype)
        by_row = product.reshape(kernel_rows * filters, -1)
        np.matmul(self.matrix, windows.reshape(-1, kernel_cols * channels).T, out=by_row)
        total = memory.workspace("row columns sums", (filters, count, out_rows, out_cols), dtype)
        total[...] = 0 if self.bias is None else self.bias[:, None, None, None]
        for i in range(kernel_rows):
            shift = i * window.dilation[0] - top  # row of the image under row 0 of the output
            first, last = max(0, -shift), min(out_rows, height - shift)
            if first < last:
                total[:, :, first:last] += product[i][:, :, first + shift : last + shift]
        if self.relu:
            np.maximum(total, 0, out=total)
        self.y[images] = total.transpose(1, 0, 2, 3)
