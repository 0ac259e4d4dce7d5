"""Ctrl-C and SIGTERM, answered at the end of a batch instead of in the middle of a computation."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class TrainingInterrupted(KeyboardInterrupt):
    """The training was stopped from outside; what a run directory needs to continue is written.

    A `KeyboardInterrupt`, so that whoever does not expect it stops.

    Attributes:
        signal_number: signal.SIGINT (Ctrl-C) or signal.SIGTERM.
    """

    def __init__(self, message: str, signal_number: int = signal.SIGINT) -> None:
        super().__init__(message)
        self.signal_number = int(signal_number)


class Interruption:
    """Whether someone asked to stop.

    Attributes:
        signal_number: the signal that came, or None.
    """

    def __init__(self) -> None:
        self.signal_number: int | None = None

    def _note(self, number: int, _: FrameType | None) -> None:
        if self.signal_number is not None:
            raise KeyboardInterrupt  # asked twice: a batch may take long, and patience is over
        self.signal_number = number


@contextmanager
def watch(interruption: Interruption) -> Iterator[None]:
    """Within the block, the first Ctrl-C or SIGTERM is noted and a second raises KeyboardInterrupt.

    Only the main thread gets signals; in another one nothing is ever noted.
    """
    interruption.signal_number = None
    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for number in (int(signal.SIGINT), int(signal.SIGTERM)):
            if signal.getsignal(number) is not None:  # None: set by other than Python, and not ours to replace
                before[number] = signal.signal(number, interruption._note)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
