"""Shapes and places in memory of what NumPy's functions return, from those of what they are given."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def ufunc_shape(ufunc: np.ufunc, method: str, inputs: Any, settings: dict[str, Any]) -> tuple[int, ...]:
    """Shape of what ``getattr(ufunc, method)(*inputs, **settings)`` returns."""
    shapes = [np.shape(x) for x in inputs]
    if method == "reduce":
        return reduced(shapes[0], settings.get("axis", 0), settings.get("keepdims", False))
    if method == "outer":
        return shapes[0] + shapes[1]
    if method in ("accumulate", "reduceat"):
        return shapes[0]
    if ufunc.signature is None:
        return np.broadcast_shapes(*shapes)
    return _product_shape(ufunc.signature, shapes)


def _product_shape(signature: str, shapes: list[tuple[int, ...]]) -> tuple[int, ...]:
    """Of a product such as ``matmul``: the signature is "(n?,k),(k,m?)->(n?,m?)"."""
    left, _, right = signature.partition("->")
    cores = [[name for name in part.split(",") if name] for part in left.strip("()").split("),(")]
    sizes: dict[str, int] = {}
    loops = []
    for core, shape in zip(cores, shapes, strict=True):
        names = core if len(shape) >= len(core) else [name for name in core if not name.endswith("?")]
        sizes |= dict(zip(names, shape[len(shape) - len(names) :], strict=True))
        loops.append(shape[: len(shape) - len(names)])
    result = [sizes[name] for name in right.strip("()").split(",") if name in sizes]
    return (*np.broadcast_shapes(*loops), *result)


def reduced(shape: tuple[int, ...], axis: Any, keepdims: Any) -> tuple[int, ...]:
    """Shape of a reduction along an axis, several, or with None all."""
    if axis is None:
        gone = set(range(len(shape)))
    else:
        gone = {one % len(shape) for one in (axis if isinstance(axis, tuple) else (axis,))}
    if keepdims is True:
        return tuple(1 if axis in gone else size for axis, size in enumerate(shape))
    return tuple(size for axis, size in enumerate(shape) if axis not in gone)


def memory_order(x: Any) -> tuple[int, ...] | None:
    """The axes of x as they lie in memory, as NumPy keeps them in a result; None where they are in order."""
    long = [axis for axis in range(x.ndim) if x.shape[axis] > 1]  # where others lie is not to be seen
    order = list(range(x.ndim))
    for place, axis in zip(long, sorted(long, key=lambda axis: (-abs(x.strides[axis]), axis)), strict=True):
        order[place] = axis
    return None if order == sorted(order) else tuple(order)


def completed(shape: tuple[int, ...], size: int) -> tuple[int, ...]:
    """``shape`` with the size that a -1 in it stands for."""
    known = math.prod(length for length in shape if length != -1)
    unknown = shape.count(-1)
    if unknown > 1 or (unknown and (known == 0 or size % known)) or (not unknown and known != size):
        raise ValueError(f"cannot reshape array of size {size} into shape {shape}")  # as NumPy does
    return tuple(size // known if length == -1 else length for length in shape)


def can_be_view(x: Any, shape: tuple[int, ...]) -> bool:
    """Whether ``x`` has another shape without a copy."""
    if x.size == 0:
        return True
    # Axes that lie one behind the other are one run; each run must be split as the new shape wants it.
    runs: list[list[int]] = []
    for size, stride in zip(x.shape, x.strides, strict=True):
        if size > 1 and runs and runs[-1][1] == size * stride:
            runs[-1] = [runs[-1][0] * size, stride]
        elif size > 1:
            runs.append([size, stride])
    sizes = [size for size in shape if size > 1]
    for size, _ in runs:
        while size > 1:
            if not sizes or size % sizes[0]:
                return False
            size //= sizes.pop(0)
    return True
