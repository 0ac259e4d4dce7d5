"""The resident memory of this process and its helpers, and its highest since a moment of one's choosing. Linux only."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Self

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_RESET_PEAK = "5"  # proc(5): sets the peak resident set size to the current one
_POLL_SECONDS = 0.002


def resident_bytes(field: str = "VmRSS") -> int | None:
    """VmRSS, the resident memory now, or VmHWM, the most there ever was; None where /proc does not tell."""
    try:
        lines = STATUS.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    return None


def helpers_bytes() -> int:
    """Memory of this process's children that is theirs alone: what they share with it is counted there."""
    total = 0
    for children in Path("/proc/self/task").glob("*/children"):
        for child in children.read_text(encoding="ascii").split():
            try:
                lines = Path(f"/proc/{child}/smaps_rollup").read_text(encoding="ascii").splitlines()
            except OSError:
                continue  # it has just ended
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Private")) * 1024
    return total


class Peak:
    """The most resident memory between entering and leaving, with the memory that helper processes have in the end.

    The kernel keeps the peak, and is asked to forget the older one. Where it may not be asked, a thread looks every
    2 ms and may miss a short peak.

    Attributes:
        before: bytes on entering.
        highest: bytes at the peak, once left.
        exact: whether the kernel kept it.
    """

    def __enter__(self) -> Self:
        before = resident_bytes()
        if before is None:
            raise OSError(f"{STATUS} does not tell the resident memory of a process here")
        self.before = self.highest = before
        try:
            CLEAR.write_text(_RESET_PEAK, encoding="ascii")
            self.exact = True
        except OSError:
            self.exact = False
            self._stop = threading.Event()
            self._poller = threading.Thread(target=self._poll, daemon=True)
            self._poller.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self.exact:
            self.highest = resident_bytes("VmHWM") or self.highest
        else:
            self._stop.set()
            self._poller.join()
        self.highest += helpers_bytes()  # it only grows: their workspaces are kept

    def _poll(self) -> None:
        while not self._stop.wait(_POLL_SECONDS):
            self.highest = max(self.highest, resident_bytes() or 0)
