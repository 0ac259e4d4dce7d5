"""A primitive's work, cut into pieces and shared out to all cores.

Results do not depend on the number of cores: work is cut into pieces by size alone, and what is summed over pieces is
summed in their order.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from gpunet.backends.numpy import memory, threads
from gpunet.backends.numpy.blas import single_threaded_blas
from gpunet.backends.numpy.helpers import Helpers
from gpunet.backends.numpy.job import Job
from gpunet.backends.numpy.shared_memory import Arena
from gpunet.backends.numpy.threads import thread_count
from gpunet.errors import BackendError

HELPERS_VARIABLE = "GPUNET_HELPERS"
CHOICES = ("processes", "threads")

HELPED_BYTES = 1 << 18  # less work than that is done by one process: to tell another takes as long
THREADS_BYTES = 4 << 20  # ... and threads take longer to wake each other


class _State(threading.local):
    """Whether this thread is at work on a piece; a piece is not cut again."""

    at_work = False


_state = _State()
_helpers: Helpers | None = None
_tried = False  # to get helpers


def run(job: Callable[[Any], object], pieces: Sequence[Any], nbytes: int) -> None:
    """``job(piece)`` for each piece, on all cores.

    Args:
        job: a `Job` goes to helper processes, anything else to threads.
        nbytes: of the arrays that are read and written, all together.
    """
    with single_threaded_blas():
        alone = len(pieces) < 2 or _state.at_work or thread_count() == 1
        if not alone and isinstance(job, Job) and nbytes >= HELPED_BYTES:
            helpers = _get_helpers()
            if helpers is not None and helpers.run(job, pieces):
                return
        if alone or nbytes < THREADS_BYTES:
            for piece in pieces:
                job(piece)
            return
        threads.run(_Once(job), pieces)


class _Once:
    """A job that does not share out its own work again."""

    def __init__(self, job: Callable[[Any], object]) -> None:
        self._job = job

    def __call__(self, piece: Any) -> None:
        _state.at_work = True
        try:
            self._job(piece)
        finally:
            _state.at_work = False


def helper_kind() -> str:
    """``"processes"`` or ``"threads"``: $GPUNET_HELPERS, or processes where the system can share memory with them.

    Raises:
        BackendError: the variable is neither.
    """
    text = os.environ.get(HELPERS_VARIABLE)
    if text is not None and text not in CHOICES:
        raise BackendError(f"{HELPERS_VARIABLE} must be one of {', '.join(CHOICES)}, got {text!r}.")
    # A frozen program's executable is that program: it would start itself.
    possible = hasattr(os, "memfd_create") and bool(sys.executable) and not getattr(sys, "frozen", False)
    return "processes" if possible and text != "threads" else "threads"


def _get_helpers() -> Helpers | None:
    """The helper processes, if there can be any. The first call starts them, and waits for nothing."""
    global _helpers, _tried
    if _helpers is not None and _helpers.gone:
        _helpers, _tried = None, False
    if not _tried:
        _tried = True
        if helper_kind() == "processes":
            with suppress(OSError):  # so many addresses, or another process, are not to be had
                arena = memory.arena() or Arena()
                memory.use(arena)
                _helpers = Helpers(thread_count() - 1, arena)
    return _helpers


def dismiss_helpers() -> None:
    """Let the helper processes end; the next job starts others."""
    global _helpers, _tried
    if _helpers is not None and not _helpers.gone:
        _helpers.dismiss()
    _helpers, _tried = None, False


_parted: tuple[int, int] | None = None  # a pipe, while this process is forked: the child closes it when it has parted


def _before_fork() -> None:
    global _parted
    if memory.arena() is not None:
        _parted = os.pipe()


def _after_fork() -> None:
    """In the parent: what is shared stays as it is until the child has its own of it."""
    global _parted
    if _parted is not None:
        os.close(_parted[1])
        os.read(_parted[0], 1)  # nothing, at the end
        os.close(_parted[0])
        _parted = None


def _part() -> None:
    """In a forked child: leave helpers and shared memory to the parent."""
    global _helpers, _tried, _parted
    if _helpers is not None and not _helpers.gone:
        _helpers.part()
    arena = memory.arena()
    if arena is not None:
        memory.use(None)
        arena.part()
    _helpers, _tried = None, False
    if _parted is not None:
        for end in _parted:
            os.close(end)
        _parted = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_part)
