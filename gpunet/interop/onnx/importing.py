"""From an ONNX model to a `Graph`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from gpunet import random
from gpunet.errors import DataError, GpunetError
from gpunet.interop.onnx import operators
from gpunet.interop.onnx.binding import held, put
from gpunet.interop.onnx.folding import folded, on_host
from gpunet.interop.onnx.host_functions import FUNCTIONS, of_shape
from gpunet.interop.onnx.naming import module_name
from gpunet.interop.onnx.node import Node, Value
from gpunet.interop.onnx.operand import Operation
from gpunet.interop.onnx.operators.comparisons import MASKS
from gpunet.interop.onnx.reading import check_model, read_model, run_checker
from gpunet.interop.onnx.registry import OPERATORS
from gpunet.interop.onnx.shapes_known import Known, declared_shape, known_shapes
from gpunet.interop.onnx.sorting import needed_in_order
from gpunet.interop.onnx.source import GraphSource, NodeSource, Reference
from gpunet.interop.onnx.tensors import element_type, to_array, type_name
from gpunet.layers.graph import Graph, GraphNode, HostNode
from gpunet.layers.module import Module
from gpunet.state import Parameter

__all__ = ["load", "operators"]

_BOOL = 9  # TensorProto.BOOL


def load(path_or_model: Any) -> Graph:
    """Import an ONNX model as a net that trains.

    Each node becomes a layer of ours or a module with a forward and a backward formula. Initializers of floating
    numbers become parameters (running statistics buffers), under the names that they have in the file where these are
    names such as ``conv1.weight``; ``parameter.trainable = False`` freezes one. Scalars and `Constant` nodes stay as
    they are. Half-precision weights become float32. What the nodes compute from sizes alone is computed on the host, so
    the batch may have any size if the graph was made for that.

    Args:
        path_or_model: a path, the bytes of a file, or an ``onnx.ModelProto``. External data is read only from the
            folder of the file.

    Returns:
        a `Graph` on the NumPy backend; ``to``, ``astype``, optimizers, checkpoints and `save` work as for any net.

    Raises:
        CheckpointError: the file is missing, cut off, or no ONNX.
        DataError: onnx is not installed, or a node, type or opset is not supported; the node is named.
        ShapeError: sizes that contradict each other, or that are too large to be meant.
    """
    model, label = read_model(path_or_model)
    try:
        return _Importer(model, label).graph()
    except GpunetError as error:
        if label not in str(error):
            error.args = (f"{label}: {error}",)
        raise


@dataclass
class _Importer:
    """One import.

    Attributes:
        model: a ModelProto with all data in it.
        label: how messages call it.
    """

    model: Any
    label: str
    opset: int = 0
    values: dict[str, Value] = field(default_factory=dict)
    nodes: list[GraphNode | HostNode] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)
    parameters: dict[Any, Parameter] = field(default_factory=dict)

    def graph(self) -> Graph:
        """The net."""
        graph = self.model.graph
        self.opset = check_model(self.model, self.label)
        if not graph.output:
            raise DataError(f"{self.label}: the graph has no output.")
        names = [output.name for output in graph.output]
        given = [tensor.name for tensor in graph.initializer]
        protos = needed_in_order(graph.node, [*(entry.name for entry in graph.input), *given], names, self.label)
        self._check_inputs(set(given))
        for proto in protos:
            self._require_known(proto)
        run_checker(self.model, self.label)
        shapes = known_shapes(self.model, self.label)
        inputs = self._start(shapes)
        with random.seeded(0):  # layers draw initial weights, which the file's replace: the user's stream stands still
            for proto in protos:
                self._add(proto, shapes)
        self._constants_that_are_outputs(names)
        declared = [self.values[name].shape for name in inputs]
        source = GraphSource(self.opset, int(self.model.ir_version))
        return Graph(inputs, self.nodes, names, source=source, input_shapes=declared)

    def _require_known(self, proto: Any) -> None:
        from onnx.defs import get_schema

        if proto.domain not in ("", "ai.onnx"):
            raise DataError(
                f"{self.label}: ONNX node {proto.op_type} {proto.name!r} is of the domain {proto.domain!r}; only "
                f"ONNX's own operators are supported."
            )
        node = Node(proto, self.opset, [], proto.output)
        if node.op not in OPERATORS:
            if node.op not in FUNCTIONS:
                node.refuse(f"this operator is not supported. There are {', '.join(sorted(OPERATORS))}.")
            return
        since = get_schema(node.op, self.opset, "").since_version
        if since > OPERATORS[node.op].newest:
            node.refuse(
                f"its definition of opset {since} is newer than that of opset {OPERATORS[node.op].newest}, which is "
                f"known here. Convert the model to an older opset, or upgrade gpunet."
            )

    def _check_inputs(self, given: set[str]) -> None:
        for info in self.model.graph.input:
            if info.name in given:
                continue  # the default value of an input that files of the first versions have for each weight
            number = int(info.type.tensor_type.elem_type) if info.type.HasField("tensor_type") else 0
            if element_type(number, f"input {info.name!r}").kind != "f":
                raise DataError(
                    f"{self.label}: the input {info.name!r} holds {type_name(number)}; a net that trains takes "
                    f"floating numbers. Make it a constant (an initializer) of the model if it is a setting."
                )

    def _start(self, shapes: dict[str, Known]) -> list[str]:
        """The values that are there before any node computes; the names of the inputs."""
        for tensor in self.model.graph.initializer:
            array = to_array(tensor, self.label)
            self.values[tensor.name] = Value(tensor.name, "constant", array, learned=True, shape=tuple(array.shape))
        inputs = []
        for info in self.model.graph.input:
            if info.name in self.values:
                continue
            shape = declared_shape(info) or shapes.get(info.name)
            self.values[info.name] = Value(info.name, "array", shape=shape)
            inputs.append(info.name)
        return inputs

    def _add(self, proto: Any, shapes: dict[str, Known]) -> None:
        outputs = list(proto.output)
        while outputs and not outputs[-1]:
            outputs.pop()
        node = Node(proto, self.opset, [self.values[name] if name else None for name in proto.input], outputs)
        try:
            self._make(proto, node, outputs, shapes)
        except (ValueError, TypeError, IndexError, KeyError, OverflowError, AttributeError) as error:
            if isinstance(error, GpunetError):
                if node.label not in str(error):
                    error.args = (f"{node.label}: {error}",)
                raise
            node.refuse(f"its attributes or constants cannot be used ({type(error).__name__}: {error}).")

    def _make(self, proto: Any, node: Node, outputs: Sequence[str], shapes: dict[str, Known]) -> None:
        given = [value for value in node.inputs if value is not None]
        if node.op in ("Shape", "Size") and given and given[0].kind == "array":
            self._on_host(proto, node, outputs, of_shape(node), shapes_of=(given[0].name,))
        elif all(value.kind == "constant" for value in given):
            learned = any(value.learned for value in given)
            for name, content in zip(outputs, folded(node), strict=False):
                self.values[name] = Value(name, "constant", content, learned, tuple(content.shape))
        elif node.op == "CastLike" and given[0].kind != "array" and given[-1].kind == "array":
            # To the type of what flows: that is done where the two meet.
            self.values[outputs[0]] = replace(given[0], name=outputs[0])
            if given[0].kind == "host":
                node.refuse("casts sizes to the type of what flows through the net; wanted a constant.")
        elif all(value.kind != "array" for value in given):
            self._on_host(proto, node, outputs, on_host(node))
        else:
            self._module(proto, node, outputs, shapes)

    def _on_host(
        self, proto: Any, node: Node, outputs: Sequence[str], function: Any, shapes_of: tuple[str, ...] = ()
    ) -> None:
        inputs = tuple(value.name for value in node.inputs if value is not None and value.kind == "host")
        source = NodeSource(_bare(proto), tuple(_reference(value) for value in node.inputs))
        self.nodes.append(HostNode(node.label, function, shapes_of, inputs, tuple(outputs), source))
        for name in outputs:
            self.values[name] = Value(name, "host")

    def _module(self, proto: Any, node: Node, outputs: Sequence[str], shapes: dict[str, Known]) -> None:
        if node.op not in OPERATORS:
            node.refuse(f"this operator is not supported. There are {', '.join(sorted(OPERATORS))}.")
        module = OPERATORS[node.op].build(node)
        arrays = tuple(value.name for value in node.inputs if value is not None and value.kind == "array")
        settings = tuple(value.name for value in node.inputs if value is not None and value.kind == "host")
        if not isinstance(module, Operation) and (len(arrays) != 1 or settings):
            node.refuse(f"only its first input may be computed in the graph, got {', '.join(arrays + settings)}.")
        self._share(node, module)
        name = module_name(node, self.taken)
        self.taken.add(name)
        references = tuple(_reference(value, node.bindings.get(index)) for index, value in enumerate(node.inputs))
        # A cast between floating types is nothing here, and is written as nothing.
        source = None if node.op in ("Cast", "CastLike") else NodeSource(_bare(proto), references)
        self.nodes.append(GraphNode(name, module, arrays, tuple(outputs), settings, source))
        mask = node.op in MASKS or (node.op == "Cast" and node.attribute("to") == _BOOL)
        for output in outputs:
            if output:
                self.values[output] = Value(output, "array", shape=shapes.get(output), mask=mask)

    def _share(self, node: Node, module: Module) -> None:
        """An initializer that several nodes use is one parameter."""
        for index, binding in node.bindings.items():
            value = node.inputs[index]
            assert value is not None
            own = held(module, binding.attribute)
            if not isinstance(own, Parameter):
                continue
            key = (value.name, own.shape, binding.transposed)
            shared = self.parameters.setdefault(key, own)
            if shared is not own:
                put(module, binding.attribute, shared)

    def _constants_that_are_outputs(self, names: Sequence[str]) -> None:
        for name in dict.fromkeys(names):
            value = self.values[name]
            if value.mask:
                raise DataError(f"{self.label}: the output {name!r} is true or false; wanted floating numbers.")
            if value.content is not None:
                source = NodeSource(None, (replace(_reference(value), name=name),))
                self.nodes.append(HostNode(name, _Constant(value.content), (), (), (name,), source))


@dataclass(frozen=True)
class _Constant:
    """A function of nothing."""

    content: np.ndarray

    def __call__(self) -> tuple[np.ndarray]:
        return (self.content,)


def _bare(proto: Any) -> Any:
    copy = type(proto)()
    copy.CopyFrom(proto)
    return copy


def _reference(value: Value | None, binding: Any = None) -> Reference:
    if value is None:
        return Reference("absent")
    if binding is not None:
        return Reference("parameter", value.name, binding=binding)
    if value.content is None:
        return Reference("value", value.name)
    return Reference("constant", value.name, value.content)
