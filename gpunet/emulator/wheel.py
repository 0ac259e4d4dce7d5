"""Which CuPy is installed; the emulator needs one wheel, of one series."""

from __future__ import annotations

import importlib.metadata
import re
import shlex
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from gpunet.errors import BackendError
from gpunet.installation import checkout, install_command

DISTRIBUTION = "cupy-rocm-7-0"
SUPPORTED = "14.2"  # entry points and layouts were read from this series


@dataclass(frozen=True)
class Wheel:
    """The installed CuPy: its version, and the folder that holds ``cupy`` and ``cupy_backends``."""

    version: str
    site: Path

    def shared_objects(self) -> list[Path]:
        """All of its compiled modules."""
        folders = ("cupy", "cupy_backends", "cupyx")
        return sorted(path for folder in folders for path in (self.site / folder).rglob("*.so"))


def find_wheel(distributions: Iterable[importlib.metadata.Distribution] | None = None) -> Wheel:
    """The wheel to run.

    Args:
        distributions: what is installed; that of this interpreter by default.

    Raises:
        BackendError: no CuPy, another CuPy, several, or another version; with the commands that help.
    """
    found = _cupy_distributions(importlib.metadata.distributions() if distributions is None else distributions)
    names = sorted(found)
    here = f"{sys.executable} -m pip"
    if not names:
        raise BackendError(
            f"no CuPy is installed for {sys.executable}; the emulator runs the wheel {DISTRIBUTION}. "
            f"Install it: {install_command('emulator', here)}"
        )
    if len(names) > 1:
        raise BackendError(
            f"several CuPy wheels are installed ({', '.join(names)}), and they overwrite each other's files. "
            f"{_second_environment()}"
        )
    if names[0] != DISTRIBUTION:
        raise BackendError(
            f"{names[0]} is installed, a CuPy for real GPUs; the emulator needs {DISTRIBUTION}, and both cannot be in "
            f"one environment. {_second_environment()}"
        )
    version = found[DISTRIBUTION].version
    if not re.match(rf"{re.escape(SUPPORTED)}\.", version):
        raise BackendError(
            f"{DISTRIBUTION} {version} is installed; the emulator knows {SUPPORTED}.*. "
            f"Install that: {here} install '{DISTRIBUTION}=={SUPPORTED}.*'"
        )
    site = Path(str(found[DISTRIBUTION].locate_file("")))
    if not (site / "cupy_backends").is_dir():
        raise BackendError(
            f"{DISTRIBUTION} {version} is damaged: {site} has no folder cupy_backends. "
            f"Install it again: {here} install --force-reinstall --no-deps '{DISTRIBUTION}=={version}'"
        )
    return Wheel(version, site)


def _second_environment() -> str:
    """How to have the emulator beside a CuPy that excludes its own."""
    make = f"python3 -m venv emulator && {install_command('emulator', 'emulator/bin/pip')}"
    clone = checkout()
    if clone is not None:
        make += f" (or: make -C {shlex.quote(str(clone))} emulator)"
    return f"Make a second environment: {make}; then: emulator/bin/gpunet emulate -- COMMAND"


def _cupy_distributions(
    distributions: Iterable[importlib.metadata.Distribution],
) -> dict[str, importlib.metadata.Distribution]:
    found: dict[str, importlib.metadata.Distribution] = {}
    for distribution in distributions:
        name = re.sub(r"[-_.]+", "-", distribution.metadata["Name"] or "").lower()
        if name == "cupy" or re.fullmatch(r"cupy-(cuda|rocm)[\w-]*", name):
            found.setdefault(name, distribution)
    return found
