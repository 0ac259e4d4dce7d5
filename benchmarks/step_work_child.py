"""The process in which step_work.py counts."""

from __future__ import annotations

import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from benchmarks.peers.architectures import NETS
from benchmarks.peers.child import serve
from benchmarks.peers.contender import Task
from benchmarks.peers.gpunet_peer import GpunetContender

_COPYTO = np.copyto


class _Counting:
    """Stands for one of NumPy's functions and counts its calls; all else it has is the function's."""

    def __init__(self, function: Callable[..., Any], counts: dict[str, int]) -> None:
        self._function, self._counts = function, counts

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        result = self._function(*arguments, **named)
        self._counts["numpy_calls"] += 1
        self._counts["written_bytes"] += self._written(arguments, named, result)
        return result

    def _written(self, arguments: Any, named: Any, result: Any) -> int:
        if self._function is _COPYTO:
            return int(arguments[0].nbytes)
        if named.get("out") is not None:
            return _bytes(named["out"])
        return _bytes(result, fresh=True)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._function, name)


def _bytes(result: Any, fresh: bool = False) -> int:
    """Of an array, or of several; ``fresh`` passes over views, which nothing was written for."""
    if isinstance(result, tuple | list):
        return sum(_bytes(each, fresh) for each in result)
    counts = isinstance(result, np.ndarray) and not (fresh and result.base is not None)
    return int(result.nbytes) if counts else 0


@contextmanager
def counting() -> Iterator[dict[str, int]]:
    """Counts what is called within, in every thread that starts within."""
    counts = {"numpy_calls": 0, "array_methods": 0, "written_bytes": 0}
    functions = {
        name: value
        for name, value in vars(np).items()
        if callable(value) and not isinstance(value, type) and not name.startswith("_")
    }

    def profile(_: Any, event: str, argument: Any) -> None:
        if event == "c_call" and isinstance(getattr(argument, "__self__", None), np.ndarray):
            counts["array_methods"] += 1

    for name, function in functions.items():
        setattr(np, name, _Counting(function, counts))
    threading.setprofile(profile)
    sys.setprofile(profile)
    try:
        yield counts
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
        for name, function in functions.items():
            setattr(np, name, function)


class CountingChild:
    """Counts in a process of its own, in which nothing has been computed before."""

    def do_count(self, net: str, batch_size: int) -> dict[str, int]:
        """The figures of a net."""
        contender = GpunetContender(Task(NETS[net], batch_size, "numpy", 1))
        tracemalloc.start(1)
        before, _ = tracemalloc.get_traced_memory()
        contender.build()
        for _ in range(3):
            contender.step()
        left, peak = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        contender.step()
        _, fresh = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        with counting() as counts:
            contender.step()
        return counts | {"peak_bytes": peak - before, "fresh_bytes": fresh - left}


def main() -> None:
    """Serve commands."""
    serve(CountingChild())
