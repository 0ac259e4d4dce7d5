"""Normalisation."""

from __future__ import annotations

import math

import numpy as np

from gpunet.interop.onnx.exporter import Exporter, writes
from gpunet.layers import BatchNorm1d, BatchNorm2d, GroupNorm, LayerNorm, LocalResponseNorm
from gpunet.state import Parameter

Names = tuple[str, ...]


def _scale_and_shift(
    exporter: Exporter, path: str, weight: Parameter | None, bias: Parameter | None, shape: tuple[int, ...]
) -> Names:
    """Both, or ones and zeros that stay so in training."""
    return (
        exporter.constant(path, np.ones(shape), exporter.dtype)
        if weight is None
        else exporter.parameter(path, "weight", weight),
        exporter.constant(path, np.zeros(shape), exporter.dtype)
        if bias is None
        else exporter.parameter(path, "bias", bias),
    )


@writes(BatchNorm1d, BatchNorm2d)
def batch_norm(exporter: Exporter, module: BatchNorm2d, path: str, inputs: Names) -> Names:
    """BatchNormalization; without running statistics the formula over the batch."""
    affine = _scale_and_shift(exporter, path, module.weight, module.bias, (module.num_features,))
    if module.running_mean is None or module.running_var is None:
        return (_by_batch(exporter, module, path, inputs[0], affine),)
    mean = exporter.parameter(path, "running_mean", module.running_mean)
    variance = exporter.parameter(path, "running_var", module.running_var)
    momentum = 0.9 if module.momentum is None else 1 - module.momentum
    values = (*inputs, *affine, mean, variance)
    return (exporter.node("BatchNormalization", path, values, epsilon=module.eps, momentum=momentum),)


def _by_batch(exporter: Exporter, module: BatchNorm2d, path: str, x: str, affine: Names) -> str:
    ndim = len(exporter.input_shape(module)) + 1
    axes = [0, *range(2, ndim)]

    def mean_of(value: str) -> str:
        if exporter.opset < 18:
            return exporter.node("ReduceMean", path, (value,), axes=axes)
        return exporter.node("ReduceMean", path, (value, exporter.constant(path, axes)))

    centred = exporter.node("Sub", path, (x, mean_of(x)))
    variance = mean_of(exporter.node("Mul", path, (centred, centred)))
    with_eps = exporter.node("Add", path, (variance, exporter.number(path, module.eps)))
    normalised = exporter.node("Div", path, (centred, exporter.node("Sqrt", path, (with_eps,))))
    shape = exporter.constant(path, [module.num_features, *(1,) * (ndim - 2)])
    scale, shift = (exporter.node("Reshape", path, (name, shape)) for name in affine)
    return exporter.node("Add", path, (exporter.node("Mul", path, (normalised, scale)), shift))


@writes(GroupNorm)
def group_norm(exporter: Exporter, module: GroupNorm, path: str, inputs: Names) -> Names:
    """GroupNormalization, which has a scale for each channel from opset 21 on."""
    affine = _scale_and_shift(exporter, path, module.weight, module.bias, (module.num_channels,))
    settings = {"epsilon": module.eps, "num_groups": module.num_groups}
    return (exporter.node("GroupNormalization", path, (*inputs, *affine), **settings),)


@writes(LayerNorm)
def layer_norm(exporter: Exporter, module: LayerNorm, path: str, inputs: Names) -> Names:
    """LayerNormalization."""
    scale, shift = _scale_and_shift(exporter, path, module.weight, module.bias, module.normalized_shape)
    settings = {"axis": -len(module.normalized_shape), "epsilon": module.eps}
    return (exporter.node("LayerNormalization", path, (*inputs, scale, shift), **settings),)


@writes(LocalResponseNorm)
def local_response_norm(exporter: Exporter, module: LocalResponseNorm, path: str, inputs: Names) -> Names:
    """LRN; where its neighbours or its shapes are others, means over channels as an AveragePool along them."""
    shape, size = exporter.input_shape(module), module.size
    if size % 2 and len(shape) == 3:
        settings = {"size": size, "alpha": module.alpha, "beta": module.beta, "bias": module.k}
        return (exporter.node("LRN", path, inputs, **settings),)
    squares = exporter.node("Mul", path, (*inputs, *inputs))
    as_image = exporter.constant(path, [0, 1, shape[0], math.prod(shape[1:])])
    image = exporter.node("Reshape", path, (squares, as_image))
    pads = [size // 2, 0, (size - 1) // 2, 0]
    means = exporter.node("AveragePool", path, (image,), kernel_shape=[size, 1], pads=pads, count_include_pad=1)
    back = exporter.node("Reshape", path, (means, exporter.constant(path, [0, *shape])))
    scaled = exporter.node("Mul", path, (back, exporter.number(path, module.alpha)))
    scale = exporter.node("Add", path, (scaled, exporter.number(path, module.k)))
    power = exporter.node("Pow", path, (scale, exporter.number(path, module.beta)))
    return (exporter.node("Div", path, (*inputs, power)),)
