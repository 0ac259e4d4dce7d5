"""Running NumPy code without computing, to see what memory it would need.

The code is the backend's own: which algorithm is chosen, what it keeps in workspaces and what lives when follow from
running it, on arrays without numbers (`phantom`). Only where memory comes from is replaced, in this thread alone: the
pool and the workspaces of `memory` hand out phantoms and count them, by the rules of the real ones.
"""

from __future__ import annotations

import math
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.lib import stride_tricks

from gpunet.backends.numpy import memory, parallel, selection
from gpunet.backends.numpy.backend import NumpyBackend
from gpunet.backends.numpy.phantom import Phantom, phantom

_BEFORE_AND_AFTER = 2  # pieces of work that may differ from those in between: at the edges of the batch or of an image

_one_at_a_time = threading.Lock()


class _Life:
    """Ends when the array that holds it, and with it all views of that array, is gone."""

    __slots__ = ("_end",)

    def __init__(self, end: Any) -> None:
        self._end = end

    def __del__(self) -> None:
        self._end()


class _Block:
    """A block of the pool."""

    __slots__ = ("used",)

    def __init__(self) -> None:
        self.used = True

    def free(self) -> None:
        self.used = False


class DryRun:
    """What would be allocated, one thread computing.

    Attributes:
        current: bytes allocated now: arrays, blocks of the pool whether used or not, workspaces.
        peak: the most since the beginning or `reset_peak`.
    """

    def __init__(self) -> None:
        self._bytes = 0
        self.peak = 0
        self._blocks: dict[int, list[_Block]] = {}
        self._workspaces: dict[str, int] = {}
        self._real_before, _ = tracemalloc.get_traced_memory()

    @property
    def current(self) -> int:
        """See the class. Arrays that NumPy made for itself, such as zeros to add to, are in it."""
        return self._bytes + tracemalloc.get_traced_memory()[0] - self._real_before

    def reset_peak(self) -> None:
        """Begin to look for the peak anew."""
        tracemalloc.reset_peak()
        self.peak = self.current

    def note(self) -> None:
        """Look whether this is the peak, or something since the last look was; called before and after any change."""
        self.peak = max(self.peak, self._bytes + tracemalloc.get_traced_memory()[1] - self._real_before)
        tracemalloc.reset_peak()

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Phantom:
        """As `memory.Pool.empty`."""
        nbytes = math.prod(shape) * np.dtype(dtype).itemsize
        if nbytes < memory.SMALLEST:
            return phantom(shape, dtype, self._allocate)
        return self.block_of(shape, dtype, nbytes)

    def block_of(self, shape: tuple[int, ...], dtype: Any, nbytes: int) -> Phantom:
        """As `memory.Pool.block_of`."""
        block = self._block(memory._rounded(nbytes) + memory.ALIGNMENT)
        array = phantom(shape, dtype, lambda _: _Life(block.free))
        array.allocate, array.owns = self._allocate, False  # what is computed from it is not in the pool
        return array

    def workspace(self, name: str, shape: tuple[int, ...], dtype: Any) -> Phantom:
        """As `memory.workspace`."""
        nbytes = math.prod(shape) * np.dtype(dtype).itemsize
        if self._workspaces.get(name, -1) < nbytes:
            self._add(nbytes + memory.ALIGNMENT)  # the one before is let go when this one is there
            if name in self._workspaces:
                self._bytes -= self._workspaces[name] + memory.ALIGNMENT
            self._workspaces[name] = nbytes
        array = phantom(shape, dtype, _free_of_charge)
        array.allocate, array.owns = self._allocate, False
        return array

    @property
    def workspaces(self) -> int:
        """Bytes of the workspaces; each further thread that computes has as many at most."""
        return sum(self._workspaces.values()) + len(self._workspaces) * memory.ALIGNMENT

    def array(self, shape: tuple[int, ...], dtype: Any) -> Phantom:
        """An array of NumPy's own, as of `numpy.empty`."""
        return phantom(shape, dtype, self._allocate)

    def _allocate(self, nbytes: int) -> _Life:
        self._add(nbytes)

        def end() -> None:
            self.note()
            self._bytes -= nbytes

        return _Life(end)

    def _add(self, nbytes: int) -> None:
        self.note()
        self._bytes += nbytes
        self.peak = max(self.peak, self.current)

    def _block(self, size: int) -> _Block:
        """As `memory.Pool._block`."""
        blocks = self._blocks.setdefault(size, [])
        for block in blocks:
            if not block.used:
                block.used = True
                return block
        self._give_back()
        self._add(size)
        blocks.append(_Block())
        return blocks[-1]

    def _give_back(self) -> None:
        """As `memory.Pool._give_back`."""
        unused = 0
        for size in sorted(self._blocks):
            kept = []
            for block in self._blocks[size]:
                if not block.used:
                    unused += size
                    if unused > memory.KEPT_BYTES:
                        self._bytes -= size
                        continue
                kept.append(block)
            self._blocks[size][:] = kept


class DryBackend(NumpyBackend):
    """The NumPy backend, for a net whose arrays are phantoms.

    Args:
        run: where memory comes from.
    """

    def __init__(self, run: DryRun) -> None:
        self.xp: Any = _DryNumpy(run)

    def asarray(self, array: Any, dtype: Any = None) -> np.ndarray:
        """See `Backend.asarray`; a phantom stays one."""
        return self.xp.asarray(array, dtype)


class _DryNumpy:
    """NumPy, whose functions that make an array make a phantom."""

    def __init__(self, run: DryRun) -> None:
        self._run = run

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    def empty(self, shape: Any, dtype: Any = float, **_: Any) -> Phantom:
        return self._run.array(tuple(shape) if isinstance(shape, Iterable) else (shape,), dtype)

    zeros = ones = empty

    def full(self, shape: Any, value: Any, dtype: Any = None, **_: Any) -> Phantom:
        return self.empty(shape, np.asarray(value).dtype if dtype is None else dtype)

    def asarray(self, array: Any, dtype: Any = None) -> Any:
        if isinstance(array, Phantom):
            return array if dtype is None else array.astype(dtype, copy=False)
        return np.asarray(array, dtype=dtype)

    def ascontiguousarray(self, array: Any, dtype: Any = None) -> Any:
        if isinstance(array, Phantom):
            return array if array.flags.c_contiguous and dtype in (None, array.dtype) else array.copy()
        return np.ascontiguousarray(array, dtype=dtype)


@contextmanager
def dry_run() -> Iterator[DryRun]:
    """Within the block, what this thread computes from the run's arrays is not computed; other threads do not notice.

    Memory that NumPy gets hold of by itself is counted by `tracemalloc`, which is switched on within the block: what
    other threads allocate meanwhile counts too, and a peak that somebody else is tracing begins anew.
    """
    with _one_at_a_time:
        tracing = tracemalloc.is_tracing()
        if not tracing:
            tracemalloc.start()
        run = DryRun()
        selection._zeros.cache_clear()  # what is kept since before would not be seen to be allocated
        thread = threading.get_ident()
        real_pool, real_workspace, real_run = memory._pool, memory.workspace, parallel.run

        class Pool:
            """The run's for its thread, the real one for others."""

            def __getattr__(self, name: str) -> Any:
                counted = name in {"empty", "block_of"} and threading.get_ident() == thread
                return getattr(run if counted else real_pool, name)

            def __setattr__(self, name: str, value: Any) -> None:
                setattr(real_pool, name, value)

        def workspace(name: str, shape: tuple[int, ...], dtype: Any) -> Any:
            one = run.workspace if threading.get_ident() == thread else real_workspace
            return one(name, shape, dtype)

        def run_pieces(job: Any, pieces: Any, nbytes: int) -> None:
            (_run_some if threading.get_ident() == thread else real_run)(job, pieces, nbytes)

        strided = [module for module in _modules() if hasattr(module, "as_strided")]
        memory._pool, memory.workspace = Pool(), workspace  # type: ignore[assignment]
        for module in strided:
            module.as_strided = _as_strided
        parallel.run = run_pieces
        try:
            with np.errstate(all="ignore"):
                yield run
        finally:
            memory._pool, memory.workspace = real_pool, real_workspace
            for module in strided:
                module.as_strided = stride_tricks.as_strided
            parallel.run = real_run
            if not tracing:
                tracemalloc.stop()


def _run_some(job: Callable[[Any], object], pieces: Sequence[Any], _: int) -> None:
    """As `parallel.run` alone; the pieces in between are left out: they are alike."""
    for number, piece in enumerate(pieces):
        if not _BEFORE_AND_AFTER <= number < len(pieces) - _BEFORE_AND_AFTER:
            job(piece)


def _modules() -> list[Any]:
    """Those of this backend."""
    return [module for name, module in sys.modules.items() if name.startswith(f"{__package__}.")]


def _as_strided(x: Any, shape: Any, strides: Any, writeable: bool = True) -> Any:
    """As NumPy's, which makes a plain array of a phantom unless it is told not to."""
    return stride_tricks.as_strided(x, shape, strides, isinstance(x, Phantom), writeable)


def _free_of_charge(nbytes: int) -> None:
    """Of a workspace: it stays when the array has gone."""
