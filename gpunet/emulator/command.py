"""Which program the user's words mean.

"python" is the interpreter that gpunet runs in, and so is the interpreter of every script that begins with a Python
shebang (``gpunet``, ``pytest``): another Python would find another CuPy, and a version manager's ``python`` is a shell
script, into which a sanitizer would be loaded in vain.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from gpunet.errors import BackendError

_PYTHON = re.compile(r"python(3(\.\d+)?)?")


def resolve_command(words: Sequence[str], environment: Mapping[str, str] = os.environ) -> list[str]:
    """The words to run, the first a program's path.

    Raises:
        BackendError: there is no such program.
    """
    name = words[0]
    if _PYTHON.fullmatch(name):
        return [sys.executable, *words[1:]]
    path = _find(name, environment)
    if path is None and name.endswith(".py") and Path(name).is_file():
        return [sys.executable, *words]
    if path is None:
        raise BackendError(
            f"{name}: there is no such program, beside {sys.executable} or on PATH. "
            "Give a program and its arguments: gpunet emulate -- python script.py"
        )
    if _is_python_script(path):
        return [sys.executable, path, *words[1:]]
    return [path, *words[1:]]


def is_script(path: str) -> bool:
    """Whether a program is a text for another interpreter."""
    return _first_line(path).startswith("#!")


def _find(name: str, environment: Mapping[str, str]) -> str | None:
    beside = str(Path(sys.executable).parent)
    search = os.pathsep.join([beside, environment.get("PATH", os.defpath)])
    found = shutil.which(name, path=search)
    return None if found is None else str(Path(found).absolute())


def _is_python_script(path: str) -> bool:
    first = _first_line(path)
    if not first.startswith("#!"):
        return False
    words = first[2:].split()
    if words and Path(words[0]).name == "env":
        words = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
    if words and _PYTHON.fullmatch(Path(words[0]).name):
        return True
    # pip writes this when the interpreter's path is too long for a shebang.
    return first.rstrip() == "#!/bin/sh" and "'''exec'" in _first_line(path, 2)


def _first_line(path: str, count: int = 1) -> str:
    try:
        with Path(path).open("rb") as file:
            return b"".join(file.readline(4096) for _ in range(count)).decode("utf-8", "replace")
    except OSError:
        return ""
