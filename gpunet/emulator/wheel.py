"""Which CuPy is installed; the emulator needs one wheel, of one series."""

from __future__ import annotations

import importlib.metadata
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from gpunet.errors import BackendError

DISTRIBUTION = "cupy-rocm-7-0"
SUPPORTED = "14.2"  # entry points and layouts were read from this series

_SECOND_ENVIRONMENT = (
    "Make a second environment: python3 -m venv emulator && emulator/bin/pip install 'gpunet[emulator]' "
    "&& emulator/bin/gpunet emulate -- COMMAND"
)


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
            f"Install it: {here} install 'gpunet[emulator]'"
        )
    if len(names) > 1:
        raise BackendError(
            f"several CuPy wheels are installed ({', '.join(names)}), and they overwrite each other's files. "
            f"{_SECOND_ENVIRONMENT}"
        )
    if names[0] != DISTRIBUTION:
        raise BackendError(
            f"{names[0]} is installed, a CuPy for real GPUs; the emulator needs {DISTRIBUTION}, and both cannot be in "
            f"one environment. {_SECOND_ENVIRONMENT}"
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


def _cupy_distributions(
    distributions: Iterable[importlib.metadata.Distribution],
) -> dict[str, importlib.metadata.Distribution]:
    found: dict[str, importlib.metadata.Distribution] = {}
    for distribution in distributions:
        name = re.sub(r"[-_.]+", "-", distribution.metadata["Name"] or "").lower()
        if name == "cupy" or re.fullmatch(r"cupy-(cuda|rocm)[\w-]*", name):
            found.setdefault(name, distribution)
    return found
