"""Where the folders are that stand beside the package in a checkout and inside it once installed."""

from __future__ import annotations

from pathlib import Path

from gpunet.errors import DataError
from gpunet.installation import restore_command

FOLDERS = ("kernels", "recipes", "benchmarks")
_PACKAGE = Path(__file__).resolve().parent


def folder(name: str) -> Path:
    """The folder of kernels, recipes or benchmarks that belongs to this gpunet.

    An installed wheel holds it in the package, as ``gpunet/kernels``; a bare checkout and an editable install have it
    beside the package. ``import gpunet.kernels`` works wherever gpunet is installed, editable or not; in a bare
    checkout the folder is no part of the package, and only this function finds it.

    Args:
        name: "kernels", "recipes" or "benchmarks".

    Returns:
        absolute path of an existing directory.

    Raises:
        DataError: there is no folder of that name, or it is missing from this installation.
    """
    if name not in FOLDERS:
        raise DataError(f"gpunet has no folder {name!r}. Use one of {', '.join(map(repr, FOLDERS))}.")
    inside, beside = _PACKAGE / name, _PACKAGE.parent / name
    if inside.is_dir():
        return inside
    # Beside an installed package another project's "kernels" may lie; beside a checkout's lies its setup.py.
    if beside.is_dir() and (_PACKAGE.parent / "setup.py").is_file():
        return beside
    raise DataError(
        f"gpunet's folder {name!r} is neither at {inside} nor at {beside}: the installation is incomplete. "
        f"Try: {restore_command(name)}"
    )
