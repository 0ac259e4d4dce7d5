"""Tensors that lie in other files: read only from the folder of the model, and only what is there."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gpunet.errors import DataError, ShapeError
from gpunet.interop.onnx.sizes import LARGEST_CONSTANT, check_size
from gpunet.interop.onnx.tensors import element_type, type_name


def read_external_data(model: Any, folder: Path) -> None:
    """Put the data of all tensors that lie outside of the file into them.

    Args:
        model: a ModelProto, changed in place.
        folder: of the model; nothing outside of it is read.

    Raises:
        DataError: a path leads out of the folder, or to no file.
        ShapeError: a tensor is larger than its file.
    """
    from onnx import TensorProto

    for tensor in tensors_of(model.graph):
        if tensor.data_location == TensorProto.EXTERNAL:
            tensor.raw_data = _read(tensor, folder)
            tensor.data_location = TensorProto.DEFAULT
            del tensor.external_data[:]


def tensors_of(graph: Any) -> Iterator[Any]:
    """All tensors of a graph: initializers, and those in attributes."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            if attribute.HasField("g"):
                yield from tensors_of(attribute.g)
            for inner in attribute.graphs:
                yield from tensors_of(inner)


def _read(tensor: Any, folder: Path) -> bytes:
    entries = {entry.key: entry.value for entry in tensor.external_data}
    label = f"tensor {tensor.name!r}"
    path = _inside(entries.get("location", ""), folder, label)
    dtype = element_type(tensor.data_type, label)
    shape = tuple(int(size) for size in tensor.dims)
    check_size(label, shape, LARGEST_CONSTANT)
    width = 2 if type_name(tensor.data_type) in {"FLOAT16", "BFLOAT16"} else dtype.itemsize
    wanted = math.prod(shape) * width
    try:
        offset = int(entries.get("offset", "0") or 0)
        length = int(entries.get("length", "") or wanted)
    except ValueError:
        raise DataError(f"{label}: offset or length of its external data is no number: {entries}.") from None
    size = path.stat().st_size
    if offset < 0 or length != wanted or offset + length > size:
        raise ShapeError(
            f"{label}: says that {wanted:,} bytes for its shape {shape} lie at {offset:,} in {path.name}, but names "
            f"{length:,} in a file of {size:,}. Is a file damaged or of another model?"
        )
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(length)


def _inside(location: str, folder: Path, label: str) -> Path:
    root = folder.resolve()
    path = (root / location).resolve()
    if not location or Path(location).is_absolute() or not path.is_relative_to(root):
        raise DataError(
            f"{label}: its external data is said to lie in {location!r}, outside of the model's folder {folder}; "
            f"nothing outside is read. Put the file beside the model, and its bare name into the model."
        )
    if not path.is_file():
        raise DataError(f"{label}: its external data {location!r} is missing beside the model in {folder}.")
    return path
