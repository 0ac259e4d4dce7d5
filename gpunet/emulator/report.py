"""What a checked program left in the report file: findings, and how much was checked."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpunet.errors import BackendError

_SHOWN = 20  # findings in the summary; the rest is counted


@dataclass(frozen=True)
class Report:
    """What was found.

    findings: as the device library and the runtime wrote them. launches: of kernels, in all processes.
    traces: launches whose memory sectors were counted. active: the check was at work in every process that launched a
    kernel. exact: every array was an allocation of its own there.
    """

    findings: tuple[dict[str, Any], ...]
    launches: int
    traces: int
    active: bool
    exact: bool


def read_report(path: Path) -> Report:
    """Read the file; one that is absent says that nothing happened."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        lines = []
    events = list(_events(path, lines))
    launches = [event for event in events if event.get("event") == "launches"]
    return Report(
        findings=tuple(event for event in events if event.get("event") == "finding"),
        launches=sum(int(event["count"]) for event in launches),
        traces=sum(event.get("event") == "trace" for event in events),
        active=all(event["active"] for event in launches),
        exact=all(event["exact"] for event in launches),
    )


def judge(report: Report, check: str, status: int = 0) -> list[str]:
    """Why the check cannot count as passed, one sentence each; nothing when it can.

    Args:
        report: what the program left.
        check: the check's name.
        status: the program's, negative after a signal.
    """
    ended = f"was ended by {signal.Signals(-status).name}" if status < 0 else f"failed (exit status {status})"
    if report.launches == 0 and status == 0:
        return ["no kernel ran, so nothing was checked. Does the program use CuPy?"]
    if report.launches == 0:
        return [f"the command {ended} before any kernel ran, so nothing was checked"]
    reasons = []
    if status < 0:
        count = len(report.findings)
        reasons.append(
            f"the command {ended}, so not all of it was checked ({count} finding{'' if count == 1 else 's'} until then)"
        )
    if not report.active:
        reasons.append(
            f"the check {check} was not at work in every process that launched kernels. "
            "Start the Python program itself, not a script around it"
        )
    if not report.exact and check in {"bounds", "memory"}:
        reasons.append(
            "CuPy's memory pool could not be switched off in every process, so accesses outside of arrays may have "
            "been missed. Do not start Python with -I, -E or -S"
        )
    return reasons


def summary(report: Report, check: str, status: int = 0, kept: Path | None = None) -> list[str]:
    """The lines to end with.

    Args:
        report: what the program left.
        check: the check's name.
        status: the program's.
        kept: the file that the user keeps the report in, if any.
    """
    kernels = f"{report.launches:,} kernel launch{'' if report.launches == 1 else 'es'}"
    failed = f"; the command itself failed (exit status {status})" if status > 0 else ""
    count = len(report.findings)
    if not report.findings and check == "trace":
        written = f"one line of JSON for each of them in {kept}" if kept else "to keep the counts give --report FILE"
        return [f"--check trace: sectors counted in {report.traces:,} of {kernels}; {written}{failed}"]
    if not report.findings:
        return [f"--check {check}: nothing found in {kernels}{failed}"]
    lines = [f"--check {check}: {count} finding{'s' if count > 1 else ''} in {kernels}"]
    lines += [f"  {_shown(finding)}" for finding in report.findings[:_SHOWN]]
    if count > _SHOWN:
        lines.append(f"  and {count - _SHOWN} more")
    return lines


def _shown(finding: dict[str, Any]) -> str:
    parts = [f"{finding.get('file')}:{finding.get('line')}: kernel {finding.get('kernel')}"]
    places = [(name, finding[name]) for name in ("block", "thread") if finding.get(name) is not None]
    parts += [f"{name} ({', '.join(map(str, place))})" for name, place in places]
    return f"{', '.join(parts)}: {finding.get('message')}"


def _events(path: Path, lines: Iterable[str]) -> Iterable[dict[str, Any]]:
    for number, line in enumerate(lines, 1):
        try:
            event = json.loads(line)
        except json.JSONDecodeError:
            raise BackendError(f"{path}, line {number}: the report of the check is damaged. Run it again") from None
        yield event
