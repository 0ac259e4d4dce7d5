"""Tensors of a file as NumPy arrays, after a look at whether they are what they say."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gpunet.errors import DataError, ShapeError
from gpunet.interop.onnx.sizes import LARGEST_CONSTANT, check_size

_WIDENED = ("FLOAT16", "BFLOAT16")  # read as float32, in which a net is trained
_AS_THEY_ARE = {
    "FLOAT": np.float32,
    "DOUBLE": np.float64,
    "INT64": np.int64,
    "INT32": np.int32,
    "INT16": np.int16,
    "INT8": np.int8,
    "UINT64": np.uint64,
    "UINT32": np.uint32,
    "UINT16": np.uint16,
    "UINT8": np.uint8,
    "BOOL": np.bool_,
}


def type_name(number: int) -> str:
    """ONNX's name of an element type."""
    from onnx import TensorProto

    return {code: name for name, code in TensorProto.DataType.items()}.get(number, f"number {number}")


def element_type(number: int, label: str) -> np.dtype[Any]:
    """The dtype for an ONNX element type.

    Raises:
        DataError: it is no type for nets: text, complex, or fewer than 8 bits.
    """
    name = type_name(number)
    if name in _WIDENED:
        return np.dtype(np.float32)
    if name not in _AS_THEY_ARE:
        raise DataError(f"{label}: elements of type {name} are not supported; there are {', '.join(_AS_THEY_ARE)}.")
    return np.dtype(_AS_THEY_ARE[name])


def to_array(tensor: Any, label: str) -> np.ndarray:
    """The numbers of a TensorProto; half-precision ones as float32.

    Args:
        label: how messages call what it belongs to.

    Raises:
        ShapeError: its sizes and its data do not fit together, or are too large.
        DataError: its type is not supported.
    """
    from onnx import numpy_helper

    dtype = check_tensor(tensor, label)
    array = np.asarray(numpy_helper.to_array(tensor))
    return np.array(array.astype(dtype, copy=False))  # a copy: it must not share the memory of the file


def check_tensor(tensor: Any, label: str) -> np.dtype[Any]:
    """See `to_array`, which this is without the numbers; the dtype that they will have."""
    from onnx import TensorProto

    dtype = element_type(tensor.data_type, label)
    shape = tuple(int(size) for size in tensor.dims)
    check_size(f"{label}: tensor {tensor.name!r}", shape, LARGEST_CONSTANT)
    if tensor.data_location == TensorProto.EXTERNAL:
        raise DataError(f"{label}: tensor {tensor.name!r} lies in another file. Give the path of the model, not bytes.")
    stored = _stored(tensor, dtype)
    if stored != math.prod(shape):
        raise ShapeError(
            f"{label}: tensor {tensor.name!r} says its shape is {shape}, {math.prod(shape):,} numbers, but holds "
            f"{stored:,}. Is the file damaged?"
        )
    return dtype


def _stored(tensor: Any, dtype: np.dtype[Any]) -> int:
    """How many numbers the tensor holds, wherever it holds them."""
    if tensor.HasField("raw_data"):
        width = 2 if type_name(tensor.data_type) in _WIDENED else dtype.itemsize
        whole, rest = divmod(len(tensor.raw_data), width)
        return whole if rest == 0 else -1
    fields = (tensor.float_data, tensor.double_data, tensor.int64_data, tensor.int32_data, tensor.uint64_data)
    return sum(map(len, fields))
