"""What `gradient_check` can check, in one form: named float64 arrays in, arrays out, and gradients.

A net and a loss look alike from here. Every evaluation starts from the same state.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np

from gpunet.backends import Backend
from gpunet.backends.select import backend_of
from gpunet.errors import ShapeError
from gpunet.layers.module import Module
from gpunet.state import Array

Arrays = dict[str, Array]


class Differentiable(Protocol):
    """A function of named arrays with a gradient of its own.

    Attributes:
        label: how messages call it.
        backend: of its arrays.
        values: what it is a function of, float64.
        parameters: names of those whose gradients add up over several passes.
    """

    label: str
    backend: Backend
    values: Arrays
    parameters: frozenset[str]

    def outputs(self, changed: Mapping[str, Array]) -> tuple[Array, ...]:
        """What comes out when the values in ``changed`` replace those of the same names."""
        ...

    def gradients(self, grads: tuple[Array, ...], passes: int = 1) -> dict[str, Array | None]:
        """The sum over ``passes`` of the gradients by name; None for a parameter that got none.

        Args:
            grads: gradient of each output.
            passes: forward and backward passes whose gradients add up, for parameters; inputs have those of the last.
        """
        ...


class DifferentiableModule:
    """A float64 copy of a net over given inputs, with all parameters trainable; the net itself is not touched."""

    def __init__(self, net: Module, inputs: tuple[Array, ...], training: bool) -> None:
        self.net = copy.deepcopy(net).astype("float64")
        self.label = net.label
        self.backend = self.net.backend
        self.training = training
        self._parameters = dict(self.net.named_parameters())
        self.parameters = frozenset(self._parameters)
        alone = len(inputs) == 1 and "input" not in self.parameters
        names = ["input"] if alone else [f"input {index}" for index in range(len(inputs))]
        self._inputs = {name: float64_copy(self.backend, x) for name, x in zip(names, inputs, strict=True)}
        for parameter in self._parameters.values():
            parameter.trainable = True
        self._buffers = [(buffer, buffer.value.copy()) for _, buffer in self.net.named_buffers()]
        self.values: Arrays = {**self._inputs, **{name: p.value for name, p in self._parameters.items()}}

    def outputs(self, changed: Mapping[str, Array]) -> tuple[Array, ...]:
        """See `Differentiable.outputs`."""
        return self._forward(changed, keep=False)

    def gradients(self, grads: tuple[Array, ...], passes: int = 1) -> dict[str, Array | None]:
        """See `Differentiable.gradients`."""
        self.net.zero_grad()
        grad_inputs: Any = ()
        for _ in range(passes):
            self._forward({}, keep=True)
            grad_inputs = self.net.backward(*grads)
        as_tuple = grad_inputs if isinstance(grad_inputs, tuple) else (grad_inputs,)
        found: dict[str, Array | None] = dict(zip(self._inputs, as_tuple, strict=True))
        return found | {name: parameter.grad for name, parameter in self._parameters.items()}

    def _forward(self, changed: Mapping[str, Array], keep: bool) -> tuple[Array, ...]:
        for name, parameter in self._parameters.items():
            parameter.value = changed.get(name, self.values[name])
        for buffer, value in self._buffers:
            buffer.value = value.copy()  # a layer may also write into it
        self.net.set_random_position(seed=0)
        inputs = [changed.get(name, x) for name, x in self._inputs.items()]
        y = self.net.forward(*inputs, training=self.training, keep=keep)
        return y if isinstance(y, tuple) else (y,)


class DifferentiableLoss:
    """A loss as a function of its predictions."""

    def __init__(self, loss: Callable[..., Any], inputs: tuple[Array, ...]) -> None:
        self.label = type(loss).__name__ if not hasattr(loss, "__name__") else str(loss.__name__)
        if len(inputs) != 2:
            raise ShapeError(
                f"gradient_check of {self.label}: got {len(inputs)} arrays, wanted predictions and targets."
            )
        self.loss = loss
        self.backend = backend_of(*inputs)
        self.values: Arrays = {"predictions": float64_copy(self.backend, inputs[0])}
        self.parameters: frozenset[str] = frozenset()
        is_float = np.dtype(inputs[1].dtype).kind == "f"
        self._targets = float64_copy(self.backend, inputs[1]) if is_float else inputs[1]

    def outputs(self, changed: Mapping[str, Array]) -> tuple[Array, ...]:
        """See `Differentiable.outputs`."""
        value, _ = self.loss(changed.get("predictions", self.values["predictions"]), self._targets)
        return (self.backend.asarray(value),)

    def gradients(self, grads: tuple[Array, ...], passes: int = 1) -> dict[str, Array | None]:
        """See `Differentiable.gradients`; a loss knows the gradient of its sum only, so that of one is taken."""
        _, grad = self.loss(self.values["predictions"], self._targets)
        if tuple(grad.shape) != tuple(self.values["predictions"].shape):
            raise ShapeError(
                f"{self.label}: the gradient has shape {tuple(grad.shape)}, wanted that of the predictions, "
                f"{tuple(self.values['predictions'].shape)}."
            )
        return {"predictions": grad}


def float64_copy(backend: Backend, array: Array) -> Array:
    """A float64 copy on ``backend``, which nobody else can write to."""
    return backend.asarray(array, "float64").copy()
