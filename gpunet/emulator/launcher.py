"""``gpunet emulate``: look, build, set the environment, run the command."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gpunet.emulator.build import build_runtime, cache_folder
from gpunet.emulator.checked_run import run_checked
from gpunet.emulator.checks import CHECKS
from gpunet.emulator.command import is_script, resolve_command
from gpunet.emulator.compiler import find_compiler
from gpunet.emulator.environment import emulated_environment, find_blas
from gpunet.emulator.pruning import cache_limit, prune
from gpunet.emulator.wheel import find_wheel
from gpunet.errors import BackendError


@dataclass(frozen=True)
class Options:
    """How to emulate.

    Args:
        check: the name of a check, or None.
        schedule: order of threads and blocks: 0 forward, 1 backward, from 2 on a seed to shuffle by.
        workers: how many cores share a kernel's blocks; None: all that this process may use.
        memory: bytes of device memory; None: three quarters of the machine's.
        blocks: "all" of each launch, or "ends": the first and the last only.
        report: the file for what a check finds, one line of JSON each; None: a temporary one.
    """

    check: str | None = None
    schedule: int = 0
    workers: int | None = None
    memory: int | None = None
    blocks: str = "all"
    report: Path | None = None


def require_platform(system: str | None = None, machine: str | None = None) -> None:
    """Raises BackendError on anything but 64-bit x86 Linux, which CuPy's wheel is for."""
    system, machine = system or sys.platform, machine or platform.machine()
    if system != "linux" or machine not in {"x86_64", "AMD64"}:
        raise BackendError(
            f"the emulator runs on x86_64 Linux, this is {system} on {machine}. "
            "Run it in a Linux container or virtual machine for x86_64"
        )


def emulate(words: Sequence[str], options: Options) -> int:
    """Run a command on the CPU device.

    Without a check this process becomes the command, so that signals and the exit status need no go-between.

    Args:
        words: the command and its arguments.
        options: how.

    Returns:
        the exit status, of a check: the command's own, or 1 when that is 0 and something was found or nothing checked.

    Raises:
        BackendError: it cannot start; with what to do.
    """
    require_platform()
    command = resolve_command(words)
    check = None if options.check is None else CHECKS[options.check]
    if check is not None and is_script(command[0]):
        raise BackendError(
            f"{command[0]} is a script for another program, into which a check cannot be loaded. "
            "Give the Python program itself: gpunet emulate --check NAME -- python script.py"
        )
    wheel = find_wheel()
    find_blas()
    compiler = find_compiler()
    cache, limit = cache_folder(), cache_limit()
    runtime = build_runtime(wheel, compiler, cache, check.library_flags if check else ())
    prune(cache, limit)
    environment = emulated_environment(os.environ, runtime, compiler, options)
    if check is not None:
        return run_checked(check, command, environment, runtime, compiler, options.report)
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        os.execve(command[0], command, environment)  # noqa: S606  (running the user's command is the task)
    except OSError as error:
        raise BackendError(f"{command[0]} cannot be run: {error.strerror}") from None
