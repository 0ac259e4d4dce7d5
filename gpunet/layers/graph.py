"""Modules wired by the names of the values between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gpunet.errors import DataError, ShapeError, StateError
from gpunet.layers import chain, graph_order
from gpunet.layers.context import Context, Shape
from gpunet.layers.module import Module
from gpunet.state import Array

__all__ = ["Graph", "GraphNode", "HostNode"]


@dataclass(frozen=True)
class GraphNode:
    """One module of a `Graph` and the values that it is given and makes.

    Attributes:
        name: of the module in the graph; no two are equal.
        module: computes the outputs.
        inputs: names of the arrays given to ``module.forward``.
        outputs: names of what it returns; an empty one is dropped.
        settings: names of values on the host (see `HostNode`) given to ``module.set_settings`` before each forward.
        source: what the importer that made the node wants to remember, for writing it again.
    """

    name: str
    module: Module
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    settings: tuple[str, ...] = ()
    source: Any = None


@dataclass(frozen=True)
class HostNode:
    """Small numbers computed on the host with NumPy, such as sizes that a later module needs; no gradient passes.

    Attributes:
        name: for messages.
        function: from the shapes and the values to a tuple of arrays.
        shapes_of: names of the arrays whose shapes are given, as int64 arrays.
        inputs: names of values on the host that are given after them.
        outputs: names of what it returns.
        source: see `GraphNode`.
    """

    name: str
    function: Callable[..., tuple[np.ndarray, ...]]
    shapes_of: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    source: Any = None


class Graph(Module):
    """Modules wired to any graph without circles: several inputs, several outputs, values used more than once.

    Where a value feeds several modules, their gradients add. Neighbours with nothing between them are computed together
    where one primitive can, as in `Sequential`. Modules that neither hold trainable parameters nor stand above some are
    left out of a backward pass whose input gradients nobody wants.

    Args:
        inputs: names of the inputs, in the order of the arguments of ``forward``.
        nodes: in any order.
        outputs: names of the values to return, a tuple if there are several.
        source: what the importer that made the graph wants to remember, for writing it again.
        input_shapes: for each input a shape with the batch, None for sizes that may be any; None checks nothing.

    Raises:
        StateError: a name is made twice or by nobody, or modules wait for each other in a circle.
    """

    def __init__(
        self,
        inputs: Sequence[str],
        nodes: Sequence[GraphNode | HostNode],
        outputs: Sequence[str],
        source: Any = None,
        input_shapes: Sequence[Sequence[int | None] | None] | None = None,
    ) -> None:
        self.input_names = tuple(inputs)
        self.declared_shapes = [None] * len(self.input_names) if input_shapes is None else list(input_shapes)
        self.output_names = tuple(outputs)
        self.source = source
        self._wire(nodes)

    def _wire(self, nodes: Sequence[GraphNode | HostNode]) -> None:
        if not self.output_names:
            raise StateError("Graph: there is no output. Name at least one value that a node makes.")
        self.nodes = graph_order.ordered(self.input_names, nodes, self.output_names)
        self._groups = graph_order.groups(self.nodes, self.output_names)
        self._last_uses = graph_order.last_uses(self._groups, self.output_names)

    def _held(self) -> Iterator[tuple[str, Any]]:
        """The modules of the nodes under the nodes' names, so that keys are <node>.<parameter>."""
        return ((node.name, node.module) for node in self.nodes if isinstance(node, GraphNode))

    def __getitem__(self, name: str) -> Module:
        """The module of a node."""
        for node in self.nodes:
            if isinstance(node, GraphNode) and node.name == name:
                return node.module
        known = ", ".join(name for name, _ in self.children())
        raise DataError(f"Graph: there is no node {name!r}. There are {known}.")

    def replace(self, name: str, module: Module) -> None:
        """Put another module into a node: a new last layer for other classes, for example.

        Args:
            name: of the node.
            module: takes as many arrays as the old one.

        Raises:
            DataError: there is no such node.
        """
        self[name]  # says what there is
        self._wire(
            [
                replace(node, module=module, settings=(), source=None)
                if isinstance(node, GraphNode) and node.name == name
                else node
                for node in self.nodes
            ]
        )
        module.to(self.backend)

    # ------------------------------------------------------ forward, backward

    def compute(self, context: Context, *inputs: Array) -> Any:
        """Each node in order; a value is let go after its last use."""
        if len(inputs) != len(self.input_names):
            wanted = ", ".join(self.input_names)
            raise ShapeError(f"got {len(inputs)} inputs, wanted {len(self.input_names)}: {wanted}.")
        for name, x, declared in zip(self.input_names, inputs, self.declared_shapes, strict=True):
            _check_declared(name, tuple(x.shape), declared)
        arrays = dict(zip(self.input_names, inputs, strict=True))
        hosted: dict[str, np.ndarray] = {}
        kept: list[Any] = []
        for group, uses in zip(self._groups, self._last_uses, strict=True):
            kept.append(self._run(context, group, arrays, hosted))
            for name in uses:
                arrays.pop(name, None)
        outputs = tuple(self._output(name, arrays, hosted) for name in self.output_names)
        context.save(kept, {name: (y.shape, y.dtype) for name, y in zip(self.output_names, outputs, strict=True)})
        return outputs if len(outputs) > 1 else outputs[0]

    def _run(self, context: Context, group: Any, arrays: dict[str, Array], hosted: dict[str, np.ndarray]) -> Any:
        first = group[0]
        if isinstance(first, HostNode):
            shapes = [np.array(arrays[name].shape, np.int64) for name in first.shapes_of]
            made = first.function(*shapes, *(hosted[name] for name in first.inputs))
            hosted.update(zip(first.outputs, made, strict=True))
            return None
        if len(group) > 1:
            y, steps = chain.forward(context, [node.module for node in group], arrays[first.inputs[0]])
            arrays[group[-1].outputs[0]] = y
            return steps if context.keep else None
        if first.settings:
            first.module.set_settings(tuple(hosted[name] for name in first.settings))
        made = context.run(first.module, *(arrays[name] for name in first.inputs))
        as_tuple = made if isinstance(made, tuple) else (made,)
        if len(as_tuple) < len(first.outputs):
            raise ShapeError(f"node {first.name!r} returned {len(as_tuple)} values, wanted {len(first.outputs)}.")
        arrays.update((name, y) for name, y in zip(first.outputs, as_tuple, strict=False) if name)
        # Zeros stand for the gradient of an output that nobody used; shapes are enough to make them.
        return [(y.shape, y.dtype) for y in as_tuple] if context.keep else None

    def _output(self, name: str, arrays: Mapping[str, Array], hosted: Mapping[str, np.ndarray]) -> Array:
        return arrays[name] if name in arrays else self.backend.asarray(hosted[name])

    def differentiate(self, context: Context, *grads: Array) -> Any:
        """The nodes reversed. A value's gradient is the sum of what those that used it send back."""
        kept, outputs = context.saved
        sums: dict[str, Array] = {}
        for name, grad in zip(self.output_names, grads, strict=True):
            if outputs[name][1].kind == "f":  # numbers of elements have no gradient
                _add(sums, name, grad)
        wanted = self._differentiable(context.input_grads)
        for group, memory in zip(reversed(self._groups), reversed(kept), strict=True):
            self._send_back(group, memory, sums, wanted)
        if not context.input_grads:
            return None
        xp = self.backend.xp
        found = [
            sums[name] if name in sums else xp.zeros(shape, dtype)
            for name, shape, dtype in zip(self.input_names, context.input_shapes, context.input_dtypes, strict=True)
        ]
        return tuple(found) if len(found) > 1 else found[0]

    def _send_back(self, group: Any, memory: Any, sums: dict[str, Array], wanted: set[str]) -> None:
        first, last = group[0], group[-1]
        if isinstance(first, HostNode):
            return
        if not any(name in sums for name in last.outputs):
            _drop(group)
            return
        upward = [name in wanted for name in first.inputs]
        if not any(name in wanted for name in last.outputs):
            for name in last.outputs:
                sums.pop(name, None)
            _drop(group)
            return
        if len(group) > 1:
            grad = _through(memory, sums.pop(last.outputs[0]), upward[0])
            if upward[0]:
                _add(sums, first.inputs[0], grad)
            return
        names = [*first.outputs, *("" for _ in memory[len(first.outputs) :])]
        zeros = self.backend.xp.zeros
        grads = [
            sums.pop(name) if name in sums else zeros(shape, dtype)
            for name, (shape, dtype) in zip(names, memory, strict=True)
        ]
        found = first.module.backward(*grads, inputs=any(upward))
        if not any(upward):
            return
        for name, grad, goes in zip(first.inputs, found if isinstance(found, tuple) else (found,), upward, strict=True):
            if goes:
                _add(sums, name, grad)

    def _differentiable(self, input_grads: bool) -> set[str]:
        """The values whose gradients lead to a trainable parameter, or to an input if that is wanted."""
        wanted = set(self.input_names if input_grads else ())
        for node in self.nodes:
            if isinstance(node, GraphNode) and (
                any(name in wanted for name in node.inputs)
                or any(parameter.trainable for parameter in node.module.parameters())
            ):
                wanted.update(node.outputs)
        return wanted

    def describe(self) -> str:
        """Inputs and outputs."""
        return f"{', '.join(self.input_names)} -> {', '.join(self.output_names)}"

    def operations(self, input_shape: Shape, output_shape: Shape) -> int:
        """None of its own."""
        return 0


def _check_declared(name: str, shape: Shape, declared: Sequence[int | None] | None) -> None:
    """An input against its declared shape, the batch aside."""
    if declared is None:
        return
    fits = len(shape) == len(declared) and all(
        wanted in (None, got) for got, wanted in zip(shape[1:], declared[1:], strict=True)
    )
    if not fits:
        wanted = ", ".join("any" if size is None else str(size) for size in ("batch", *declared[1:]))
        raise ShapeError(f"the input {name!r} has shape {shape}, wanted ({wanted}).")


def _add(sums: dict[str, Array], name: str, grad: Array) -> None:
    sums[name] = sums[name] + grad if name in sums else grad


def _through(steps: list[chain.Step], grad: Array, upward: bool) -> Any:
    """Back through neighbours, to the first that learns; to the very first if the gradient of its input is wanted."""
    learns = [any(p.trainable for layer in step.layers for p in layer.parameters()) for step in steps]
    first = 0 if upward else learns.index(True)
    result: Any = chain.backward(steps[first:], grad, inputs=upward)
    for step in steps[:first]:
        step.context.saved = ()
        for layer in step.layers:
            _let_go(layer)
    return result


def _let_go(net: Module) -> None:
    for _, module in net.named_modules():
        module._context = None


def _drop(group: Any) -> None:
    """Let go what the modules kept: no gradient comes here."""
    for node in group:
        _let_go(node.module)
