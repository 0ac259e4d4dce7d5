"""Looking up what a report of the doctor says."""

from __future__ import annotations

import sys

from gpunet.doctor import Finding, Report

PIP = f"{sys.executable} -m pip"


def finding(report: Report, name: str) -> Finding:
    (only,) = (each for each in report.findings if each.name == name)
    return only


def names(report: Report, part: str) -> list[str]:
    return [each.name for each in report.findings if each.part == part]
