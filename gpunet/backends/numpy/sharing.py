"""Jobs as bytes: arrays are named by where they stand in shared memory, and nothing of them is copied.

What a job only reads may stand elsewhere, and is copied there first. What it writes may not.
"""

from __future__ import annotations

import copyreg
import io
import pickle
from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpunet.backends.numpy.shared_memory import Arena

BY_VALUE_BYTES = 1 << 16  # below this size an array goes with the bytes of the job

_arena: Arena | None = None


class NotShareableError(Exception):
    """What a job writes lies outside of shared memory, or what it reads lies as no copy of it can."""


def attach(arena: Arena) -> None:
    """Make ``arena`` the one in which this process, a helper, finds arrays."""
    global _arena
    _arena = arena


def to_bytes(content: Any, outputs: Iterable[NDArray[Any]], arena: Arena) -> tuple[bytes, list[NDArray[Any]]]:
    """The content, and the copies that must be kept until nobody reads it any more.

    Args:
        outputs: those of its arrays that are written to.

    Raises:
        NotShareableError: an output stands outside of ``arena``, or another array does, and is neither contiguous nor
            channels-last.
    """
    if any(arena.offset(array) is None for array in outputs):
        raise NotShareableError
    stream = io.BytesIO()
    copies: list[NDArray[Any]] = []
    pickler = pickle.Pickler(stream, pickle.HIGHEST_PROTOCOL)
    pickler.dispatch_table = copyreg.dispatch_table | {np.ndarray: partial(_describe, arena, copies)}
    pickler.dump(content)
    return stream.getvalue(), copies


def as_it_is(content: Any) -> bytes:
    """Content without arrays that are to be shared."""
    return pickle.dumps(content)


def from_bytes(data: bytes) -> Any:
    """The content. These bytes come from this process or its helpers, never out of a file or a network."""
    return pickle.loads(data)  # noqa: S301


def packed(piece: Any) -> Any:
    """A piece, made of slices, numbers and tuples, as what `pickle` is quick with."""
    if isinstance(piece, slice):
        return (piece.start, piece.stop)
    if isinstance(piece, tuple | list):
        return [type(piece), *map(packed, piece)]
    return piece


def unpacked(pack: Any) -> Any:
    """The piece that was `packed`."""
    if isinstance(pack, tuple):
        return slice(*pack)
    if isinstance(pack, list):
        kind, *members = pack
        return kind(map(unpacked, members)) if kind in (tuple, list) else kind(*map(unpacked, members))
    return pack


def _describe(arena: Arena, copies: list[NDArray[Any]], array: NDArray[Any]) -> tuple[Any, ...]:
    offset = arena.offset(array)
    if offset is not None:
        return _shared, (offset, array.shape, array.strides, array.dtype.str)
    if array.nbytes < BY_VALUE_BYTES and array.flags.c_contiguous:
        return _by_value, (array.tobytes(), array.shape, array.dtype.str)
    copy = _copy(arena, array)
    copies.append(copy)
    return _read_only, (arena.offset(copy), copy.shape, copy.strides, copy.dtype.str)


def _copy(arena: Arena, array: NDArray[Any]) -> NDArray[Any]:
    from gpunet.backends.numpy import memory

    copy = memory.empty_like(array)
    if copy.strides != array.strides or arena.offset(copy) is None:
        raise NotShareableError
    np.copyto(copy, array)
    return copy


def _shared(offset: int, shape: tuple[int, ...], strides: tuple[int, ...], dtype: str) -> NDArray[Any]:
    assert _arena is not None
    return _arena.array(offset, shape, strides, dtype)


def _read_only(offset: int, shape: tuple[int, ...], strides: tuple[int, ...], dtype: str) -> NDArray[Any]:
    array = _shared(offset, shape, strides, dtype)
    array.flags.writeable = False
    return array


def _by_value(data: bytes, shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
    return np.frombuffer(data, dtype).reshape(shape)  # of bytes: read-only
