"""Jobs for the tests of helper processes, in a module of their own, which the helpers import by its name."""

from __future__ import annotations

import os
import signal
import time
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpunet.backends.numpy.job import Job


@dataclass(frozen=True)
class WhoWorks(Job):
    """Writes to each place which process did it, after some time."""

    processes: np.ndarray
    seconds: float = 0.002
    outputs = ("processes",)

    def __call__(self, piece: slice) -> None:
        time.sleep(self.seconds)
        self.processes[piece] = os.getpid()


@dataclass(frozen=True)
class Twice(Job):
    """y = 2 x, in whatever layout."""

    x: np.ndarray
    y: np.ndarray
    outputs = ("y",)

    def __call__(self, piece: slice) -> None:
        np.multiply(self.x[piece], 2, out=self.y[piece])


@dataclass(frozen=True)
class InHelper(Job):
    """Does something, in helpers alone; the caller only takes its time."""

    y: np.ndarray
    caller: int
    what: str
    outputs = ("y",)

    def __call__(self, _: Any) -> None:
        if os.getpid() == self.caller:
            time.sleep(0.02)
        else:
            getattr(self, self.what)()

    def raise_value_error(self) -> None:
        raise ValueError("a piece that went wrong")

    def raise_unpicklable(self) -> None:
        raise type("Local", (Exception,), {})("cannot be handed over")

    def warn(self) -> None:
        warnings.warn("look here", UserWarning, stacklevel=1)

    def overflow(self) -> None:
        np.float32(3e38) * np.float32(10)

    def die(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def leave(self) -> None:
        os._exit(3)


@dataclass(frozen=True)
class WritesInput(Job):
    """Writes to what is not among its outputs."""

    x: np.ndarray
    y: np.ndarray
    caller: int
    outputs = ("y",)

    def __call__(self, _: Any) -> None:
        time.sleep(0.02)
        if os.getpid() != self.caller:
            self.x[0] = 1


@dataclass(frozen=True)
class RaisesInCaller(Job):
    """Raises in the caller; helpers note which pieces they have done."""

    done: np.ndarray
    caller: int
    error: type[BaseException]
    outputs = ("done",)

    def __call__(self, piece: slice) -> None:
        time.sleep(0.01)
        if os.getpid() == self.caller:
            raise self.error("the caller's own")
        self.done[piece] += 1
