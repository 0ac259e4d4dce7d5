"""From a net to an ONNX file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from gpunet._version import __version__
from gpunet.errors import DataError, GpunetError, ShapeError
from gpunet.interop.onnx import writers
from gpunet.interop.onnx.exporter import Exporter
from gpunet.interop.onnx.reading import first_line, require_onnx
from gpunet.interop.onnx.source import GraphSource
from gpunet.layers import GELU, GroupNorm
from gpunet.layers.graph import Graph
from gpunet.layers.module import Module, Shape
from gpunet.layers.observation import Event, undisturbed
from gpunet.training.atomic_file import write_atomically

__all__ = ["OPSET", "save", "to_model", "writers"]

OPSET = 18  # of 2022: what is in use reads it
_NEEDED = {GELU: 20, GroupNorm: 21}  # layers whose operators are newer

_IR_VERSION = 4  # the first in which an initializer need not be an input too

Traced = dict[int, tuple[tuple[Shape, ...], tuple[Shape, ...]]]


def save(net: Module, path: str | os.PathLike[str], *input_shapes: Sequence[int]) -> None:
    """Write a net as an ONNX file that computes its inference, for a batch of any size.

    Weights are initializers under their keys in the state dict. Batch norms are written with their running statistics
    and dropouts as such, so that a file which is imported again (`load`) trains as the net did. The opset is 18, or the
    first that has all operators; that of its file for an imported `Graph`.

    Args:
        net: of layers of ours, imported graphs, and modules of one's own that have a method
            ``to_onnx(self, exporter, path, inputs)``: it calls ``exporter.node(operator, path, inputs, ...)`` and
            returns the name of its output.
        path: of the file; it is there whole or not at all.
        input_shapes: shape of each input without the batch, such as (3, 224, 224); an imported graph knows its own.

    Raises:
        DataError: onnx is not installed, or a module cannot be written; it is named.
        ShapeError: the net does not take inputs of these shapes.
        CheckpointError: the file could not be written; an older one is unchanged.
    """
    write_atomically(path, to_model(net, *input_shapes).SerializeToString())


def to_model(net: Module, *input_shapes: Sequence[int]) -> Any:
    """The ``onnx.ModelProto`` that `save` writes, checked by ``onnx.checker``."""
    onnx = require_onnx()
    shapes = [tuple(shape) for shape in input_shapes] or _declared(net)
    traced, outputs, batch = _trace(net, shapes)
    exporter = Exporter(net, _opset(net), traced)
    inputs = _names(net, "input", len(shapes))
    for name in inputs:
        exporter.unique(name)
    made = exporter.module(net, "", tuple(inputs))
    finals = _name_outputs(exporter, inputs, made, _names(net, "output", len(made)))
    graph = onnx.helper.make_graph(
        exporter.nodes,
        type(net).__name__,
        [_info(onnx, name, exporter.dtype, (batch, *shape)) for name, shape in zip(inputs, shapes, strict=True)],
        [
            _info(onnx, name, dtype, (batch, *shape))
            for name, (shape, dtype) in zip(finals, outputs[: len(finals)], strict=True)
        ],
        exporter.initializers,
    )
    opsets = [onnx.helper.make_opsetid("", exporter.opset)]
    model = onnx.helper.make_model(
        graph,
        opset_imports=opsets,
        ir_version=max(_IR_VERSION, onnx.helper.find_min_ir_version_for(opsets)),
        producer_name="gpunet",
        producer_version=__version__,
    )
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError, ValueError) as error:
        raise DataError(
            f"{type(net).__name__}: what would be written with opset {exporter.opset} is not valid ONNX: "
            f"{first_line(error)}"
        ) from None
    return model


def _opset(net: Module) -> int:
    imported = {
        module.source.opset
        for _, module in net.named_modules()
        if isinstance(module, Graph) and isinstance(module.source, GraphSource)
    }
    if imported:
        return max(imported)  # where there are two, the other graph says so
    return max([OPSET, *(_NEEDED.get(type(module), 0) for _, module in net.named_modules())])


def _declared(net: Module) -> list[Shape]:
    """The input shapes that an imported graph knows."""
    declared = net.declared_shapes if isinstance(net, Graph) else []
    shapes = [tuple(shape[1:]) for shape in declared if shape is not None and None not in shape[1:]]
    if not shapes or len(shapes) < len(declared):
        raise ShapeError(
            f"{type(net).__name__}: say the shape of each input without the batch: "
            f"onnx.save(net, 'net.onnx', (3, 224, 224))."
        )
    return [tuple(size for size in shape if size is not None) for shape in shapes]


def _trace(net: Module, shapes: Sequence[Shape]) -> tuple[Traced, list[tuple[Shape, Any]], Any]:
    """What shapes go in and out of each module, shapes and dtypes of the outputs, and the size of the batch.

    An empty batch goes through the net, which computes nothing; a graph that was made for one batch size gets that.
    """
    traced: Traced = {}

    def note(event: Event) -> None:
        if event.direction == "forward" and event.stage == "after":
            traced[id(event.module)] = tuple(
                tuple(tuple(array.shape[1:]) for array in arrays) for arrays in (event.inputs, event.outputs)
            )  # type: ignore[assignment]

    def forward(batch: int) -> list[tuple[Shape, Any]]:
        xs = [net.backend.asarray(np.zeros((batch, *shape)), net.dtype or "float32") for shape in shapes]
        with undisturbed(net), net.observe(note):
            outputs = net.forward(*xs)
        return [(tuple(y.shape[1:]), y.dtype) for y in (outputs if isinstance(outputs, tuple) else (outputs,))]

    try:
        return traced, forward(0), "batch"
    except GpunetError:
        declared = net.declared_shapes[0] if isinstance(net, Graph) and net.declared_shapes else None
        fixed = declared[0] if declared else None
        if fixed is None:
            raise
        return traced, forward(fixed), fixed


def _names(net: Module, what: str, count: int) -> list[str]:
    if isinstance(net, Graph):
        return list(net.input_names if what == "input" else net.output_names)
    return [what] if count == 1 else [f"{what}_{number}" for number in range(count)]


def _name_outputs(exporter: Exporter, inputs: Sequence[str], made: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """Give the outputs their names; one that is an input too, or comes twice, gets a node of its own."""
    from onnx.helper import make_node

    finals: list[str] = []
    for value, name in zip(made, wanted, strict=True):
        if value == name and value not in inputs and value not in finals:
            finals.append(name)
        else:
            final = exporter.unique(name)
            exporter.nodes.append(make_node("Identity", [value], [final], name=final))
            finals.append(final)
    _skip_last_identities(exporter, inputs, finals)
    return finals


def _skip_last_identities(exporter: Exporter, inputs: Sequence[str], finals: Sequence[str]) -> None:
    """Where a value's only use is to be renamed, the node that makes it gives it the new name."""
    uses = [name for node in exporter.nodes for name in node.input]
    for node in [node for node in exporter.nodes if node.op_type == "Identity" and node.output[0] in finals]:
        value = node.input[0]
        maker = next((other for other in exporter.nodes if value in other.output), None)
        if maker is None or uses.count(value) > 1 or value in inputs or value in finals:
            continue
        maker.output[list(maker.output).index(value)] = node.output[0]
        exporter.nodes.remove(node)


def _info(onnx: Any, name: str, dtype: Any, shape: Sequence[Any]) -> Any:
    return onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), list(shape))
