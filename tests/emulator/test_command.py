"""Which program the user's words mean."""

import sys
from pathlib import Path

import pytest

from gpunet.emulator.command import is_script, resolve_command
from gpunet.errors import BackendError


def script(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize("name", ["python", "python3", "python3.12"])
def test_python_is_this_interpreter(name: str) -> None:
    assert resolve_command([name, "-c", "pass"]) == [sys.executable, "-c", "pass"]


@pytest.mark.parametrize(
    "first", ["#!/opt/other/bin/python3", "#!/usr/bin/env python3", "#!/usr/bin/env -S python3 -u"]
)
def test_a_python_script_is_run_by_this_interpreter(tmp_path: Path, first: str) -> None:
    path = script(tmp_path, "tool", f"{first}\nprint(1)\n")
    environment = {"PATH": str(tmp_path)}
    assert resolve_command(["tool", "x"], environment) == [sys.executable, path, "x"]
    assert resolve_command([path], environment) == [sys.executable, path]


def test_pips_script_for_long_paths(tmp_path: Path) -> None:
    path = script(tmp_path, "tool", "#!/bin/sh\n'''exec' \"/a b/python\" \"$0\" \"$@\"\n' '''\nprint(1)\n")
    assert resolve_command(["tool"], {"PATH": str(tmp_path)}) == [sys.executable, path]


def test_other_programs_are_run_themselves(tmp_path: Path) -> None:
    path = script(tmp_path, "tool", "#!/bin/sh\nexit 0\n")
    assert resolve_command(["tool", "x"], {"PATH": str(tmp_path)}) == [path, "x"]
    assert is_script(path)
    assert not is_script(sys.executable)
    assert not is_script(str(tmp_path / "absent"))


def test_a_python_file_needs_no_mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "program.py").write_text("print(1)\n")
    monkeypatch.chdir(tmp_path)
    assert resolve_command(["program.py", "x"], {"PATH": ""}) == [sys.executable, "program.py", "x"]


def test_no_such_program() -> None:
    with pytest.raises(BackendError, match=r"no-such-tool: there is no such program.*python script\.py"):
        resolve_command(["no-such-tool"], {"PATH": ""})
