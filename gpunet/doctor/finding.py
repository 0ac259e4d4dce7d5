"""What a check of the installation says."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from gpunet.errors import GpunetError

WORKS, ABSENT, FAILS = "works", "absent", "fails"
BASE, GPU, EMULATOR, EXTRAS = "NumPy", "GPU", "emulator", "extras"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report.

    Attributes:
        part: "NumPy" (what everything needs), "GPU", "emulator" or "extras".
        name: what was looked at.
        status: "works"; "absent": not installed, which only matters to whom wants that part; or "fails".
        says: what was found.
        remedy: the command that mends it, or what to do where no command can; empty if it works.
    """

    part: str
    name: str
    status: str
    says: str
    remedy: str = ""


Check = Callable[[], Iterable[Finding]]


def found(part: str, name: str, check: Check) -> list[Finding]:
    """What a check finds. What it raises is a finding too: a broken installation may raise anything."""
    findings: list[Finding] = []
    try:
        findings.extend(check())
    except GpunetError as error:
        findings.append(Finding(part, name, FAILS, one_line(error)))
    except Exception as error:  # noqa: BLE001
        findings.append(Finding(part, name, FAILS, f"{type(error).__name__}: {one_line(error)}"))
    return findings


def one_line(error: BaseException) -> str:
    """The message of an error without its line breaks."""
    return " ".join(str(error).split()) or type(error).__name__
