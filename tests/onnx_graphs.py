"""Small ONNX models, right and wrong; only tests that have onnx import this."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def model(
    nodes: Sequence[Any],
    constants: dict[str, Any] | None = None,
    inputs: dict[str, Sequence[Any]] | None = None,
    outputs: dict[str, Sequence[Any] | None] | None = None,
    opset: int = 18,
) -> Any:
    """A ModelProto.

    Args:
        nodes: of `node`.
        constants: initializers.
        inputs, outputs: shapes by name; by default "x" (batch, 3, 8, 8) to "y" of any shape.
        opset: of ONNX's operators.
    """
    inputs = {"x": ("batch", 3, 8, 8)} if inputs is None else inputs
    outputs = {"y": None} if outputs is None else outputs
    graph = helper.make_graph(
        list(nodes),
        "test",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape)) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in (constants or {}).items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def node(operator: str, inputs: str, outputs: str, name: str = "", domain: str = "", **attributes: Any) -> Any:
    """A NodeProto; names of values are separated by spaces, and "-" is an input that is left out."""
    given = ["" if value == "-" else value for value in inputs.split()]
    return helper.make_node(operator, given, outputs.split(), name=name, domain=domain, **attributes)


def conv_net(**attributes: Any) -> Any:
    """A convolution with weights, a rectifier and a pooling."""
    stream = np.random.default_rng(0)
    return model(
        [
            node("Conv", "x conv.weight conv.bias", "a", name="conv", **attributes),
            node("Relu", "a", "b", name="relu"),
            node("MaxPool", "b", "y", name="pool", kernel_shape=[2, 2], strides=[2, 2]),
        ],
        {
            "conv.weight": stream.standard_normal((4, 3, 3, 3)).astype(np.float32),
            "conv.bias": np.zeros(4, np.float32),
        },
    )


def with_tensor(source: Any, name: str, **fields: Any) -> Any:
    """A copy whose initializer ``name`` has other fields; raw_data=None takes the numbers away."""
    copy = onnx.ModelProto()
    copy.CopyFrom(source)
    (tensor,) = [tensor for tensor in copy.graph.initializer if tensor.name == name]
    for field, value in fields.items():
        if field == "dims":
            del tensor.dims[:]
            tensor.dims.extend(value)
        elif value is None:
            tensor.ClearField(field)
        else:
            setattr(tensor, field, value)
    return copy
