"""What a file says of the shapes of its values, checked for contradictions by ONNX's own shape inference."""

from __future__ import annotations

from typing import Any

from gpunet.errors import ShapeError
from gpunet.interop.onnx.reading import first_line, require_onnx

Known = tuple[int | None, ...]
# The bodies that ONNX has for some operators, such as MeanVarianceNormalization, do not pass its own inference.
_FAULT_OF_A_BODY = "One and only one of the attributes 'value'"
_LARGE = 4096  # bytes; shapes and axes are smaller


def known_shapes(model: Any, label: str) -> dict[str, Known]:
    """Shapes of the values, None for sizes that are not known; values of unknown rank are left out.

    Raises:
        ShapeError: what the file declares contradicts what its nodes compute.
    """
    onnx = require_onnx()
    skeleton = _without_weights(onnx, model)
    try:
        # Without data_prop: with it the library fills a Range of any length that a file asks for.
        inferred = onnx.shape_inference.infer_shapes(skeleton, check_type=True, strict_mode=True)
    except onnx.shape_inference.InferenceError as error:
        if _FAULT_OF_A_BODY in str(error):
            inferred = onnx.shape_inference.infer_shapes(skeleton)
            return _shapes(inferred.graph)
        raise ShapeError(f"{label}: its shapes or types contradict each other: {first_line(error)}") from None
    return _shapes(inferred.graph)


def _shapes(graph: Any) -> dict[str, Known]:
    return {
        info.name: shape
        for info in (*graph.input, *graph.value_info, *graph.output)
        if (shape := declared_shape(info)) is not None
    }


def declared_shape(info: Any) -> Known | None:
    """The shape of a ValueInfoProto."""
    if not info.type.HasField("tensor_type") or not info.type.tensor_type.HasField("shape"):
        return None
    return tuple(
        int(size.dim_value) if size.HasField("dim_value") and size.dim_value >= 0 else None
        for size in info.type.tensor_type.shape.dim
    )


def _without_weights(onnx: Any, model: Any) -> Any:
    """A copy in which large tensors have a shape but no numbers, so that little is copied to and fro."""
    skeleton = onnx.ModelProto()
    large = [tensor for tensor in model.graph.initializer if tensor.ByteSize() > _LARGE]
    if not large:
        skeleton.CopyFrom(model)
        return skeleton
    skeleton.CopyFrom(_shallow(onnx, model))
    return skeleton


def _shallow(onnx: Any, model: Any) -> Any:
    shell = onnx.ModelProto()
    for field, value in model.ListFields():
        if field.name == "graph":
            continue
        if hasattr(value, "extend") or hasattr(value, "append"):
            getattr(shell, field.name).extend(value)
        else:
            setattr(shell, field.name, value)
    for field, value in model.graph.ListFields():
        if field.name == "initializer":
            for tensor in value:
                shell.graph.initializer.append(_shape_alone(onnx, tensor) if tensor.ByteSize() > _LARGE else tensor)
        elif hasattr(value, "extend") or hasattr(value, "append"):
            getattr(shell.graph, field.name).extend(value)
        else:
            setattr(shell.graph, field.name, value)
    return shell


def _shape_alone(onnx: Any, tensor: Any) -> Any:
    return onnx.TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims)
