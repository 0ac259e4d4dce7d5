"""What kernels read and wrote, as the emulator's tracer counted it, put beside what the backend launched.

The tracer writes one line of JSON for every launch of the process, CuPy's own kernels included; trace_kernels.py writes
which kernels of gpunet it launched, in order. Both orders are the program's, so the two lists are matched one by one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.kernel_workloads import Launch

SECTOR = 32  # bytes; what a GPU's memory moves at least
KINDS = ("loads", "stores", "atomics")


class TraceError(Exception):
    """A trace that cannot be read, or that does not belong to the launches."""


@dataclass(frozen=True)
class Traffic:
    """Global memory of one launch or of several.

    Attributes:
        requests: executions of a load, store or atomic operation by a warp.
        sectors: distinct 32-byte sectors that each request touches, added up.
        ideal_sectors: the fewest sectors that could hold the bytes of each request, added up.
        distinct_sectors: that the launch touches in all, however often; what is read and written counts twice.
    """

    requests: int = 0
    sectors: int = 0
    ideal_sectors: int = 0
    distinct_sectors: int = 0

    def __add__(self, other: Traffic) -> Traffic:
        return Traffic(
            self.requests + other.requests,
            self.sectors + other.sectors,
            self.ideal_sectors + other.ideal_sectors,
            self.distinct_sectors + other.distinct_sectors,
        )

    @property
    def sectors_over_ideal(self) -> float:
        """1 where every warp asks for bytes that lie side by side."""
        return self.sectors / self.ideal_sectors

    @property
    def traffic_over_floor(self) -> float:
        """How often each byte is asked for; caches serve what is above 1."""
        return self.sectors / self.distinct_sectors

    @property
    def bytes_moved(self) -> int:
        """Between multiprocessors and first-level caches."""
        return self.sectors * SECTOR

    @property
    def bytes_floor(self) -> int:
        """What would be moved if every sector were asked for once."""
        return self.distinct_sectors * SECTOR

    def as_json(self) -> dict[str, float]:
        """Counts and ratios."""
        names = ("sectors_over_ideal", "traffic_over_floor", "bytes_moved", "bytes_floor")
        return {**vars(self), **{name: getattr(self, name) for name in names}}


def read_launches(path: Path) -> list[Launch]:
    """What trace_kernels.py wrote.

    Raises:
        TraceError: it is not there, or is something else.
    """
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        return [
            Launch(**{**entry, "constants": tuple((name, value) for name, value in entry["constants"])})
            for entry in entries
        ]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise TraceError(f"{path} holds no launches: {error}") from None


def read_traffic(report: Path, launches: Iterable[Launch], files: Iterable[str]) -> list[tuple[Launch, Traffic]]:
    """The traffic of each launch.

    Args:
        report: of the tracer.
        launches: in order.
        files: the kernel files of gpunet, without ``.cu``; launches of other files are passed over.

    Raises:
        TraceError: a line is of another form, the two lists differ, or a kernel seems to touch nothing.
    """
    own = {f"{file}.cu" for file in files}
    traced = [entry for entry in _entries(report) if Path(str(entry["file"])).name in own]
    expected = list(launches)
    if len(traced) != len(expected):
        raise TraceError(f"{report} has {len(traced)} launches of gpunet's kernels, the program made {len(expected)}")
    for number, (entry, launch) in enumerate(zip(traced, expected, strict=True)):
        name = f"{Path(str(entry['file'])).stem}.{entry['kernel']}"
        if name != f"{launch.file}.{launch.kernel}":
            raise TraceError(f"{report}: launch {number} is {name}, the program launched {launch.file}.{launch.kernel}")
    found = [(launch, _traffic(report, entry)) for launch, entry in zip(expected, traced, strict=True)]
    for launch, traffic in found:
        if not traffic.requests:
            raise TraceError(f"{report}: the tracer saw no access of {launch.file}.{launch.kernel} to device memory")
    return found


def _entries(report: Path) -> list[dict[str, Any]]:
    entries = []
    try:
        lines = report.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise TraceError(f"{report}: {error.strerror}") from None
    for number, line in enumerate(lines, 1):
        try:
            entry = json.loads(line)
        except ValueError as error:
            raise TraceError(f"{report}, line {number} is no JSON: {error}") from None
        if isinstance(entry, dict) and entry.get("event") == "trace":
            entries.append(entry)
    return entries


def _traffic(report: Path, entry: Mapping[str, Any]) -> Traffic:
    total = Traffic()
    try:
        for kind in KINDS:
            counts = entry[kind]
            total += Traffic(
                counts["requests"], counts["sectors"], counts["ideal_sectors"], counts["footprint_bytes"] // SECTOR
            )
    except (KeyError, TypeError) as error:
        raise TraceError(f"{report}: the trace of {entry.get('kernel')} lacks {error}") from None
    return total
