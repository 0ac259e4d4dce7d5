"""NVRTC for the tests of the static checks, and kernels with planted faults in place of the project's own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from benchmarks import static_kernels
from benchmarks.kernel_workloads import Launch
from benchmarks.nvrtc import Nvrtc, NvrtcError
from benchmarks.traced_run import no_emulator
from gpunet import resources
from gpunet.backends.cupy import kernel_library

HEADER = "typedef REAL real;\n"


@pytest.fixture(scope="session")
def nvrtc() -> Nvrtc:
    """The installed NVRTC; without it a test skips, or fails under GPUNET_REQUIRE_NVRTC=1."""
    try:
        return Nvrtc()
    except NvrtcError as error:
        skip(str(error), "GPUNET_REQUIRE_NVRTC")


@pytest.fixture(scope="session")
def emulator() -> None:
    """The emulator; without it a test skips, or fails under GPUNET_REQUIRE_EMULATOR=1."""
    if reason := no_emulator():
        skip(reason, "GPUNET_REQUIRE_EMULATOR")


def skip(reason: str, variable: str) -> NoReturn:
    if os.environ.get(variable) == "1":
        pytest.fail(f"{reason} ({variable}=1 forbids skipping)", pytrace=False)
    pytest.skip(reason)


def forget_kernels() -> None:
    for function in (kernel_library.files, kernel_library.source_text, kernel_library.declarations):
        function.cache_clear()


@pytest.fixture
def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """A function that puts kernel files, given by name, in place of the project's; each kernel is launched once."""
    folder = tmp_path / "kernels"
    folder.mkdir()
    (folder / "common.cuh").write_text(HEADER, encoding="utf-8")

    def launches(dtype: str) -> list[Launch]:
        return [
            Launch(file, kernel, dtype, (), 256, 0, "planted")
            for file in kernel_library.files()
            for kernel in kernel_library.declarations(file).kernels
        ]

    def put(**texts: str) -> None:
        for name, text in texts.items():
            (folder / f"{name}.cu").write_text(text, encoding="utf-8")
        forget_kernels()

    monkeypatch.setattr(resources, "folder", lambda name: folder)
    monkeypatch.setattr(static_kernels, "recorded_launches", launches)
    forget_kernels()
    yield put
    forget_kernels()
