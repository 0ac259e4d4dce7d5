"""What a checked program left in the report file: findings, and how much was checked."""

from __future__ import annotations

import json
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
    active: the check was at work in every process that launched a kernel. exact: every array was an allocation of its
    own there.
    """

    findings: tuple[dict[str, Any], ...]
    launches: int
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
        active=all(event["active"] for event in launches),
        exact=all(event["exact"] for event in launches),
    )


def judge(report: Report, check: str) -> list[str]:
    """Why the check cannot count as passed, one sentence each; nothing when it can."""
    if report.launches == 0:
        return ["no kernel ran, so nothing was checked. Does the program use CuPy?"]
    reasons = []
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


def summary(report: Report, check: str) -> list[str]:
    """The lines to end with."""
    kernels = f"{report.launches:,} kernel launches"
    if not report.findings:
        return [f"--check {check}: nothing found in {kernels}"]
    count = len(report.findings)
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
