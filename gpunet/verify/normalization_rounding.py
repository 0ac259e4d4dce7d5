"""The expected rounding of layers that subtract a mean and divide by a standard deviation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gpunet import layers
from gpunet.layers.batch_norm import BatchNorm1d, BatchNorm2d
from gpunet.layers.module import Module
from gpunet.verify.recording import Call, Host
from gpunet.verify.rounding import AROUND, Bounds, growth

PARTIAL_SUMS = 64  # a mean over much is summed in parts: pairwise on NumPy, by the threads of a block on a device


def of_batch_norm(layer: Module, call: Call) -> Bounds:
    """Over the batch, each channel by itself; in inference by fixed statistics, which sum nothing."""
    assert isinstance(layer, BatchNorm1d | BatchNorm2d)
    x = call.inputs[0]
    weight, bias = _value(layer.weight), _value(layer.bias)
    channels = (len(x), x.shape[1], math.prod(x.shape[2:]))
    by_channel = (x.shape[1], *(1,) * (x.ndim - 2))
    fixed = None
    if not call.training and layer.running_mean is not None and layer.running_var is not None:
        fixed = (layer.running_mean.value, layer.running_var.value)
    others = (0, *range(2, x.ndim))
    return _bounds(call, channels, (_shaped(weight, by_channel), _shaped(bias, by_channel)), others, layer.eps, fixed)


def of_group_norm(layer: Module, call: Call) -> Bounds:
    """Over each group of channels of each sample."""
    assert isinstance(layer, layers.GroupNorm)
    x = call.inputs[0]
    groups = (1, len(x) * layer.num_groups, math.prod(x.shape[1:]) // layer.num_groups)
    by_channel = (x.shape[1], *(1,) * (x.ndim - 2))
    affine = (_shaped(_value(layer.weight), by_channel), _shaped(_value(layer.bias), by_channel))
    return _bounds(call, groups, affine, (0, *range(2, x.ndim)), layer.eps)


def of_layer_norm(layer: Module, call: Call) -> Bounds:
    """Over the last axes."""
    assert isinstance(layer, layers.LayerNorm)
    x = call.inputs[0]
    values = math.prod(layer.normalized_shape)
    others = tuple(range(x.ndim - len(layer.normalized_shape)))
    return _bounds(call, (1, x.size // values, values), (_value(layer.weight), _value(layer.bias)), others, layer.eps)


def _bounds(
    call: Call,
    view: tuple[int, int, int],
    affine: tuple[Host | None, Host | None],
    others: tuple[int, ...],
    eps: float,
    fixed: tuple[Any, Any] | None = None,
) -> Bounds:
    """Bounds of y = (x - mean) * inv_std * weight + bias.

    Args:
        view: the shape of x in which each place of the middle axis has a mean of its own.
        affine: weight and bias, broadcastable to x, or None.
        others: the axes of x over which the gradients of weight and bias are summed.
        eps: added to the variance.
        fixed: mean and variance that are not x's own.
    """
    assert call.grads is not None
    x, grad_y, grad_x = call.inputs[0], call.grads[0], call.grad_inputs[0]
    weight, bias = affine
    weights = np.abs(np.broadcast_to(1.0 if weight is None else weight, x.shape))
    values = x.reshape(view)
    if fixed is None:
        terms = _summed(view[0] * view[2])
        mean, size = _means(values), _means(np.abs(values))
        variance = _means(np.square(values - mean))
    else:
        terms = 1.0
        mean, variance = (np.asarray(statistic)[:, None] for statistic in fixed)
        size = np.abs(mean)
    inv_std = 1 / np.sqrt(variance + eps)
    normalised = np.abs(values - mean) * inv_std
    # The mean rounds relative to what it sums, which the difference from it keeps, however small that is.
    rounded = (np.abs(values) + size) * inv_std
    # Where the mean is large next to the deviation, the variance has lost as many digits.
    lost = 1 + size * inv_std
    y_bound = weights * (rounded + normalised * lost).reshape(x.shape) + (0.0 if bias is None else np.abs(bias))
    if fixed is None:
        grad = (np.abs(grad_y) * weights).reshape(view)
        through = grad + _means(grad) + rounded * _means(grad * rounded)
        exact = grad + _means(grad) + normalised * _means(grad * normalised)
        x_bound = growth(terms) * 3 * (inv_std * (through + lost * exact)).reshape(x.shape)
    else:
        x_bound = AROUND * np.abs(grad_x)
    parameters = growth(_summed(x.size / max(1, math.prod(_kept(x.shape, others)))))
    magnitude = np.abs(grad_y)
    weight_bound = (magnitude * (rounded + normalised * lost).reshape(x.shape)).sum(axis=others)
    # The statistics' own rounding is the same for all terms of the sum, and adds up in it.
    return Bounds(
        (growth(terms) * y_bound,),
        (x_bound,),
        {
            "weight": (parameters + growth(terms)) * weight_bound,
            "bias": parameters * magnitude.sum(axis=others),
        },
    )


def _summed(count: float) -> float:
    """Additions that one term goes through."""
    return count / PARTIAL_SUMS + math.log2(PARTIAL_SUMS)


def _means(values: Host) -> Host:
    """(A, places, B) to (1, places, 1)."""
    return np.asarray(values.mean(axis=(0, 2), keepdims=True))


def _kept(shape: tuple[int, ...], others: tuple[int, ...]) -> list[int]:
    return [length for axis, length in enumerate(shape) if axis not in others]


def _value(parameter: Any) -> Any:
    return None if parameter is None else parameter.value


def _shaped(value: Any, shape: tuple[int, ...]) -> Any:
    return None if value is None else value.reshape(shape)
