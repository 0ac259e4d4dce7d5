"""What every module of a net was given and gave back in one forward and one backward."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpunet.backends import Backend
from gpunet.errors import StateError
from gpunet.layers.module import Module
from gpunet.layers.observation import Event
from gpunet.state import Parameter

Host = NDArray[Any]


@dataclass
class Call:
    """One module's forward and backward; all arrays are copies on the host.

    Attributes:
        inputs, outputs: of the forward.
        training: whether that was the training pass.
        grads: gradients of the outputs, or None before the backward.
        grad_inputs: gradients of the inputs.
        grad_parameters: gradient by name of the module's own parameters, those of its children left out; None for one
            that got none.
        handed, handed_back: by path of a child, what the module gave to the child's forward and backward.
        received, received_back: by path of a child, what the module got from them; noted by `Guided` alone.
    """

    inputs: tuple[Host, ...]
    outputs: tuple[Host, ...]
    training: bool = True
    grads: tuple[Host, ...] | None = None
    grad_inputs: tuple[Host, ...] = ()
    grad_parameters: dict[str, Host | None] = field(default_factory=dict)
    handed: dict[str, tuple[Host, ...]] = field(default_factory=dict)
    handed_back: dict[str, tuple[Host, ...]] = field(default_factory=dict)
    received: dict[str, tuple[Host, ...]] = field(default_factory=dict)
    received_back: dict[str, tuple[Host, ...]] = field(default_factory=dict)


Calls = dict[str, Call]


def own_parameters(module: Module) -> dict[str, Parameter]:
    """The module's parameters that are not those of a module below it, by name."""
    below = {id(parameter) for _, child in module.children() for parameter in child.parameters()}
    return {name: parameter for name, parameter in module.named_parameters() if id(parameter) not in below}


def record(net: Module, inputs: Sequence[Host], grads: Callable[..., Sequence[Host]], training: bool) -> Calls:
    """Run ``net`` forward and backward and note each module's part, by path.

    Args:
        net: gathers gradients; a copy that nobody else needs.
        inputs: on the host.
        grads: called with the shapes of the outputs; returns the gradients of the outputs.
        training: the training pass; False: inference, differentiated.

    Raises:
        StateError: a module computed twice in one pass.
    """
    calls: Calls = {}
    running: list[str] = []

    def observe(event: Event) -> None:
        if event.stage == "before":
            if event.direction == "backward":
                _forget_gradients(event.module)
            elif event.name in calls:
                raise StateError(f"{event.module.label} computed twice in one pass. Use two layers with one Parameter.")
            _hand_over(calls, running, event)
            running.append(event.name)
            return
        running.pop()
        outputs = on_host(net.backend, event.outputs)
        call = calls[event.name]
        if event.direction == "forward":
            call.outputs = outputs
        else:
            call.grad_inputs, call.grad_parameters = outputs, _gradients(event.module)

    def _hand_over(calls: Calls, running: list[str], event: Event) -> None:
        given = on_host(net.backend, event.inputs)
        if event.direction == "forward":
            calls[event.name] = Call(given, (), training)
        else:
            calls[event.name].grads = given
        if running:
            caller = calls[running[-1]]
            (caller.handed if event.direction == "forward" else caller.handed_back)[event.name] = given

    with net.observe(observe):
        y = net.forward(*(on_device(net.backend, x) for x in inputs), training=training, keep=True)
        shapes = [tuple(output.shape) for output in (y if isinstance(y, tuple) else (y,))]
        net.backward(*(on_device(net.backend, grad) for grad in grads(*shapes)))
    return calls


class Guided:
    """Runs a net so that each module works on what was recorded, whatever the modules before it make.

    Every module is given the recorded inputs and gradients, and what goes on from it is the recorded result: so the
    difference between its own result and the recorded one is its own work and nobody else's.

    Args:
        net: a net of the recorded structure, on any backend and of any dtype; used up by this.
        recorded: from `record`.
        dtype: the net's.
        finished: called with path, module and what the module made by itself, after its backward; a module that has
            no backward, at the end.
    """

    def __init__(
        self, net: Module, recorded: Mapping[str, Call], dtype: Any, finished: Callable[[str, Module, Call], None]
    ) -> None:
        self.net, self.recorded, self.dtype, self.finished = net, recorded, dtype, finished
        self._running: list[str] = []
        self._calls: Calls = {}
        for name, module in net.named_modules():
            # On the object, before the class's own: containers reach their children by these names.
            setattr(module, "forward", self._forward(name, module))  # noqa: B010 - for the type checker
            setattr(module, "backward", self._backward(name, module))  # noqa: B010

    def run(self, training: bool) -> None:
        """One forward and one backward."""
        top = self.recorded[""]
        self.net.forward(*self._placed(top.inputs), training=training, keep=True)
        self.net.backward(*self._placed(top.grads or ()))
        for name, module in self.net.named_modules():
            if name in self._calls:
                self.finished(name, module, self._calls.pop(name))

    def _forward(self, name: str, module: Module) -> Callable[..., Any]:
        def forward(*inputs: Any, training: bool = False, keep: bool | None = None) -> Any:
            record = self._record(name, module)
            if inputs and len(inputs[0]) == 0 < len(record.inputs[0]):  # only `output_shape` asks with an empty batch
                return type(module).forward(module, *inputs, training=training, keep=keep)
            if self._running:
                caller = self._calls[self._running[-1]]
                caller.handed[name] = on_host(self.net.backend, inputs)
                caller.received[name] = record.outputs
            self._calls[name] = Call(self._converted(record.inputs), (), training)
            self._running.append(name)
            outputs = type(module).forward(module, *self._placed(record.inputs), training=training, keep=keep)
            self._running.pop()
            as_tuple = outputs if isinstance(outputs, tuple) else (outputs,)
            self._calls[name].outputs = on_host(self.net.backend, as_tuple)
            return self._replayed(record.outputs, outputs)

        return forward

    def _backward(self, name: str, module: Module) -> Callable[..., Any]:
        def backward(*grads: Any, inputs: bool = True) -> Any:  # noqa: ARG001 - all gradients are recorded
            record, call = self._record(name, module), self._calls[name]
            if self._running:
                caller = self._calls[self._running[-1]]
                caller.handed_back[name] = on_host(self.net.backend, grads)
                caller.received_back[name] = record.grad_inputs
            call.grads = self._converted(record.grads or ())
            _forget_gradients(module)
            self._running.append(name)
            outputs = type(module).backward(module, *self._placed(record.grads or ()))
            self._running.pop()
            as_tuple = outputs if isinstance(outputs, tuple) else (outputs,)
            call.grad_inputs = on_host(self.net.backend, as_tuple)
            call.grad_parameters = _gradients(module)
            self.finished(name, module, self._calls.pop(name))
            return self._replayed(record.grad_inputs, outputs)

        return backward

    def _record(self, name: str, module: Module) -> Call:
        if name not in self.recorded:
            raise StateError(f"{type(module).__name__} '{name}' computes on one backend and not on the other.")
        return self.recorded[name]

    def _converted(self, arrays: Sequence[Host]) -> tuple[Host, ...]:
        return tuple(array.astype(self.dtype) for array in arrays)

    def _placed(self, arrays: Sequence[Host]) -> tuple[Any, ...]:
        return tuple(on_device(self.net.backend, array, self.dtype) for array in arrays)

    def _replayed(self, arrays: Sequence[Host], like: Any) -> Any:
        placed = self._placed(arrays)
        return placed if isinstance(like, tuple) else placed[0]


def on_host(backend: Backend, arrays: Sequence[Any]) -> tuple[Host, ...]:
    """Copies on the host."""
    return tuple(np.array(backend.to_numpy(array)) for array in arrays)


def on_device(backend: Backend, array: Host, dtype: Any = None) -> Any:
    """A copy on ``backend``: a kernel that writes into its input must not change what was recorded."""
    return backend.asarray(np.array(array, dtype))


def _forget_gradients(module: Module) -> None:
    for parameter in own_parameters(module).values():
        parameter.grad = None


def _gradients(module: Module) -> dict[str, Host | None]:
    backend = module.backend
    return {
        name: None if parameter.grad is None else on_host(backend, [parameter.grad])[0]
        for name, parameter in own_parameters(module).items()
    }
