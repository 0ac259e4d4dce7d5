"""Compiles small CUDA sources with g++ and the device headers, and launches their kernels, without CuPy.

A launch under a check needs a process of its own, with the sanitizer preloaded: checked_launch.py is its program.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checked_launch import Launch

from gpunet.emulator.checks import CHECKS

DEVICE = Path(__file__).resolve().parents[1] / "gpunet" / "emulator" / "device"
# As the runtime compiles kernels, as far as it matters here.
KERNEL_FLAGS = ["-O2", "-fPIC", "-shared", "-pthread", "-w", "-fno-gnu-unique", "-ffp-contract=off",
                "-fno-strict-aliasing", "-fwrapv", f"-I{DEVICE}"]  # fmt: skip
SCHEDULES = (0, 1, 7)
CHECKED_LAUNCH = Path(__file__).with_name("checked_launch.py")

REWRITER = """
#include "source_rewriting.h"
#include <iostream>
#include <iterator>
int main() {
  std::string source((std::istreambuf_iterator<char>(std::cin)), std::istreambuf_iterator<char>());
  std::cout << gpunet_emulator::rewrite_source(source);
}
"""


def require_compiler() -> str:
    """The path of g++; without one the test is skipped, and says so."""
    path = shutil.which("g++")
    if path is None:
        pytest.skip("there is no g++, which the emulator compiles kernels with")
    return path


def run(words: Sequence[str | Path], **options: Any) -> subprocess.CompletedProcess[str]:
    plain = [str(word) for word in words]
    return subprocess.run(plain, capture_output=True, text=True, timeout=300, check=False, **options)


@dataclass
class Kernels:
    """A compiled source."""

    path: Path
    file: str
    source: str
    lines: dict[str, int]  # of each kernel's name

    def launch(
        self, kernel: str, grid: Any, block: Any, *arguments: Any, shared_bytes: int = 0, schedule: int = 0,
        workers: int = 1, fibers: bool = True,
    ) -> None:  # fmt: skip
        """Run it on NumPy arrays (in place), ints (32 bits), floats (32 bits) and ctypes values.

        Raises:
            RuntimeError: the launch went wrong; with the message.
        """
        held = [_argument(value) for value in arguments]
        pointers = (ctypes.c_void_p * max(1, len(held)))(*[ctypes.addressof(value) for value in held])
        launch = Launch.of(kernel, self.file, self.lines[kernel], grid, block, pointers)
        launch.shared_bytes, launch.schedule, launch.workers, launch.fibers = shared_bytes, schedule, workers, fibers
        function = getattr(ctypes.CDLL(str(self.path)), f"gpunet_launch_{kernel}")
        function.restype = ctypes.c_char_p
        message = function(ctypes.byref(launch))
        if message is not None:
            raise RuntimeError(message.decode())

    def line_of(self, text: str) -> int:
        """The number of the one source line that holds the text."""
        (line,) = (number for number, content in enumerate(self.source.splitlines(), 1) if text in content)
        return line


@dataclass
class Result:
    """What a checked launch left behind."""

    findings: list[dict[str, Any]]
    traces: list[dict[str, Any]]
    outputs: list[list[float]]
    messages: list[str | None]  # of each launch
    stderr: str
    status: int
    places: list[tuple[str, int]] = field(init=False)

    def __post_init__(self) -> None:
        self.places = [(finding["file"], finding["line"]) for finding in self.findings]


class Workshop:
    """Builds device libraries and kernels into one folder, each once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.compiler = require_compiler()
        self._rewriter: Path | None = None
        self._libraries: dict[tuple[str, ...], Path] = {}
        self._count = 0

    def rewrite(self, source: str) -> str:
        if self._rewriter is None:
            self._rewriter = self.folder / "rewriter"
            program = self.folder / "rewriter.cpp"
            program.write_text(REWRITER, encoding="utf-8")
            done = run([self.compiler, "-std=c++17", f"-I{DEVICE}", program, DEVICE / "source_rewriting.cpp",
                        "-o", self._rewriter])  # fmt: skip
            assert done.returncode == 0, done.stderr
        return run([self._rewriter], input=source).stdout

    def library(self, flags: tuple[str, ...] = ()) -> Path:
        """The device library, built with these flags."""
        if flags not in self._libraries:
            target = self.folder / f"device-{len(self._libraries)}" / "libgpunet_device.so"
            target.parent.mkdir()
            done = run([self.compiler, "-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared",
                        "-pthread", *flags, *sorted(DEVICE.glob("*.cpp")), "-o", target])  # fmt: skip
            assert done.returncode == 0, done.stderr
            self._libraries[flags] = target
        return self._libraries[flags]

    def compile(
        self, source: str, file: str = "kernel.cu", check: str | None = None,
        instances: Mapping[str, str] | None = None, language: str = "c++17",
    ) -> Kernels:  # fmt: skip
        """Compile a source whose kernels are extern "C"; ``instances`` names instances of its templates."""
        done, kernels = self.try_to_compile(source, file, check, instances, language)
        assert done.returncode == 0, done.stderr
        return kernels

    def try_to_compile(
        self, source: str, file: str = "kernel.cu", check: str | None = None,
        instances: Mapping[str, str] | None = None, language: str = "c++17",
    ) -> tuple[subprocess.CompletedProcess[str], Kernels]:  # fmt: skip
        source = source.lstrip("\n")
        pattern = r'extern "C" __global__\s+void\s+(?:__launch_bounds__\(\d+\)\s+)?(\w+)\s*\('
        found = {match[1]: source.count("\n", 0, match.start(1)) + 1 for match in re.finditer(pattern, source)}
        functions = {**{name: name for name in found}, **(instances or {})}
        launchers = "".join(
            f'extern "C" const char* gpunet_launch_{name}(const gpunet_emulator::Launch* launch) {{'
            f" return gpunet_emulator::run<{function}>(*launch); }}\n"
            for name, function in functions.items()
        )
        self._count += 1
        path = self.folder / f"kernels-{self._count}.so"
        text = f'#include "cuda_on_cpu.h"\n#line 1 "{file}"\n{self.rewrite(source)}\n{launchers}'
        path.with_suffix(".cpp").write_text(text, encoding="utf-8")
        own = CHECKS[check] if check else None
        library = self.library(own.library_flags if own else ())
        words = [self.compiler, f"-std={language}", *KERNEL_FLAGS, *(own.compile_flags if own else ()),
                 path.with_suffix(".cpp"), "-o", path, library, f"-Wl,-rpath,{library.parent}"]  # fmt: skip
        return run(words), Kernels(path, file, source, {**dict.fromkeys(functions, 1), **found})

    def check(
        self, check: str, kernels: Kernels, kernel: str, block: int, *arguments: Any, grid: int = 1,
        shared_bytes: int = 0, schedules: Sequence[int] = SCHEDULES, read: Sequence[int] | None = None,
    ) -> Result:  # fmt: skip
        """Launch a kernel under a check, once for each schedule, with arrays of exact size.

        Args:
            arguments: lists of floats, which become float arrays; ints n in ``Unwritten(n)``; ints.
            read: positions of the arguments that are copied to the host afterwards; None: all arrays.
        """
        library = self.library(CHECKS[check].library_flags)
        report = self.folder / f"report-{self._count}-{len(list(self.folder.glob('report-*')))}.jsonl"
        job = {"library": str(kernels.path), "device": str(library), "kernel": kernel, "file": kernels.file,
               "line": kernels.lines[kernel], "grid": grid, "block": block, "shared_bytes": shared_bytes,
               "schedules": list(schedules), "read": read,
               "arguments": [vars(a) if isinstance(a, Unwritten) else a for a in arguments]}  # fmt: skip
        environment = CHECKS[check].environment(os.environ, self.compiler, library, report)
        # The real interpreter: a wrapper would be the process that the sanitizer is preloaded into.
        done = run([os.path.realpath(sys.executable), CHECKED_LAUNCH, json.dumps(job)], env=environment,
                   preexec_fn=CHECKS[check].prepare_process)  # fmt: skip
        assert done.stdout, done.stderr
        answer = json.loads(done.stdout.splitlines()[-1])
        lines = report.read_text(encoding="utf-8").splitlines() if report.exists() else []
        entries = [json.loads(line) for line in lines]
        return Result(
            [entry for entry in entries if entry["event"] == "finding"],
            [entry for entry in entries if entry["event"] == "trace"],
            answer["outputs"], answer["messages"], done.stderr, done.returncode,
        )  # fmt: skip


@dataclass
class Unwritten:
    """An array of this many floats that nobody has written."""

    unwritten: int


def _argument(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return ctypes.c_void_p(value.ctypes.data)
    if isinstance(value, (int, np.integer)):
        return ctypes.c_int(int(value))
    if isinstance(value, float):
        return ctypes.c_float(value)
    return value
