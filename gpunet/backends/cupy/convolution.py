"""Convolution by column products in chunks of the batch, and by direct kernels where those fit better.

`ConvolutionProblem.algorithm` chooses. Columns of a chunk are one matrix (C * kh * kw, images * H' * W'), which cuBLAS
multiplies by the weight at full speed, whatever the size of an image; the product, (F, images * H' * W'), is then put
in its place together with the bias. The chunk is as large as ``library.options.workspace_bytes`` allows. Convolutions
and gradients for x are sums over one image, so that the size of the chunk only matters as far as cuBLAS chooses its
kernels by it; gradients for the weight add chunk by chunk, so that another workspace may round them otherwise. With the
same workspace, two runs give the same bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from gpunet.backends.cupy import windows
from gpunet.backends.cupy.columns import add_columns, write_columns
from gpunet.backends.cupy.convolution_problem import ConvolutionProblem
from gpunet.backends.cupy.kernel_library import KernelLibrary, accumulator_type
from gpunet.geometry import Pair, Window
from gpunet.state import Array

_BATCHED_PRODUCTS = 65_535  # in one call of cuBLAS


def conv2d(
    library: KernelLibrary,
    x: Array,
    weight: Array,
    bias: Array | None,
    window: Window,
    groups: int = 1,
    precision: str = "fast",
    relu: bool = False,
) -> Array:
    """See `Backend.conv2d`; every algorithm here has the error of a direct sum, whatever the precision asked."""
    xp = library.xp
    x, weight = xp.ascontiguousarray(x), xp.ascontiguousarray(weight)
    bias = None if bias is None else xp.ascontiguousarray(bias)
    problem = _problem(x.shape, weight.shape, window, groups, window.output_size(*x.shape[2:]), x.dtype)
    y = xp.empty((problem.images, problem.filters, *problem.out_size), x.dtype)
    algorithm = problem.algorithm(library.options.workspace_bytes)
    if y.size == 0:
        return y
    if algorithm in {"depthwise", "direct"}:
        kernel = "depthwise" if algorithm == "depthwise" else "conv2d"
        _launch(library, kernel, problem, x.dtype, x, weight, bias, y, last=(relu,), threads=y.size)
    elif algorithm == "pointwise":
        _multiply_images(xp, weight.reshape(problem.filters, problem.channels), x, y)
        if bias is not None or relu:
            layout = _layout(problem, problem.images)
            library.launch("convolution", "add_bias", y.dtype, y, bias, *layout, relu, threads=y.size)
    else:
        matrices = _by_group(weight, groups)
        for part, columns, product in _chunks(library, problem, x.dtype):
            _write_columns(library, problem, x[part], columns)
            for group in range(groups):
                xp.matmul(matrices[group], columns[group], out=product[group])
            library.launch(
                "convolution",
                "place_product",
                y.dtype,
                product,
                bias,
                y[part],
                *_layout(problem, part.stop - part.start),
                relu,
                threads=product.size,
            )
    return y


def conv2d_backward_input(
    library: KernelLibrary,
    grad_y: Array,
    weight: Array,
    x_shape: tuple[int, ...],
    window: Window,
    groups: int = 1,
    precision: str = "fast",
) -> Array:
    """See `Backend.conv2d_backward_input`."""
    xp = library.xp
    grad_y, weight = xp.ascontiguousarray(grad_y), xp.ascontiguousarray(weight)
    problem = _problem(x_shape, weight.shape, window, groups, grad_y.shape[2:], grad_y.dtype)
    if grad_y.size == 0:
        return xp.zeros(x_shape, grad_y.dtype)
    grad_x = xp.empty(x_shape, grad_y.dtype)
    algorithm = problem.algorithm(library.options.workspace_bytes)
    if algorithm in {"depthwise", "direct"}:
        kernel = "depthwise_backward_input" if algorithm == "depthwise" else "conv2d_backward_input"
        _launch(library, kernel, problem, grad_y.dtype, grad_y, weight, grad_x, threads=grad_x.size)
    elif algorithm == "pointwise":
        _multiply_images(xp, weight.reshape(problem.filters, problem.channels).T, grad_y, grad_x)
    else:
        matrices = _by_group(weight, groups)
        for part, columns, grads in _chunks(library, problem, grad_y.dtype):
            _write_filters_first(library, problem, grad_y[part], grads)
            for group in range(groups):
                xp.matmul(matrices[group].T, grads[group], out=columns[group])
            width = columns.shape[2]
            add_columns(library, columns, grad_x[part], window, problem.out_size, problem.places, width)
    return grad_x


def conv2d_backward_weight(
    library: KernelLibrary,
    grad_y: Array,
    x: Array,
    weight_shape: tuple[int, ...],
    window: Window,
    groups: int = 1,
    precision: str = "fast",
) -> Array:
    """See `Backend.conv2d_backward_weight`."""
    xp = library.xp
    grad_y, x = xp.ascontiguousarray(grad_y), xp.ascontiguousarray(x)
    problem = _problem(x.shape, weight_shape, window, groups, grad_y.shape[2:], grad_y.dtype)
    if grad_y.size == 0:
        return xp.zeros(weight_shape, grad_y.dtype)
    algorithm = problem.weight_gradient_algorithm(library.options.workspace_bytes)
    if algorithm != "columns":
        return _summed_weight_gradient(library, problem, algorithm, grad_y, x, weight_shape)
    grad_weight = xp.empty(weight_shape, grad_y.dtype)
    totals = _by_group(grad_weight, groups)
    for part, columns, grads in _chunks(library, problem, grad_y.dtype):
        _write_columns(library, problem, x[part], columns)
        _write_filters_first(library, problem, grad_y[part], grads)
        for group in range(groups):
            if part.start == 0:
                xp.matmul(grads[group], columns[group].T, out=totals[group])
            else:
                totals[group] += xp.matmul(grads[group], columns[group].T)
    return grad_weight


def _summed_weight_gradient(
    library: KernelLibrary,
    problem: ConvolutionProblem,
    algorithm: str,
    grad_y: Array,
    x: Array,
    weight_shape: tuple[int, ...],
) -> Array:
    """The gradient without columns: blocks of threads sum shares of the outputs, and the shares are added in order."""
    xp, dtype = library.xp, grad_y.dtype
    grad_weight = xp.empty(weight_shape, dtype)
    weights = grad_weight.size
    depthwise = algorithm == "depthwise"
    sums = problem.filters if depthwise else weights  # a block of the depthwise kernel sums for a whole filter
    shares = problem.weight_gradient_shares(sums)
    partials = xp.empty((shares, *weight_shape), accumulator_type(dtype))
    kernel = "depthwise_backward_weight" if depthwise else "conv2d_backward_weight"
    _launch(library, kernel, problem, dtype, grad_y, x, partials, last=(shares,), blocks=shares * sums)
    library.launch("convolution", "sum_partials", dtype, partials, grad_weight, weights, shares, threads=weights)
    return grad_weight


def _problem(
    x_shape: tuple[int, ...],
    weight_shape: tuple[int, ...],
    window: Window,
    groups: int,
    out_size: Pair,
    dtype: np.dtype[Any],
) -> ConvolutionProblem:
    images, channels, height, width = x_shape
    return ConvolutionProblem(
        images, channels, height, width, weight_shape[0], groups, window, (out_size[0], out_size[1]), dtype.itemsize
    )


def _launch(
    library: KernelLibrary,
    kernel: str,
    problem: ConvolutionProblem,
    dtype: np.dtype[Any],
    *arrays: Array | None,
    last: tuple[Any, ...] = (),
    threads: int | None = None,
    blocks: int | None = None,
) -> None:
    """A kernel of convolution.cu that takes arrays, the sizes and the window."""
    library.launch(
        "convolution",
        kernel,
        dtype,
        *arrays,
        problem.sizes(),
        problem.window_fields(),
        *last,
        threads=threads,
        blocks=blocks,
        constants=windows.constants(problem.window),
    )


def _chunks(
    library: KernelLibrary, problem: ConvolutionProblem, dtype: np.dtype[Any]
) -> Iterator[tuple[slice, Array, Array]]:
    """The batch in slices, each with its part of the workspace.

    Yields:
        which images; room for their columns, (groups, C / groups * kh * kw, images * H' * W'); room for their outputs
        or gradients in the same order, (groups, F / groups, images * H' * W').
    """
    step = min(problem.images_at_once(library.options.workspace_bytes), problem.images)
    rows, filters = problem.rows, problem.filters
    # Allocated once: a chunk's memory would else be held until that of the next has been found.
    columns = library.xp.empty(rows * step * problem.places, dtype)
    outputs = library.xp.empty(filters * step * problem.places, dtype)
    for start in range(0, problem.images, step):
        part = slice(start, min(start + step, problem.images))
        width = (part.stop - part.start) * problem.places
        yield (
            part,
            columns[: rows * width].reshape(problem.groups, rows // problem.groups, width),
            outputs[: filters * width].reshape(problem.groups, filters // problem.groups, width),
        )


def _by_group(weight: Array, groups: int) -> Array:
    """(F, C / groups, kh, kw) as a matrix for each group: (groups, F / groups, C / groups * kh * kw)."""
    return weight.reshape(groups, weight.shape[0] // groups, -1)


def _layout(problem: ConvolutionProblem, images: int) -> tuple[int, int, int]:
    """What the kernels between images and products are told of the sizes: images, filters, places."""
    return images, problem.filters, problem.places


def _write_columns(library: KernelLibrary, problem: ConvolutionProblem, x: Array, columns: Array) -> None:
    """Fill ``columns`` with the windows of these images."""
    width = columns.shape[2]
    write_columns(library, x, columns, problem.window, problem.out_size, image_stride=problem.places, row_stride=width)


def _write_filters_first(library: KernelLibrary, problem: ConvolutionProblem, grad_y: Array, matrix: Array) -> None:
    """Fill ``matrix`` with the gradients of these images."""
    layout = _layout(problem, len(grad_y))
    library.launch("convolution", "filters_first", grad_y.dtype, grad_y, matrix, *layout, threads=matrix.size)


def _multiply_images(xp: Any, matrix: Array, images: Array, out: Array) -> None:
    """Each image's (C, H * W) multiplied by ``matrix`` from the left, into ``out``."""
    count = len(images)
    sources, targets = images.reshape(count, images.shape[1], -1), out.reshape(count, out.shape[1], -1)
    for start in range(0, count, _BATCHED_PRODUCTS):
        part = slice(start, start + _BATCHED_PRODUCTS)
        xp.matmul(matrix, sources[part], out=targets[part])
