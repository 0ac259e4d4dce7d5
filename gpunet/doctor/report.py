"""All checks together."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from gpunet.doctor import base_checks, cupy_checks, emulator_checks
from gpunet.doctor.finding import ABSENT, BASE, EMULATOR, EXTRAS, FAILS, GPU, WORKS, Check, Finding, found

_CHECKS: tuple[tuple[str, str, Check], ...] = (
    (BASE, "Python", base_checks.check_python),
    (BASE, "packages", base_checks.check_packages),
    (BASE, "files", base_checks.check_files),
    (BASE, "BLAS", base_checks.check_blas),
    (GPU, "CuPy", cupy_checks.check_wheel),
    (GPU, "GPU", cupy_checks.check_gpu),
    (GPU, "in use", cupy_checks.check_usable),
    (GPU, "kernel cache", cupy_checks.check_kernel_cache),
    (EMULATOR, "emulator", emulator_checks.check_emulator),
    (EXTRAS, "extras", base_checks.check_extras),
)
_MARKS = {WORKS: "ok", ABSENT: "--", FAILS: "FAIL"}


@dataclass(frozen=True, slots=True)
class Report:
    """What the checks found; ``str`` shows it.

    Attributes:
        findings: in the order of the checks.
    """

    findings: tuple[Finding, ...]

    @property
    def base_works(self) -> bool:
        """Whether everything is there that NumPy's backend needs."""
        return not any(finding.part == BASE and finding.status == FAILS for finding in self.findings)

    @property
    def gpu_works(self) -> bool:
        """Whether backend "cupy" computes here."""
        return any(finding.name == "in use" and finding.status == WORKS for finding in self.findings)

    @property
    def emulator_works(self) -> bool:
        """Whether `gpunet emulate` can start."""
        own = [finding for finding in self.findings if finding.part == EMULATOR]
        return bool(own) and all(finding.status == WORKS for finding in own)

    def as_dict(self) -> dict[str, Any]:
        """For machines."""
        return {
            "numpy": self.base_works,
            "gpu": self.gpu_works,
            "emulator": self.emulator_works,
            "findings": [asdict(finding) for finding in self.findings],
        }

    def __str__(self) -> str:
        width = max(len(finding.name) for finding in self.findings)
        lines = []
        for part in (BASE, GPU, EMULATOR, EXTRAS):
            lines.append(part)
            for finding in self.findings:
                if finding.part == part:
                    lines.append(f"  {_MARKS[finding.status]:<4} {finding.name:<{width}}  {finding.says}")
                    if finding.remedy:
                        lines.append(f"       {'':<{width}}  -> {finding.remedy}")
        return "\n".join([*lines, "", *self._verdicts()])

    def _verdicts(self) -> list[str]:
        gpu = "works: backend 'cupy' computes on it" if self.gpu_works else "not usable: backend 'auto' takes NumPy"
        emulator = "ready: gpunet emulate -- COMMAND" if self.emulator_works else "not ready"
        return [
            f"NumPy     {'works' if self.base_works else 'does NOT work; see FAIL above'}",
            f"GPU       {gpu}",
            f"emulator  {emulator}",
        ]


def examine() -> Report:
    """Run all checks. None of them raises, whatever the state of the installation."""
    return Report(tuple(finding for part, name, check in _CHECKS for finding in found(part, name, check)))
