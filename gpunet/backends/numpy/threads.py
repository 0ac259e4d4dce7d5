"""Standing threads, one for each core but the caller's: help where there can be no helper processes.

NumPy lets go of the interpreter while it copies and multiplies, so threads of Python work side by side, if their calls
into NumPy are long.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from contextvars import Context, copy_context
from functools import cache, partial
from queue import SimpleQueue
from typing import Any

from gpunet.errors import BackendError

THREADS_VARIABLE = "GPUNET_NUM_THREADS"


@cache
def thread_count() -> int:
    """Cores to compute with: $GPUNET_NUM_THREADS, or as many as this process may use.

    Raises:
        BackendError: the variable is no positive integer.
    """
    text = os.environ.get(THREADS_VARIABLE)
    if text is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not text.isdecimal() or int(text) < 1:
        raise BackendError(f"{THREADS_VARIABLE} must be a positive integer, got {text!r}.")
    return int(text)


class Crew:
    """The threads. A hand-over through a queue takes half as long as one to an executor."""

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
def _crew() -> Crew:
    return Crew(max(1, thread_count() - 1))


if hasattr(os, "register_at_fork"):
    # A forked child has none of its parent's threads; it makes a crew of its own.
    os.register_at_fork(after_in_child=_crew.cache_clear)


def run(job: Callable[[Any], object], pieces: Sequence[Any]) -> None:
    """``job(piece)`` for each piece, by this thread and the others."""
    waiting = iter(pieces)
    lock = threading.Lock()

    def work() -> None:
        while True:
            with lock:
                piece = next(waiting, None)
            if piece is None:
                return
            job(piece)

    finished: SimpleQueue[BaseException | None] = SimpleQueue()
    helping = 0  # threads that have begun
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

    for _ in range(min(thread_count(), len(pieces)) - 1):
        # A copied context carries np.errstate, and with it the caller's choice of warnings.
        _crew().tasks.put(partial(help_out, copy_context()))
    try:
        work()
    finally:
        with lock:
            late = True  # who has not woken up yet need not
        # Never leave while another still writes into the results.
        errors = [finished.get() for _ in range(helping)]
    for error in errors:
        if error is not None:
            raise error
