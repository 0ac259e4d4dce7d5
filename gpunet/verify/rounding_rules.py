"""The expected rounding of each kind of layer: the terms that it sums, and the magnitudes that it rounds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gpunet import layers
from gpunet.layers.module import Module
from gpunet.verify.normalization_rounding import of_batch_norm, of_group_norm, of_layer_norm
from gpunet.verify.recording import Call
from gpunet.verify.rounding import AROUND, Bounds, Rule, growth, magnitudes, nothing, of_unknown, scaled


def _conv2d(layer: Module, call: Call) -> Bounds:
    assert isinstance(layer, layers.Conv2d)
    area, groups = layer.window.area, layer.groups
    places = _places(call.outputs[0].shape)
    return _products(layer, call, layer.in_channels // groups * area + 1, layer.out_channels // groups * area, places)


def _conv_transpose2d(layer: Module, call: Call) -> Bounds:
    assert isinstance(layer, layers.ConvTranspose2d)
    area, groups = layer.window.area, layer.groups
    places = _places(call.outputs[0].shape)  # the bias sums over these, a weight over fewer
    return _products(layer, call, layer.in_channels // groups * area + 1, layer.out_channels // groups * area, places)


def _linear(layer: Module, call: Call) -> Bounds:
    assert isinstance(layer, layers.Linear)
    rows = math.prod(call.inputs[0].shape[:-1])
    return _products(layer, call, layer.in_features + 1, layer.out_features, rows)


def _products(layer: Module, call: Call, forward: int, backward: int, parameters: int) -> Bounds:
    """Sums of so many products of x with parameters, of gradients with parameters, and of gradients with x."""
    sums = magnitudes(layer, call, inputs=[np.abs(x) for x in call.inputs], absolute=True)
    return Bounds(
        scaled(sums.outputs, growth(forward)),
        scaled(sums.grad_inputs, growth(backward)),
        {name: growth(parameters) * total for name, total in sums.grad_parameters.items() if total is not None},
    )


def _average(layer: Module, call: Call) -> Bounds:
    """Weights of 0 and more: a mean sums a window or less, an input gathers from all windows over it or less."""
    rows_and_columns = sum(call.inputs[0].shape[2:]) + sum(call.outputs[0].shape[2:])
    terms = layer.window.area if isinstance(layer, layers.AvgPool2d) else rows_and_columns
    sums = magnitudes(layer, call, inputs=[np.abs(x) for x in call.inputs], absolute=False)
    return Bounds(scaled(sums.outputs, growth(terms)), scaled(sums.grad_inputs, growth(terms)))


def _upsample(layer: Module, call: Call) -> Bounds:
    """Copies, or sums of few terms whose weights are rounded themselves, so that even one of 0 may count."""
    assert isinstance(layer, layers.Upsample)
    sums = magnitudes(layer, call, inputs=[np.abs(x) for x in call.inputs], absolute=False)
    terms = sum(call.outputs[0].shape[2:])
    if layer.mode == "nearest":
        outputs = nothing(call.outputs)
    else:
        outputs = tuple(np.full(y.shape, growth(4) * float(np.abs(call.inputs[0]).max())) for y in call.outputs)
    return Bounds(outputs, scaled(sums.grad_inputs, growth(terms)))


def _exact(_: Module, call: Call) -> Bounds:
    """Copies and choices: nothing is rounded."""
    return Bounds(nothing(call.outputs), nothing(call.grad_inputs))


def _max_pool2d(layer: Module, call: Call) -> Bounds:
    """The choice is exact; where windows overlap, gradients add."""
    assert isinstance(layer, layers.MaxPool2d)
    if not layer.window.overlaps:
        return _exact(layer, call)
    sums = magnitudes(layer, call, inputs=call.inputs, absolute=False)
    return Bounds(nothing(call.outputs), scaled(sums.grad_inputs, growth(layer.window.area)))


def _one_product(layer: Module, call: Call) -> Bounds:
    """Each element is multiplied by a number, which is rounded itself, or copied."""
    bounds = Bounds(scaled(call.outputs, AROUND), scaled(call.grad_inputs, AROUND))
    if isinstance(layer, layers.PReLU):
        sums = magnitudes(layer, call, inputs=call.inputs, absolute=False)
        bounds.grad_parameters = {
            name: growth(call.inputs[0].size) * total
            for name, total in sums.grad_parameters.items()
            if total is not None
        }
    return bounds


def _smooth(_: Module, call: Call) -> Bounds:
    """Activations made of a few library functions; where these near a limit, their differences from it round."""
    x, y, grad_y, grad_x = _arrays(call)
    return Bounds(
        (2 * AROUND * (np.abs(x) + np.abs(y)),), (2 * AROUND * (np.abs(grad_x) + np.abs(grad_y) * (1 + np.abs(x))),)
    )


def _softmax(layer: Module, call: Call) -> Bounds:
    """exp(x - max) is relative to the rounding of its argument, which is relative to the distance from the maximum."""
    assert isinstance(layer, layers.Softmax)
    x, y, grad_y, _ = _arrays(call)
    axis = layer.dim
    distance = x.max(axis=axis, keepdims=True) - x
    roundings = growth(x.shape[axis]) + 2 * distance
    worst = roundings.max(axis=axis, keepdims=True)
    return Bounds(
        (roundings * y,), (2 * worst * y * (np.abs(grad_y) + (np.abs(grad_y) * y).sum(axis=axis, keepdims=True)),)
    )


def _log_softmax(layer: Module, call: Call) -> Bounds:
    """As in softmax, but the rounding is absolute: a logarithm near 0 has that of the number 1."""
    assert isinstance(layer, layers.LogSoftmax)
    x, y, grad_y, _ = _arrays(call)
    axis = layer.dim
    distance = x.max(axis=axis, keepdims=True) - x
    roundings = growth(x.shape[axis]) + 2 * distance + 2 * np.abs(y)
    sums = np.abs(grad_y).sum(axis=axis, keepdims=True)
    return Bounds((roundings,), (roundings * (np.abs(grad_y) + np.exp(y) * sums),))


def _local_response_norm(layer: Module, call: Call) -> Bounds:
    """A sum of squares and a power; backward subtracts two numbers, neither larger than if nothing were divided."""
    assert isinstance(layer, layers.LocalResponseNorm)
    if layer.beta < 0 or layer.alpha < 0 or layer.k <= 0:
        return of_unknown(layer, call)
    _, y, grad_y, _ = _arrays(call)
    sums = magnitudes(layer, call, inputs=[np.abs(x) for x in call.inputs], absolute=False)
    roundings = growth(layer.size) * (2 + layer.beta)
    undivided = 2 * layer.k**-layer.beta * np.abs(grad_y)
    return Bounds((roundings * np.abs(y),), (roundings * (undivided + sums.grad_inputs[0]),))


def _arrays(call: Call) -> tuple[Any, Any, Any, Any]:
    """x, y, grad_y and grad_x of a layer with one input and one output."""
    assert call.grads is not None
    return call.inputs[0], call.outputs[0], call.grads[0], call.grad_inputs[0]


def _places(shape: tuple[int, ...]) -> int:
    """Images times rows times columns."""
    return shape[0] * math.prod(shape[2:])


RULES: dict[type[Module], Rule] = {
    layers.Conv2d: _conv2d,
    layers.ConvTranspose2d: _conv_transpose2d,
    layers.Linear: _linear,
    layers.AvgPool2d: _average,
    layers.AdaptiveAvgPool2d: _average,
    layers.Upsample: _upsample,
    layers.MaxPool2d: _max_pool2d,
    layers.GlobalMaxPool2d: _exact,
    layers.ReLU: _exact,
    layers.ReLU6: _exact,
    layers.Flatten: _exact,
    layers.Identity: _exact,
    layers.Dropout: _one_product,
    layers.Hardtanh: _one_product,  # a limit such as 0.1 is rounded
    layers.LeakyReLU: _one_product,
    layers.PReLU: _one_product,
    layers.ELU: _smooth,
    layers.GELU: _smooth,
    layers.Hardswish: _smooth,
    layers.SiLU: _smooth,
    layers.Sigmoid: _smooth,
    layers.Tanh: _smooth,
    layers.Softmax: _softmax,
    layers.LogSoftmax: _log_softmax,
    layers.BatchNorm1d: of_batch_norm,
    layers.BatchNorm2d: of_batch_norm,
    layers.GroupNorm: of_group_norm,
    layers.LayerNorm: of_layer_norm,
    layers.LocalResponseNorm: _local_response_norm,
}
