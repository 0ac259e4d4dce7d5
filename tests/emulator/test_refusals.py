"""What the emulator says when it cannot start: each refusal has its remedy."""

import importlib.metadata
import sys
from email.message import Message
from pathlib import Path

import pytest

from gpunet.emulator.build import build_runtime, cache_folder
from gpunet.emulator.compiler import Compiler, find_compiler
from gpunet.emulator.launcher import require_platform
from gpunet.emulator.wheel import Wheel, find_wheel
from gpunet.errors import BackendError
from gpunet.installation import install_command


class Installed(importlib.metadata.Distribution):
    """A distribution of this name and version, in a folder."""

    def __init__(self, name: str, version: str, site: Path = Path()) -> None:
        self._message = Message()
        self._message["Name"], self._message["Version"] = name, version
        self.site = site

    @property
    def metadata(self) -> Message:
        return self._message

    def read_text(self, filename: str) -> None:
        return None

    def locate_file(self, path: object) -> Path:
        return self.site / str(path)


def refusal(*distributions: Installed) -> str:
    with pytest.raises(BackendError) as caught:
        find_wheel([Installed("numpy", "2.4"), *distributions])
    return str(caught.value)


def test_no_cupy() -> None:
    assert "no CuPy is installed" in refusal()
    assert install_command("emulator", f"{sys.executable} -m pip") in refusal()


@pytest.mark.parametrize("name", ["cupy-cuda12x", "cupy_cuda13x", "cupy", "cupy-rocm-5-0"])
def test_a_cupy_for_gpus(name: str) -> None:
    message = refusal(Installed(name, "14.2.0"))
    assert f"{name.replace('_', '-')} is installed, a CuPy for real GPUs" in message
    assert f"python3 -m venv emulator && {install_command('emulator', 'emulator/bin/pip')}" in message


def test_two_wheels() -> None:
    message = refusal(Installed("cupy-rocm-7-0", "14.2.0"), Installed("cupy-cuda12x", "14.2.0"))
    assert "several CuPy wheels are installed (cupy-cuda12x, cupy-rocm-7-0)" in message
    assert "python3 -m venv" in message


@pytest.mark.parametrize("version", ["14.1.0", "14.20.0", "15.0.0", "13.6.0"])
def test_another_version(version: str) -> None:
    message = refusal(Installed("cupy-rocm-7-0", version))
    assert f"cupy-rocm-7-0 {version} is installed; the emulator knows 14.2.*" in message
    assert "install 'cupy-rocm-7-0==14.2.*'" in message


def test_a_damaged_wheel(tmp_path: Path) -> None:
    message = refusal(Installed("cupy-rocm-7-0", "14.2.0", tmp_path))
    assert "is damaged" in message
    assert "--force-reinstall" in message


def test_the_right_wheel(tmp_path: Path) -> None:
    (tmp_path / "cupy_backends").mkdir()
    (tmp_path / "cupy_backends" / "one.so").touch()
    wheel = find_wheel([Installed("cupy-rocm-7-0", "14.2.3", tmp_path)])
    assert wheel == Wheel("14.2.3", tmp_path)
    assert wheel.shared_objects() == [tmp_path / "cupy_backends" / "one.so"]


def compiler_that_says(folder: Path, version: str, machine: str = "x86_64-linux-gnu") -> dict[str, str]:
    path = folder / "g++"
    path.write_text(f'#!/bin/sh\ncase "$1" in -dumpfullversion) echo {version} ;; *) echo {machine} ;; esac\n')
    path.chmod(0o755)
    return {"PATH": str(folder)}


def test_no_compiler(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match=r"there is no compiler 'g\+\+'.*apt install g\+\+"):
        find_compiler({"PATH": str(tmp_path)})
    with pytest.raises(BackendError, match="there is no compiler 'g99'"):
        find_compiler({"PATH": str(tmp_path), "GPUNET_EMULATOR_COMPILER": "g99"})


def test_compilers_that_will_not_do(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match=r"is version 9\.4\.0; the emulator needs g\+\+ 12 or newer"):
        find_compiler(compiler_that_says(tmp_path, "9.4.0"))
    with pytest.raises(BackendError, match="compiles for aarch64-linux-gnu"):
        find_compiler(compiler_that_says(tmp_path, "13.1.0", "aarch64-linux-gnu"))
    with pytest.raises(BackendError, match=r"does not answer as a g\+\+ does"):
        find_compiler(compiler_that_says(tmp_path, "hello"))


def test_a_compiler_that_will_do(tmp_path: Path) -> None:
    compiler = find_compiler(compiler_that_says(tmp_path, "13.1.0"))
    assert compiler == Compiler(f"{tmp_path}/g++", f"{tmp_path}/g++ 13.1.0 x86_64-linux-gnu")


def test_a_compiler_that_fails_says_why(tmp_path: Path) -> None:
    path = tmp_path / "failing"
    path.write_text("#!/bin/sh\necho 'x.cpp:1: error: no such thing' >&2\nexit 1\n")
    path.chmod(0o755)
    with pytest.raises(BackendError, match=r"failed: x\.cpp:1: error: no such thing"):
        Compiler(str(path), "").run(["x.cpp"], tmp_path)


@pytest.mark.parametrize(("system", "machine"), [("darwin", "arm64"), ("win32", "AMD64"), ("linux", "aarch64")])
def test_other_platforms(system: str, machine: str) -> None:
    with pytest.raises(BackendError, match=f"this is {system} on {machine}. Run it in a Linux container"):
        require_platform(system, machine)


def test_this_platform_by_name() -> None:
    require_platform("linux", "x86_64")


def test_where_the_cache_is(tmp_path: Path) -> None:
    assert cache_folder({"GPUNET_EMULATOR_CACHE": str(tmp_path)}) == tmp_path
    assert cache_folder({"XDG_CACHE_HOME": str(tmp_path)}) == tmp_path / "gpunet" / "emulator"
    assert cache_folder({}) == Path.home() / ".cache" / "gpunet" / "emulator"


def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BackendError, match=r"cannot be written.*GPUNET_EMULATOR_CACHE=FOLDER"):
        build_runtime(Wheel("14.2.0", tmp_path), Compiler("g++", ""), tmp_path / "file")
