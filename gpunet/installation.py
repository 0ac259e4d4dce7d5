"""The commands that install, mend and renew gpunet: from the clone that runs, or else for whatever it came from."""

from __future__ import annotations

import shlex
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]


def checkout() -> Path | None:
    """The clone that this gpunet is imported from, installed editable or not at all; None for an installed copy."""
    return _ROOT if (_ROOT / "setup.py").is_file() else None


def install_command(extra: str, pip: str = "pip") -> str:
    """What to type to have an extra.

    Args:
        extra: such as "plot".
        pip: how the pip of the wanted environment is called.

    Returns:
        one command that works anywhere if this is a clone; else that for a copy from a package index and, in
        parentheses, that for a clone, because a copy does not know where it came from.
    """
    clone = checkout()
    if clone is not None:
        return f"{pip} install -e {shlex.quote(f'{clone}[{extra}]')}"
    return f"{pip} install 'gpunet[{extra}]' (in a clone: {pip} install '.[{extra}]')"


def restore_command(folder: str, pip: str = "pip") -> str:
    """What to type to get back a folder that belongs to gpunet; see `install_command`."""
    clone = checkout()
    if clone is not None:
        return f"git -C {shlex.quote(str(clone))} restore {folder}"
    return f"{pip} install --force-reinstall gpunet (in a clone: {pip} install --force-reinstall .)"


def upgrade_command(pip: str = "pip") -> str:
    """What to type to have a newer gpunet; see `install_command`."""
    clone = checkout()
    if clone is not None:
        return f"git -C {shlex.quote(str(clone))} pull"
    return f"{pip} install --upgrade gpunet (in a clone: git pull && {pip} install .)"
