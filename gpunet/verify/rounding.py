"""How far rounding alone may take a layer's results from the exact ones.

A bound is a product: how many roundings may add up, times the magnitudes that they round; times half an epsilon of the
dtype it is a distance. Magnitudes come from the layer itself, run in float64 on absolute values: for a convolution they
are the sums of ``abs(x) * abs(weight)``, which do not cancel where the result does.

The rounding errors of a sum of n terms are about as often up as down, so they grow like the square root of n. With
`DEVIATIONS` times that root a larger error is as good as impossible, however the terms are ordered; n itself is the
bound that nothing exceeds. What an operation gets wrong by less than that cannot be told from rounding.

Source: Higham and Mary 2019, "A new approach to probabilistic rounding error analysis", SIAM Journal on Scientific
Computing 41.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from gpunet.layers.module import Module
from gpunet.verify.recording import Call, Host, own_parameters

DEVIATIONS = 4.0
AROUND = 8.0  # roundings of the few operations around a sum, each by up to four units in the last place on a device


@dataclass
class Bounds:
    """Like the arrays of a `Call`, in roundings times magnitude; 0 demands equality.

    Attributes:
        outputs, grad_inputs: one for each array.
        grad_parameters: by name.
        handed, handed_back: by path of the child.
    """

    outputs: tuple[Host, ...]
    grad_inputs: tuple[Host, ...]
    grad_parameters: dict[str, Host] = field(default_factory=dict)
    handed: dict[str, tuple[Host, ...]] = field(default_factory=dict)
    handed_back: dict[str, tuple[Host, ...]] = field(default_factory=dict)


# A layer in float64 on NumPy, nobody else's, and what it made, in float64.
Rule = Callable[[Module, Call], Bounds]


def growth(terms: float) -> float:
    """Roundings that add up in a sum of so many terms, relative to the sum of their magnitudes."""
    return min(terms, DEVIATIONS * math.sqrt(terms)) + AROUND


def expected(rules: Mapping[type[Module], Rule], layer: Module, call: Call) -> Bounds:
    """The bounds of one layer.

    Args:
        rules: by class; one serves a subclass as long as that computes as the class does.
        layer: a copy in float64 on NumPy, nobody else's.
        call: what the layer made in float64 of what it was given.
    """
    if call.grads is None:  # nobody asked for a gradient; the rules need not know
        zeros = tuple(np.zeros_like(y) for y in call.outputs)
        call = replace(call, grads=zeros, grad_inputs=tuple(np.zeros_like(x) for x in call.inputs))
    for kind in type(layer).__mro__:
        same = all(getattr(layer, method).__func__ is getattr(kind, method, None) for method in _FORMULAS)
        if kind in rules and same:
            return rules[kind](layer, call)
    return of_unknown(layer, call)


_FORMULAS = ("compute", "differentiate")


def of_unknown(layer: Module, call: Call) -> Bounds:
    """Bounds for a layer of which nothing is known: as if each result summed all that there is of one sample.

    Relative to the largest magnitude among what goes in and what comes out, not to each element's own.
    """
    forward = (*call.inputs, *call.outputs, *_all(call.handed), *_all(call.received))
    backward = (*(call.grads or ()), *call.grad_inputs, *_all(call.handed_back), *_all(call.received_back))
    gradients = [gradient for gradient in call.grad_parameters.values() if gradient is not None]
    samples = max((len(x) for x in call.inputs), default=1) or 1
    terms = sum(array.size for array in call.inputs) / samples
    of_forward = growth(terms) * _largest(forward)
    of_backward = growth(terms) * _largest(backward)
    of_parameters = growth(sum(array.size for array in backward)) * _largest((*gradients, *(call.grads or ())))
    return Bounds(
        _filled(call.outputs, of_forward),
        _filled(call.grad_inputs, of_backward),
        {name: np.full(p.shape, of_parameters) for name, p in own_parameters(layer).items()},
        {name: _filled(arrays, of_forward) for name, arrays in call.handed.items()},
        {name: _filled(arrays, of_backward) for name, arrays in call.handed_back.items()},
    )


def magnitudes(layer: Module, call: Call, *, inputs: Sequence[Host], absolute: bool) -> Call:
    """What the layer makes of absolute gradients.

    Args:
        layer: used up by this.
        inputs: what it is given.
        absolute: take absolute values of its parameters too.
    """
    parameters = own_parameters(layer)
    for parameter in parameters.values():
        parameter.grad = None
        if absolute:
            parameter.value = np.abs(parameter.value)
    y = layer.forward(*inputs, training=True)
    grad_x = layer.backward(*(np.abs(grad) for grad in call.grads or ()))
    return Call(
        tuple(inputs),
        tuple(map(np.abs, y if isinstance(y, tuple) else (y,))),
        grad_inputs=tuple(map(np.abs, grad_x if isinstance(grad_x, tuple) else (grad_x,))),
        grad_parameters={
            name: np.zeros(p.shape) if p.grad is None else np.abs(p.grad) for name, p in parameters.items()
        },
    )


def nothing(arrays: Sequence[Host]) -> tuple[Host, ...]:
    """Bounds that demand equality."""
    return _filled(arrays, 0.0)


def scaled(arrays: Sequence[Host], factor: float) -> tuple[Host, ...]:
    """Bounds relative to each element's own magnitude."""
    return tuple(factor * np.abs(array) for array in arrays)


def _filled(arrays: Sequence[Host], value: float) -> tuple[Host, ...]:
    return tuple(np.full(array.shape, value) for array in arrays)


def _largest(arrays: Sequence[Host]) -> float:
    return max((float(np.abs(array[np.isfinite(array)]).max(initial=0.0)) for array in arrays), default=0.0)


def _all(arrays: Mapping[str, Sequence[Host]]) -> list[Host]:
    return [array for several in arrays.values() for array in several]
