"""Run the workloads under the emulator's tracer, beside whatever else is done meanwhile."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Self

from benchmarks.kernel_workloads import Launch
from benchmarks.traces import TraceError, Traffic, read_launches, read_traffic

ROOT = Path(__file__).resolve().parents[1]
TIMEOUT = 1200  # seconds; the run itself takes about one minute of one core


def no_emulator() -> str:
    """Why the tracer cannot run here; empty if it can."""
    from gpunet.emulator.compiler import find_compiler
    from gpunet.emulator.launcher import require_platform
    from gpunet.emulator.wheel import find_wheel
    from gpunet.errors import BackendError

    try:
        require_platform()
        find_wheel()
        find_compiler()
    except BackendError as error:
        return str(error)
    return ""


class TracedRun:
    """A process that runs workloads under ``gpunet emulate --check trace``, from its creation on.

    Args:
        workloads: names of those to run.
        dtype: what to run them for.
    """

    def __init__(self, workloads: Iterable[str], dtype: str) -> None:
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        self._report, self._launches, self._output = folder / "report", folder / "launches.json", folder / "output"
        program = ["python", "-m", "benchmarks.trace_kernels", "--launches", str(self._launches)]
        program += ["--dtypes", dtype, "--workloads", *workloads]
        self._command = [sys.executable, "-m", "gpunet", "emulate", "--check", "trace", "--", *program]
        environment = {**os.environ, "GPUNET_EMULATOR_REPORT": str(self._report)}
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                self._command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._folder.cleanup()

    def traffic(self, files: Iterable[str]) -> list[tuple[Launch, Traffic]]:
        """Wait for the end, and give what each launch of these kernel files read and wrote, in order.

        Raises:
            TraceError: the run fails, or takes too long, or its trace cannot be read.
        """
        try:
            status = self._process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            raise TraceError(f"the traced run takes more than {TIMEOUT} s") from None
        if status:
            said = self._output.read_text(encoding="utf-8", errors="replace")
            raise TraceError(f"{' '.join(self._command)} failed:\n{said[-2000:]}")
        return read_traffic(self._report, read_launches(self._launches), files)
