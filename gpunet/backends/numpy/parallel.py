"""All cores, by standing worker threads that each use one BLAS thread.

NumPy lets go of the interpreter while it copies and multiplies, so threads of Python work side by side. That is quicker
than BLAS's own threads on the small products of a convolution, and does not collapse when something else needs a core.

Results do not depend on the number of threads: work is cut into pieces by size alone, and what is summed over pieces is
summed in their order.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import Context, copy_context
from functools import cache, partial
from queue import SimpleQueue
from typing import Any, TypeVar

from threadpoolctl import ThreadpoolController

from gpunet.errors import BackendError

UNCUT_BYTES = 4 << 20  # work below it is done by one thread: to wake another takes as long

T = TypeVar("T")
Piece = TypeVar("Piece")
THREADS_VARIABLE = "GPUNET_NUM_THREADS"
SHARES = 4  # pieces of a batch, so that there is something to share out, ...
SHARE_BYTES = 2 << 20  # ... unless they would be smaller than this
PIECE_BYTES = 1 << 20  # about one core's L2 cache: several passes over a piece read memory once


@cache
def thread_count() -> int:
    """Threads to compute with: $GPUNET_NUM_THREADS, or as many as this process has cores.

    Raises:
        BackendError: the variable is no positive integer.
    """
    text = os.environ.get(THREADS_VARIABLE)
    if text is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not text.isdecimal() or int(text) < 1:
        raise BackendError(f"{THREADS_VARIABLE} must be a positive integer, got {text!r}.")
    return int(text)


class _SingleThreadedBlas:
    """Holds BLAS to one thread while at least one call is inside, and gives back what was set before."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._depth = 0
        self._controller: Any = None
        self._previous: list[int] = []

    def enter(self) -> None:
        with self._lock:
            self._depth += 1
            if self._depth == 1:
                if self._controller is None:
                    self._controller = ThreadpoolController().select(user_api="blas")
                libraries = self._controller.lib_controllers
                self._previous = [library.num_threads for library in libraries]
                for library in libraries:
                    library.set_num_threads(1)

    def leave(self) -> None:
        with self._lock:
            self._depth -= 1
            if self._depth == 0:
                for library, previous in zip(self._controller.lib_controllers, self._previous, strict=True):
                    library.set_num_threads(previous)


_blas = _SingleThreadedBlas()


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """One BLAS thread for each call inside; nests, and costs some microseconds."""
    _blas.enter()
    try:
        yield
    finally:
        _blas.leave()


class _Worker(threading.local):
    """Whether this thread is already working on a piece; a piece is not cut again."""

    busy = False


_worker = _Worker()


class _Crew:
    """Standing threads, one for each core but the caller's, that wait for something to help with.

    A hand-over through a queue takes half as long as one to an executor, and small nets are made of hand-overs.
    """

    def __init__(self, size: int) -> None:
        self.tasks: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        for number in range(size):
            threading.Thread(target=self._stand, name=f"gpunet-{number}", daemon=True).start()
        self.size = size

    def _stand(self) -> None:
        while (task := self.tasks.get()) is not None:
            task()

    def dismiss(self) -> None:
        """Let the threads end."""
        for _ in range(self.size):
            self.tasks.put(None)


@cache
def _crew() -> _Crew:
    return _Crew(max(1, thread_count() - 1))


if hasattr(os, "register_at_fork"):
    # A forked child has none of its parent's threads; it makes a crew of its own.
    os.register_at_fork(after_in_child=_crew.cache_clear)


def run(job: Callable[[Piece], T], pieces: Sequence[Piece]) -> list[T]:
    """``job(piece)`` for each piece, on all cores; the results in the order of the pieces."""
    workers = min(thread_count(), len(pieces))
    with single_threaded_blas():
        if workers <= 1 or _worker.busy:
            return [job(piece) for piece in pieces]
        results: list[Any] = [None] * len(pieces)
        waiting = iter(enumerate(pieces))
        lock = threading.Lock()

        def work() -> None:
            _worker.busy = True
            try:
                while True:
                    with lock:
                        index, piece = next(waiting, (None, None))
                    if index is None or piece is None:
                        return
                    results[index] = job(piece)
            finally:
                _worker.busy = False

        finished: SimpleQueue[BaseException | None] = SimpleQueue()
        helping = 0  # workers that have begun
        late = False

        def help_out(context: Context) -> None:
            nonlocal helping
            with lock:
                if late:
                    return
                helping += 1
            try:
                context.run(work)
            except BaseException as error:  # noqa: BLE001 - handed to the caller, who raises it
                finished.put(error)
            else:
                finished.put(None)

        for _ in range(workers - 1):
            # A copied context carries np.errstate, and with it the caller's choice of warnings, to the worker.
            _crew().tasks.put(partial(help_out, copy_context()))
        try:
            work()
        finally:
            with lock:
                late = True  # who has not woken up yet need not
            # Never leave while a worker still writes into the results.
            errors = [finished.get() for _ in range(helping)]
        for error in errors:
            if error is not None:
                raise error
        return results


def cache_sized(count: int, nbytes: int) -> list[slice]:
    """``range(count)`` cut so that each piece of an array of ``nbytes``, cut along that axis, fits the cache.

    A small array is not cut: handing over its pieces would take longer than the work.
    """
    if nbytes <= UNCUT_BYTES:
        return pieces(count, count)
    return pieces(count, PIECE_BYTES * count // max(1, nbytes))


def shares(count: int, most: int, nbytes: int) -> list[slice]:
    """``range(count)`` cut into pieces of at most ``most``, and into `SHARES` of them if they are worth a hand-over.

    Args:
        nbytes: of the work on all of them together.
    """
    worth = count * SHARE_BYTES // max(1, nbytes)
    return pieces(count, min(most, max(worth, -(-count // SHARES))))


def pieces(count: int, size: int) -> list[slice]:
    """``range(count)`` cut into slices of ``size``, the last one shorter."""
    size = max(1, size)
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]
