"""A `Graph`, node by node: those that were imported as they stood in the file, with the weights of today."""

from __future__ import annotations

import numpy as np

from gpunet.errors import DataError
from gpunet.interop.onnx.binding import held
from gpunet.interop.onnx.exporter import Exporter, below, writes
from gpunet.interop.onnx.source import GraphSource, NodeSource, Reference
from gpunet.layers.graph import Graph, GraphNode, HostNode
from gpunet.layers.module import Module

Names = tuple[str, ...]


@writes(Graph)
def graph(exporter: Exporter, module: Graph, path: str, inputs: Names) -> Names:
    """All nodes in order."""
    if isinstance(module.source, GraphSource) and module.source.opset != exporter.opset:
        raise DataError(
            f"Graph '{path}' was imported with opset {module.source.opset}, but the net is written with "
            f"{exporter.opset}. Convert the file first, by onnx.version_converter.convert_version(model, "
            f"{exporter.opset}), and load what that returns."
        )
    values = dict(zip(module.input_names, inputs, strict=True))
    for node in module.nodes:
        if node.source is not None:
            _as_imported(exporter, node, path, values)
        elif isinstance(node, HostNode):
            raise DataError(
                f"Graph '{path}': the node {node.name!r} computes on the host; only imported ones can be written."
            )
        else:
            given = tuple(values[name] for name in node.inputs)
            made = exporter.module(node.module, below(path, node.name), given)
            values.update((name, value) for name, value in zip(node.outputs, made, strict=False) if name)
    return tuple(values[name] for name in module.output_names)


def _as_imported(exporter: Exporter, node: GraphNode | HostNode, path: str, values: dict[str, str]) -> None:
    source: NodeSource = node.source
    if source.proto is None:
        content = source.inputs[0].content
        assert content is not None
        values[node.outputs[0]] = exporter.constant(path, content, content.dtype)
        return
    module = node.module if isinstance(node, GraphNode) else None
    names = [_input(exporter, reference, module, below(path, node.name), values) for reference in source.inputs]
    proto = type(source.proto)()
    proto.CopyFrom(source.proto)
    del proto.input[:]
    proto.input.extend(names)
    for number, name in enumerate(source.proto.output):
        if name:
            proto.output[number] = values[name] = exporter.unique(below(path, name))
    if proto.name:
        proto.name = below(path, proto.name)
    exporter.nodes.append(proto)


def _input(exporter: Exporter, reference: Reference, module: Module | None, path: str, values: dict[str, str]) -> str:
    if reference.kind == "absent":
        return ""
    if reference.kind == "value":
        return values[reference.name]
    if reference.kind == "constant":
        assert reference.content is not None
        return exporter.constant(path, reference.content, reference.content.dtype)
    assert reference.binding is not None
    assert module is not None
    binding = reference.binding
    holder = held(module, binding.attribute)
    last = binding.attribute.rpartition(".")[2]
    if not binding.transposed and tuple(holder.value.shape) == binding.shape:
        return exporter.parameter(path, last, holder)
    array = np.asarray(module.backend.to_numpy(holder.value))
    name = below(path, last)
    return exporter.initializer(name, (array.T if binding.transposed else array).reshape(binding.shape))
