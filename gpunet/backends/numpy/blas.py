"""One BLAS thread for each matrix product: the cores are shared out above it, see `parallel`."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from threadpoolctl import ThreadpoolController


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
