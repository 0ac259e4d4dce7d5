"""Runs a command under a check, and judges what it left."""

from __future__ import annotations

import glob
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gpunet.emulator.build import DEVICE, Runtime
from gpunet.emulator.checks import Check
from gpunet.emulator.compiler import Compiler
from gpunet.emulator.report import judge, read_report, summary
from gpunet.errors import BackendError

_PASSED_ON = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


def run_checked(
    check: Check,
    command: Sequence[str],
    environment: Mapping[str, str],
    runtime: Runtime,
    compiler: Compiler,
    report: Path | None = None,
) -> int:
    """Run the command to its end, and say what was found.

    Args:
        check: which.
        command: the words, the first a program's path.
        environment: that runs it without a check.
        runtime: built for the check.
        compiler: of the kernels.
        report: the file to keep findings in; GPUNET_EMULATOR_REPORT by default, else a temporary one.

    Returns:
        the command's exit status, 128 + its number after a signal; 1 when that is 0 and the check did not pass.

    Raises:
        BackendError: it cannot start.
    """
    kept = report or (Path(environment["GPUNET_EMULATOR_REPORT"]) if "GPUNET_EMULATOR_REPORT" in environment else None)
    with tempfile.TemporaryDirectory(prefix="gpunet-emulate-") as folder:
        path = (kept or Path(folder) / "report.jsonl").absolute()
        try:
            path.write_text("", encoding="utf-8")
        except OSError as error:
            raise BackendError(f"{path}: the report cannot be written: {error.strerror}") from None
        prepared = check.environment(environment, compiler.path, runtime.libraries / DEVICE, path)
        status = _run(check, command, prepared)
        found = read_report(path)
        messages = [f"--check {check.name}: {reason}" for reason in judge(found, check.name, status)]
        if status != 0 and found.launches == 0:
            messages += _said_by_sanitizer(path)
        for left in _sanitizer_files(path):
            left.unlink()
        ending = summary(found, check.name, status, kept) if found.findings or not messages else []
        for line in [*messages, *ending]:
            print(f"gpunet emulate: {line}", file=sys.stderr)  # noqa: T201  (this is the command's own output)
        return 128 - status if status < 0 else status or int(bool(messages or found.findings))


def _run(check: Check, command: Sequence[str], environment: Mapping[str, str]) -> int:
    """The command's exit status, negative after a signal.

    Signals for this process are for the command; Ctrl-C reaches both by itself.
    """
    try:
        process = subprocess.Popen(  # noqa: S603  (running the user's command is the task)
            list(command),
            env=dict(environment),
            preexec_fn=check.prepare_process,  # noqa: PLW1509  (no threads here)
        )
    except OSError as error:
        raise BackendError(f"{command[0]} cannot be run: {error.strerror}") from None

    def pass_on(number: int, _frame: Any) -> None:
        process.send_signal(number)

    previous = {number: signal.signal(number, pass_on) for number in _PASSED_ON}
    previous[signal.SIGINT] = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        status = process.wait()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    return status


def _said_by_sanitizer(report: Path) -> list[str]:
    """The first lines of what the sanitizer wrote about itself, where it could not start."""
    lines: list[str] = []
    for path in _sanitizer_files(report):
        lines += path.read_text(encoding="utf-8", errors="replace").splitlines()[:3]
    return lines


def _sanitizer_files(report: Path) -> list[Path]:
    return sorted(report.parent.glob(f"{glob.escape(report.name)}.sanitizer*"))
