"""Small numbers on the host: what graphs compute from sizes and constants, with NumPy.

Nothing here can make much more of its inputs than it was given, save where a size is checked first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gpunet.errors import DataError, ShapeError
from gpunet.interop.onnx.node import Node
from gpunet.interop.onnx.sizes import LARGEST_CONSTANT, check_size
from gpunet.interop.onnx.tensors import element_type, to_array

Function = Callable[..., tuple[np.ndarray, ...]]
Make = Callable[[Node], Function]

FUNCTIONS: dict[str, Make] = {}


def host_function(node: Node) -> Function | None:
    """What computes a node of constants and sizes, or None if it is no function for that."""
    make = FUNCTIONS.get(node.op)
    return None if make is None else make(node)


def _simple(name: str, function: Callable[..., Any]) -> None:
    def make(node: Node) -> Function:
        def computed(*arrays: np.ndarray) -> tuple[np.ndarray, ...]:
            check_size(name, np.broadcast_shapes(*(np.shape(array) for array in arrays)), LARGEST_CONSTANT)
            return (np.asarray(function(*arrays)),)

        return computed

    FUNCTIONS[name] = make


def _divide(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Integers towards 0, as in C."""
    if a.dtype.kind == "f":
        return np.asarray(a / b)
    if not np.all(b):
        raise DataError("a size is divided by 0.")
    return np.asarray(np.trunc(a / b), a.dtype)


_SIMPLE: dict[str, Callable[..., Any]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": _divide,
    "Pow": lambda a, b: np.power(a, b.astype(a.dtype)) if a.dtype.kind == "f" or np.all(b >= 0) else a * 0,
    "Mod": lambda a, b: np.fmod(a, b) if a.dtype.kind == "f" else np.mod(a, b),
    "Neg": np.negative,
    "Abs": np.abs,
    "Ceil": np.ceil,
    "Floor": np.floor,
    "Round": np.rint,
    "Sqrt": np.sqrt,
    "Reciprocal": np.reciprocal,
    "Exp": np.exp,
    "Log": np.log,
    "Equal": np.equal,
    "Greater": np.greater,
    "GreaterOrEqual": np.greater_equal,
    "Less": np.less,
    "LessOrEqual": np.less_equal,
    "Not": np.logical_not,
    "And": np.logical_and,
    "Or": np.logical_or,
    "Where": np.where,
    "Identity": lambda a: a,
}
for _name, _function in _SIMPLE.items():
    _simple(_name, _function)


def _register(name: str) -> Callable[[Make], Make]:
    def register(make: Make) -> Make:
        FUNCTIONS[name] = make
        return make

    return register


@_register("Max")
def _max(node: Node) -> Function:
    return lambda *arrays: (np.asarray(_folded(np.maximum, arrays)),)


@_register("Min")
def _min(node: Node) -> Function:
    return lambda *arrays: (np.asarray(_folded(np.minimum, arrays)),)


def _folded(function: Callable[..., Any], arrays: tuple[np.ndarray, ...]) -> np.ndarray:
    result = arrays[0]
    for array in arrays[1:]:
        check_size("Max or Min", np.broadcast_shapes(result.shape, array.shape), LARGEST_CONSTANT)
        result = function(result, array)
    return result


@_register("Shape")
def _shape(node: Node) -> Function:
    start, end = node.attribute("start", 0), node.attribute("end", None)
    return lambda array: (np.array(np.shape(array), np.int64)[start:end],)


@_register("Size")
def _size(node: Node) -> Function:
    return lambda array: (np.array(np.size(array), np.int64),)


def of_shape(node: Node) -> Function:
    """`Shape` and `Size` given the shape itself: of an array that flows through the net."""
    if node.op == "Size":
        return lambda shape: (np.array(shape.prod(), np.int64),)
    start, end = node.attribute("start", 0), node.attribute("end", None)
    return lambda shape: (shape[start:end],)


@_register("Cast")
def _cast(node: Node) -> Function:
    dtype = element_type(int(node.attribute("to")), node.label)
    return lambda array: (array.astype(dtype),)


@_register("CastLike")
def _cast_like(node: Node) -> Function:
    return lambda array, like: (array.astype(like.dtype),)


@_register("Constant")
def _constant(node: Node) -> Function:
    value = _constant_value(node)
    return lambda: (value,)


def _constant_value(node: Node) -> np.ndarray:
    if node.has_attribute("value"):
        return to_array(node.attribute("value"), node.label)
    kinds = {"value_float": np.float32, "value_floats": np.float32, "value_int": np.int64, "value_ints": np.int64}
    name = next((name for name in kinds if node.has_attribute(name)), None)
    if name is None:
        node.refuse("it holds no tensor of numbers.")
    return np.array(node.attribute(name), kinds[name])


@_register("ConstantOfShape")
def _constant_of_shape(node: Node) -> Function:
    value = to_array(node.attribute("value"), node.label) if node.has_attribute("value") else np.zeros(1, np.float32)
    if value.size != 1:
        node.refuse(f"its value has {value.size} elements, wanted one.")

    def filled(shape: np.ndarray) -> tuple[np.ndarray, ...]:
        sizes = _sizes(shape)
        check_size(node.label, sizes, LARGEST_CONSTANT)
        return (np.full(sizes, value.reshape(()), value.dtype),)

    return filled


@_register("Range")
def _range(node: Node) -> Function:
    def counted(start: np.ndarray, limit: np.ndarray, delta: np.ndarray) -> tuple[np.ndarray, ...]:
        if delta == 0:
            node.refuse("delta is 0.")
        check_size(node.label, [max(0, int(np.ceil((float(limit) - float(start)) / float(delta))))], LARGEST_CONSTANT)
        return (np.arange(start.item(), limit.item(), delta.item(), dtype=start.dtype),)

    return counted


@_register("Expand")
def _expand(node: Node) -> Function:
    def expanded(array: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, ...]:
        shape = np.broadcast_shapes(array.shape, _sizes(sizes))
        check_size(node.label, shape, LARGEST_CONSTANT)
        return (np.broadcast_to(array, shape).copy(),)

    return expanded


@_register("Tile")
def _tile(node: Node) -> Function:
    def tiled(array: np.ndarray, repeats: np.ndarray) -> tuple[np.ndarray, ...]:
        counts = _sizes(repeats)
        check_size(node.label, [a * b for a, b in zip(array.shape, counts, strict=True)], LARGEST_CONSTANT)
        return (np.tile(array, counts),)

    return tiled


def _sizes(given: np.ndarray) -> tuple[int, ...]:
    sizes = tuple(int(size) for size in given.reshape(-1))
    if any(size < 0 for size in sizes):
        raise ShapeError(f"{sizes} is no shape: a size is negative.")
    return sizes
