"""The C++ compiler that builds the runtime and, later, every kernel."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gpunet.errors import BackendError

_MINIMUM = 12  # the first with everything that the device headers use
_REMEDY = "On Debian and Ubuntu: apt install g++; on Fedora: dnf install gcc-c++"
_TIMEOUT = 600  # seconds; a compilation takes some ten at most


@dataclass(frozen=True)
class Compiler:
    """A g++: where it is, and what it says of itself, which tells two compilers apart."""

    path: str
    identity: str

    def run(self, words: Sequence[str], folder: Path) -> None:
        """Compile; ``words`` follow the compiler's name.

        Raises:
            BackendError: it failed; with what it said.
        """
        environment = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
        environment["LC_ALL"] = "C"
        try:
            done = subprocess.run(  # noqa: S603  (the user's own compiler)
                [self.path, *words], cwd=folder, env=environment, capture_output=True, text=True, timeout=_TIMEOUT,
                check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise BackendError(f"{self.path} did not finish in {_TIMEOUT} s on {' '.join(words)}") from None
        if done.returncode != 0:
            errors = [line for line in done.stderr.splitlines() if "error" in line] or done.stderr.splitlines()
            raise BackendError(f"{self.path} {' '.join(words)} failed: {' '.join(errors[:3]) or 'it said nothing'}")


def find_compiler(environment: Mapping[str, str] = os.environ) -> Compiler:
    """The compiler that GPUNET_EMULATOR_COMPILER names, else g++.

    Raises:
        BackendError: there is none, or it is too old or no g++.
    """
    name = environment.get("GPUNET_EMULATOR_COMPILER") or "g++"
    path = shutil.which(name, path=environment.get("PATH"))
    if path is None:
        raise BackendError(f"there is no compiler {name!r}, which the emulator builds kernels with. {_REMEDY}")
    version, machine = (_ask(path, option, environment) for option in ("-dumpfullversion", "-dumpmachine"))
    major = version.partition(".")[0]
    if not major.isdecimal() or not machine:
        raise BackendError(
            f"{path} does not answer as a g++ does; the emulator needs g++ {_MINIMUM} or newer. {_REMEDY}"
        )
    if int(major) < _MINIMUM:
        raise BackendError(f"{path} is version {version}; the emulator needs g++ {_MINIMUM} or newer. {_REMEDY}")
    if not machine.startswith("x86_64"):
        raise BackendError(f"{path} compiles for {machine}; the emulator needs one for x86_64 Linux. {_REMEDY}")
    return Compiler(path, f"{path} {version} {machine}")


def _ask(path: str, option: str, environment: Mapping[str, str]) -> str:
    """What a compiler answers to an option that asks about itself; nothing when it is no compiler."""
    clean = {name: value for name, value in environment.items() if name != "LD_PRELOAD"}
    try:
        done = subprocess.run(  # noqa: S603
            [path, option], env={**clean, "LC_ALL": "C"}, capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
