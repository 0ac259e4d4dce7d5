"""From what Python calls a kernel with to the bytes that the kernel was compiled to read, checked on the way.

CuPy passes a pointer and a number as they come: a Python int is eight bytes, whatever the kernel declares; a strided
view, an array of another dtype or on another GPU is a pointer like any other. Nothing of this would raise; the kernel
would compute with something else.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gpunet.backends.cupy.signature import Declaration
from gpunet.errors import BackendError

Converter = Callable[[Any], Any]

_TYPES = {
    "float": "float32",
    "double": "float64",
    "bool": "bool",
    "signed char": "int8",
    "unsigned char": "uint8",
    "short": "int16",
    "unsigned short": "uint16",
    "int": "int32",
    "unsigned": "uint32",
    "unsigned int": "uint32",
    "index_t": "int64",
    "long long": "int64",
    "unsigned long long": "uint64",
}
_TRUTHS = (bool, np.bool_)
_INTEGERS = (int, np.integer)
_NUMBERS = (int, float, np.floating, np.integer)


class Arguments:
    """Converts the arguments of the kernels of one file, compiled for one dtype.

    Args:
        xp: the cupy module.
        types: what ``real`` and ``accumulator`` stand for.
        structures: the structures that the file declares.
    """

    def __init__(
        self, xp: Any, types: Mapping[str, np.dtype[Any]], structures: Mapping[str, tuple[Declaration, ...]]
    ) -> None:
        self._xp = xp
        self._types = {**{name: np.dtype(value) for name, value in _TYPES.items()}, **types}
        self._structures = structures

    def converter(self, declaration: Declaration) -> Converter:
        """A function that turns an argument into what the launch passes; it raises `BackendError` for a wrong one.

        A pointer takes a CuPy array or None, a pointer to pointers a CuPy array of addresses (uint64), a number a
        Python or NumPy number, a structure a mapping of its fields.
        """
        if declaration.pointers:
            dtype = self._pointed_to(declaration)
            return lambda argument: self._checked_array(argument, dtype)
        if declaration.type_name in self._structures:
            return self._structure_converter(declaration.type_name)
        dtype = self._dtype(declaration.type_name)
        return lambda argument: number(argument, dtype)

    def _dtype(self, type_name: str) -> np.dtype[Any]:
        if type_name not in self._types:
            raise BackendError(f"type {type_name!r} is unknown to the host: use one of {', '.join(self._types)}.")
        return self._types[type_name]

    def _pointed_to(self, declaration: Declaration) -> np.dtype[Any]:
        return np.dtype("uint64") if declaration.pointers > 1 else self._dtype(declaration.type_name)

    def _checked_array(self, argument: Any, dtype: np.dtype[Any]) -> Any:
        """``argument`` itself, if a kernel may read it through a pointer to ``dtype``."""
        if argument is None:
            return None
        if not isinstance(argument, self._xp.ndarray):
            raise BackendError(
                f"got a {_kind(argument)}, wanted a CuPy array of {dtype}. Move it with backend.asarray first."
            )
        if argument.dtype != dtype:
            raise BackendError(f"got an array of {argument.dtype}, wanted {dtype}. Convert it with astype('{dtype}').")
        if not argument.flags.c_contiguous:
            raise BackendError(
                f"got a view with strides {argument.strides} of shape {argument.shape}, wanted a C-contiguous array. "
                "Copy it once with xp.ascontiguousarray."
            )
        current = self._xp.cuda.runtime.getDevice()
        if argument.device.id != current:
            raise BackendError(
                f"got an array on device {argument.device.id}, wanted one on the current device {current}. "
                f"Compute within `with cupy.cuda.Device({argument.device.id}):`, or copy the array."
            )
        return argument

    def _structure_converter(self, type_name: str) -> Converter:
        fields = self._structures[type_name]
        layout = np.dtype(
            [
                (field.name, np.dtype("uint64") if field.pointers else self._dtype(field.type_name), field.count or ())
                for field in fields
            ],
            align=True,
        )
        names = {field.name for field in fields}

        def convert(argument: Any) -> Any:
            if not isinstance(argument, Mapping):
                raise BackendError(f"got a {_kind(argument)}, wanted a mapping of the fields of {type_name}.")
            if argument.keys() != names:
                raise BackendError(
                    f"got fields {sorted(argument)}, wanted those of {type_name}: {', '.join(sorted(names))}."
                )
            structure = np.zeros(1, layout)
            for field in fields:
                try:
                    values = self._field_values(field, argument[field.name])
                except BackendError as error:
                    raise BackendError(f"field {field.name!r}: {error}") from None
                if field.count is None:
                    structure[field.name][0] = values[0]
                else:
                    structure[field.name][0, : len(values)] = values
            return structure

        return convert

    def _field_values(self, field: Declaration, value: Any) -> list[Any]:
        values: Sequence[Any] = [value]
        if field.count is not None:
            values = value
            if len(values) > field.count:
                raise BackendError(f"got {len(values)} values, wanted at most {field.count}.")
        if field.pointers:
            dtype = self._pointed_to(field)
            return [0 if array is None else self._checked_array(array, dtype).data.ptr for array in values]
        dtype = self._dtype(field.type_name)
        return [number(item, dtype) for item in values]


def number(argument: Any, dtype: np.dtype[Any]) -> Any:
    """A Python or NumPy number as a NumPy scalar of ``dtype``.

    Raises:
        BackendError: it is no such number, or does not fit.
    """
    if dtype.kind == "b":
        if not isinstance(argument, _TRUTHS):
            raise BackendError(f"got {_shown(argument)}, wanted True or False.")
        return np.bool_(argument)
    if dtype.kind in "iu":
        if isinstance(argument, _TRUTHS) or not isinstance(argument, _INTEGERS):
            raise BackendError(f"got {_shown(argument)}, wanted an integer ({dtype}).")
        limits = np.iinfo(dtype)
        value = operator.index(argument)
        if not limits.min <= value <= limits.max:
            raise BackendError(f"{value} is out of range for {dtype}: from {limits.min} to {limits.max}.")
        return dtype.type(value)
    if isinstance(argument, _TRUTHS) or not isinstance(argument, _NUMBERS):
        raise BackendError(f"got {_shown(argument)}, wanted a number ({dtype}).")
    largest = float(np.finfo(dtype).max)
    if math.isfinite(argument) and abs(float(argument)) > largest:
        raise BackendError(f"{argument} is out of range for {dtype}: up to {largest}.")
    return dtype.type(argument)


def _kind(thing: Any) -> str:
    return f"{type(thing).__module__}.{type(thing).__qualname__}"


def _shown(thing: Any) -> str:
    return repr(thing) if isinstance(thing, bool | int | float | str | None) else f"a {_kind(thing)}"
