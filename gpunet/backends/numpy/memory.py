"""Memory for results and workspaces, kept from one training step to the next.

Fresh memory of some megabytes costs a page fault for each 4 kB, as much time as the computation that fills it. A net
asks for the same sizes in every step: blocks that no array uses any more are handed out again. A block is unused when
nobody but the pool refers to it; every array and view in it refers to it.
"""

from __future__ import annotations

import math
import sys
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpunet.backends.numpy.layout import channels_first, channels_last, is_channels_last
from gpunet.backends.numpy.shared_memory import Arena

SMALLEST = 1 << 16  # below this, the system's allocator is as quick
KEPT_BYTES = 1 << 28  # unused blocks that are kept at most, all together
ALIGNMENT = 64  # a cache line: vectors of numbers that cross two lines cost a tenth of the time of a pass over memory


def _references_to_unused() -> int:
    """What `sys.getrefcount` says, in a loop over a list, of an object that only the list refers to.

    The list's reference and those of the loop and the call itself, which not every version of Python counts.
    """
    counts = []
    for item in [object()]:
        counts.append(sys.getrefcount(item))  # noqa: PERF401 - as the pool's loops are written
    return counts[0]


_UNUSED = _references_to_unused()


class Pool:
    """Blocks of memory by size.

    Args:
        kept_bytes: unused blocks that are kept at most; those beyond are given back, the largest first.

    Attributes:
        arena: where new blocks come from, so that helper processes see them too; None for memory of this process.
    """

    def __init__(self, kept_bytes: int = KEPT_BYTES) -> None:
        self.kept_bytes = kept_bytes
        self.arena: Arena | None = None
        self._blocks: dict[int, list[NDArray[np.uint8]]] = {}
        self._lock = threading.Lock()

    def empty(self, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        """An array with anything in it, C-contiguous."""
        dtype = np.dtype(dtype)
        nbytes = math.prod(shape) * dtype.itemsize
        if nbytes < SMALLEST:
            return np.empty(shape, dtype)
        return self.block_of(shape, dtype, nbytes)

    def block_of(self, shape: tuple[int, ...], dtype: np.dtype[Any], nbytes: int) -> NDArray[Any]:
        """Like `empty`, however small."""
        block = self._block(_rounded(nbytes) + ALIGNMENT)
        # Those of an arena start at a page.
        return np.ndarray(shape, dtype, block, 0 if self.arena is not None else _offset(block))

    def _block(self, size: int) -> NDArray[np.uint8]:
        with self._lock:
            blocks = self._blocks.setdefault(size, [])
            for block in blocks:
                if sys.getrefcount(block) == _UNUSED:
                    return block
            self._give_back()
            shared = None if self.arena is None else self.arena.allocate(size)
            block = np.empty(size, np.uint8) if shared is None else shared
            blocks.append(block)
            return block

    def forget(self) -> None:
        """Never hand out again what there is: it stays with whoever uses it."""
        self._blocks.clear()

    def _give_back(self) -> None:
        """Let go of unused blocks until the rest may be kept."""
        unused = 0
        for size in sorted(self._blocks):
            kept = []
            for block in self._blocks[size]:
                if sys.getrefcount(block) == _UNUSED:
                    unused += size
                    if unused > self.kept_bytes:
                        if self.arena is not None and self.arena.offset(block) is not None:
                            self.arena.release(block)
                        continue
                kept.append(block)
            self._blocks[size][:] = kept
            del kept


def _offset(block: NDArray[np.uint8]) -> int:
    """Bytes from the start of a block to its first multiple of `ALIGNMENT`."""
    return int(-block.__array_interface__["data"][0] % ALIGNMENT)


def _rounded(nbytes: int) -> int:
    """Up to the next of eight steps between powers of two, so that like sizes share blocks."""
    step = max(SMALLEST, 1 << max(0, nbytes.bit_length() - 4))
    return -(-nbytes // step) * step


_pool = Pool()


def empty(shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """Like `numpy.empty`, in memory that was used before if some of that size is free."""
    return _pool.empty(shape, dtype)


def shared(shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """Like `empty`, for what jobs write to: however small, it stands where helper processes see it."""
    dtype = np.dtype(dtype)
    return _pool.block_of(shape, dtype, math.prod(shape) * dtype.itemsize)


def arena() -> Arena | None:
    """Where blocks come from; None: from this process's memory."""
    return _pool.arena


def use(arena: Arena | None) -> None:
    """Take all blocks from ``arena`` from now on, and none that stand elsewhere; None: from this process's memory."""
    if arena is not _pool.arena:
        _pool.forget()
        _pool.arena = arena


def empty_like(x: NDArray[Any], dtype: Any = None) -> NDArray[Any]:
    """An array of x's shape, C-contiguous, or channels-last where x is."""
    dtype = x.dtype if dtype is None else dtype
    if is_channels_last(x):
        return empty_channels_last(x.shape, dtype)
    return _pool.empty(x.shape, dtype)


def empty_channels_last(shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """An array (N, C, ...) whose channels lie next to each other in memory."""
    return channels_first(_pool.empty((shape[0], *shape[2:], shape[1]), dtype))


def flat(x: NDArray[Any], like: NDArray[Any]) -> NDArray[Any]:
    """The numbers of x, 1-D, in the order that a contiguous or channels-last ``like`` of its shape has in memory.

    A view where x lies in memory as ``like`` does, otherwise a copy.
    """
    ordered = channels_last(x) if is_channels_last(like) else x
    if not ordered.flags.c_contiguous:
        copy = _pool.empty(ordered.shape, x.dtype)
        np.copyto(copy, ordered)
        ordered = copy
    return ordered.reshape(-1)


class _Workspaces(threading.local):
    """Each thread's own scratch memory by name."""

    def __init__(self) -> None:
        self.arrays: dict[str, NDArray[np.uint8]] = {}


_workspaces = _Workspaces()


def workspace(name: str, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """Scratch memory of this thread, with anything in it, valid until its next request under ``name``."""
    dtype = np.dtype(dtype)
    nbytes = math.prod(shape) * dtype.itemsize
    block = _workspaces.arrays.get(name)
    if block is None or block.nbytes < nbytes:
        whole = np.empty(nbytes + ALIGNMENT, np.uint8)
        block = whole[_offset(whole) :][: max(nbytes, 1)]
        _workspaces.arrays[name] = block
    return np.ndarray(shape, dtype, block)
