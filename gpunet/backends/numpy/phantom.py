"""Arrays that have a shape, a dtype and a place in memory, and no numbers: to follow a computation without doing it.

A `Phantom` is an `ndarray`, so that views, strides, layouts and shared memory are NumPy's own; what it is a view of is
a region of addresses that nothing is ever written to and that costs no memory. What would compute makes a new phantom
of the right shape, or leaves the one given as ``out`` as it is. Numbers that are asked for are 0.

What is not known here is done by NumPy on those zeros: right, but neither quick nor free of memory.
"""

from __future__ import annotations

import math
import mmap
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from gpunet.backends.numpy.result_shapes import can_be_view, completed, memory_order, reduced, ufunc_shape

_SMALLEST_REGION = 1 << 24
_REUSED_BYTES = 1 << 18  # of a temporary in an expression, from which on NumPy puts the next result into it


class _Region:
    """Addresses to be viewed and never written."""

    def __init__(self) -> None:
        self._map: mmap.mmap | None = None
        self._nbytes = 0

    def of(self, nbytes: int) -> mmap.mmap:
        """A map of at least so many bytes."""
        if self._map is None or self._nbytes < nbytes:
            self._nbytes = max(_SMALLEST_REGION, 2 * nbytes)
            if hasattr(mmap, "MAP_PRIVATE"):  # private and not to be written: the system sets no memory aside for it
                flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
                self._map = mmap.mmap(-1, self._nbytes, flags=flags, prot=mmap.PROT_READ)
            else:
                self._map = mmap.mmap(-1, self._nbytes, access=mmap.ACCESS_READ)
        return self._map


_region = _Region()

Allocate = Callable[[int], Any]


class Phantom(np.ndarray):
    """See the module; make one with `phantom`.

    Attributes:
        allocate: gets the bytes of a new array, returns what lives as long as it and all its views.
        owns: whether it is no view, and not in memory that somebody lent it.
    """

    allocate: Allocate
    owns: bool = False
    _life: Any

    def __array_finalize__(self, source: Any) -> None:
        """A view allocates where its source does."""
        self.allocate = getattr(source, "allocate", _nowhere)

    def _new(self, shape: tuple[int, ...], dtype: Any, order: tuple[int, ...] | None = None) -> Any:
        return phantom(shape, dtype, self.allocate, order)

    # ------------------------------------------------------- what computes

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **settings: Any) -> Any:
        """The shapes and dtypes of what ``ufunc`` would return."""
        if out is not None:
            return out[0] if len(out) == 1 else out
        if method == "at":
            return None
        source = next(x for x in inputs if isinstance(x, Phantom))
        settings.pop("where", None)
        tiny = getattr(ufunc, method)(*map(_tiny, inputs), **settings)
        shape = ufunc_shape(ufunc, method, inputs, settings)
        if isinstance(tiny, tuple):
            return tuple(self._of_kind(source, shape, one.dtype) for one in tiny)
        return self._of_kind(source, shape, tiny.dtype)

    def _of_kind(self, source: Any, shape: tuple[int, ...], dtype: Any) -> Any:
        if shape == ():
            return np.dtype(dtype).type(0)
        like = source if source.shape == shape else None
        return source._new(shape, dtype, None if like is None else memory_order(like))

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """Those of NumPy's functions that are written in C; others come down to them, and to ufuncs."""
        known = _FUNCTIONS.get(function)
        if known is not None:
            return known(self, *args, **kwargs)
        return super().__array_function__(function, types, args, kwargs)

    # -------------------------------------------------------------- methods

    def __getitem__(self, index: Any) -> Any:
        """A view, or for an index with arrays a new array."""
        parts = index if isinstance(index, tuple) else (index,)
        for part in parts:
            if isinstance(part, np.ndarray | list):
                plain = tuple(np.asarray(part) if isinstance(part, np.ndarray | list) else part for part in parts)
                shape = np.broadcast_to(np.False_, self.shape)[plain].shape
                return self._of_kind(self, shape, self.dtype)
        return super().__getitem__(index)

    def __setitem__(self, index: Any, value: Any) -> None:
        """Nothing is written."""

    def fill(self, value: Any) -> None:
        """Nothing is written."""

    def sort(self, *_: Any, **__: Any) -> None:
        """Nothing is written."""

    def __bool__(self) -> bool:
        return False

    def copy(self, order: Any = "C") -> Any:
        """A new array."""
        return self._new(self.shape, self.dtype, memory_order(self) if order in ("K", "A") else None)

    def astype(self, dtype: Any, order: Any = "K", casting: Any = "unsafe", subok: Any = True, copy: Any = True) -> Any:
        """A new array, unless nothing changes and none is asked for."""
        if np.dtype(dtype) == self.dtype and not copy:
            return self
        return self._new(self.shape, dtype, memory_order(self) if order in ("K", "A") else None)

    def reshape(self, *shape: Any, order: Any = "C", copy: Any = None) -> Any:
        """A view where there can be one."""
        wanted = shape[0] if len(shape) == 1 and not isinstance(shape[0], int | np.integer) else shape
        complete = completed(tuple(wanted), self.size)
        if self.flags.c_contiguous or can_be_view(self, complete):
            return super().reshape(complete)
        return self._new(complete, self.dtype)

    def ravel(self, order: Any = "C") -> Any:
        """See `reshape`."""
        return self.reshape(-1)

    def flatten(self, order: Any = "C") -> Any:
        """A new array."""
        return self._new((self.size,), self.dtype)

    def argmax(self, axis: Any = None, out: Any = None, *, keepdims: bool = False) -> Any:
        """Indices along an axis."""
        return self._of_kind(self, reduced(self.shape, axis, keepdims), np.intp)

    argmin = argmax


def phantom(shape: tuple[int, ...], dtype: Any, allocate: Allocate, order: tuple[int, ...] | None = None) -> Phantom:
    """A new array without numbers.

    Args:
        shape, dtype: of it.
        allocate: see `Phantom`.
        order: its axes as they lie in memory, the last one with the neighbours; as they are counted by default.
    """
    dtype = np.dtype(dtype)
    nbytes = math.prod(shape) * dtype.itemsize
    life = allocate(nbytes)
    if order is not None:
        ordered = tuple(shape[axis] for axis in order)
        root: Any = np.ndarray.__new__(Phantom, ordered, dtype, _region.of(nbytes))
    else:
        root = np.ndarray.__new__(Phantom, shape, dtype, _region.of(nbytes))
    root.allocate, root._life = allocate, life
    result = root if order is None else root.transpose(np.argsort(order))
    result.owns = True
    return result


def _operator(ufunc: np.ufunc, commutes: bool = False) -> Callable[[Any, Any], Any]:
    """The method of a binary operator: as NumPy does, a temporary of the expression takes the result, if it can."""

    def method(self: Any, other: Any) -> Any:
        if sys.getrefcount(self) == _TEMPORARY and _takes(self, other):
            return self
        if commutes and isinstance(other, Phantom) and sys.getrefcount(other) == _TEMPORARY and _takes(other, self):
            return other
        return ufunc(self, other)

    return method


def _reflected(ufunc: np.ufunc, commutes: bool = False) -> Callable[[Any, Any], Any]:
    """The method of an operator whose left side is something else."""

    def method(self: Any, other: Any) -> Any:
        if commutes and sys.getrefcount(self) == _TEMPORARY and _takes(self, other):
            return self
        return ufunc(other, self)

    return method


def _negative(self: Any) -> Any:
    if sys.getrefcount(self) == _TEMPORARY and _takes(self, 0):
        return self
    return np.negative(self)


def _takes(x: Phantom, other: Any) -> bool:
    """Whether the memory of ``x`` can take what an operator makes of both."""
    if not x.owns or x.nbytes < _REUSED_BYTES or np.shape(other) not in ((), x.shape):
        return False
    return bool(np.can_cast(np.asarray(other).dtype, x.dtype, "safe"))  # a number of Python's is int64 or float64


def _references(temporary: bool) -> int:
    """What `sys.getrefcount` says in a method of an operator of its left side."""

    class Counting:
        def __add__(self, other: int) -> int:
            return sys.getrefcount(self)

    named = Counting()
    return Counting() + 0 if temporary else named + 0


# Where a variable cannot be told from a temporary, none takes a result, and more is predicted than NumPy needs.
_TEMPORARY = _references(temporary=True) if _references(temporary=True) < _references(temporary=False) else -1

for _name, _ufunc, _commutes in (
    ("add", np.add, True),
    ("sub", np.subtract, False),
    ("mul", np.multiply, True),
    ("truediv", np.true_divide, False),
):
    setattr(Phantom, f"__{_name}__", _operator(_ufunc, _commutes))
    setattr(Phantom, f"__r{_name}__", _reflected(_ufunc, _commutes))
Phantom.__neg__ = _negative  # type: ignore[method-assign]


def _nowhere(nbytes: int) -> None:
    """Allocates nothing: of a phantom that was made by other means than `phantom`."""


@cache
def _ones(ndim: int, dtype: Any) -> Any:
    return np.ones((1,) * ndim, dtype)


def _tiny(x: Any) -> Any:
    """An array of one element that stands for ``x`` where dtypes are asked for."""
    return _ones(x.ndim, x.dtype) if isinstance(x, np.ndarray) else x


# ------------------------------------------------------------- functions in C


def _copyto(_: Phantom, *args: Any, **__: Any) -> None:
    return None


def _like(
    one: Phantom, prototype: Any, *args: Any, dtype: Any = None, order: Any = "K", shape: Any = None, **_: Any
) -> Any:
    wanted = prototype.shape if shape is None else tuple(np.atleast_1d(shape))
    kept = memory_order(prototype) if order in ("K", "A") and shape is None else None
    return one._new(wanted, prototype.dtype if dtype is None else dtype, kept)


def _full_like(one: Phantom, prototype: Any, value: Any, dtype: Any = None, **settings: Any) -> Any:
    return _like(one, prototype, dtype=dtype, **settings)


def _concatenate(one: Phantom, arrays: Any, axis: Any = 0, out: Any = None, **_: Any) -> Any:
    if out is not None:
        return out
    shapes = [np.shape(x) for x in arrays]
    axis %= len(shapes[0])
    total = sum(shape[axis] for shape in shapes)
    shape = (*shapes[0][:axis], total, *shapes[0][axis + 1 :])
    first = arrays[0]
    return one._new(shape, np.result_type(*[_tiny(x) for x in arrays]), memory_order(first))


def _where(one: Phantom, condition: Any, *values: Any) -> Any:
    if not values:
        return tuple(np.zeros(0, np.intp) for _ in condition.shape)
    shape = np.broadcast_shapes(*(np.shape(x) for x in (condition, *values)))
    dtype = np.where(_tiny(condition), *map(_tiny, values)).dtype
    like = next((x for x in (condition, *values) if np.shape(x) == shape and isinstance(x, np.ndarray)), None)
    return one._of_kind(one, shape, dtype) if like is None else one._new(shape, dtype, memory_order(like))


def _take(one: Phantom, x: Any, indices: Any, axis: Any = None, out: Any = None, **_: Any) -> Any:
    if out is not None:
        return out
    shape = np.shape(indices)
    if axis is not None:
        axis %= x.ndim
        shape = (*x.shape[:axis], *shape, *x.shape[axis + 1 :])
    return one._of_kind(one, shape, x.dtype)


def _dot(one: Phantom, a: Any, b: Any, out: Any = None) -> Any:
    if out is not None:
        return out
    shape = (*np.shape(a)[:-1], *np.shape(b)[:-2], *np.shape(b)[-1:][: max(0, np.ndim(b) - 1)])
    return one._of_kind(one, shape, np.result_type(_tiny(a), _tiny(b)))


def _vdot(_: Phantom, a: Any, b: Any) -> Any:
    return np.result_type(_tiny(a), _tiny(b)).type(0)


_FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.copyto: _copyto,
    np.putmask: _copyto,
    np.put_along_axis: _copyto,
    np.empty_like: _like,
    np.zeros_like: _like,
    np.ones_like: _like,
    np.full_like: _full_like,
    np.concatenate: _concatenate,
    np.where: _where,
    np.take: _take,
    np.dot: _dot,
    np.vdot: _vdot,
}
