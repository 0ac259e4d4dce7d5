"""Runs programs under `gpunet emulate`, for tests that need CuPy's wheel for it and a g++."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from gpunet.emulator.compiler import find_compiler
from gpunet.emulator.environment import find_blas
from gpunet.emulator.launcher import require_platform
from gpunet.emulator.wheel import find_wheel
from gpunet.errors import BackendError

ROOT = Path(__file__).resolve().parents[1]
TIMEOUT = 600  # seconds: the first run builds the runtime, on a machine that may be busy


def require_emulator() -> None:
    """At the top of a test file: skip where the emulator cannot start; fail with GPUNET_REQUIRE_EMULATOR=1."""
    try:
        require_platform()
        find_wheel()
        find_blas()
        find_compiler()
    except BackendError as error:
        if os.environ.get("GPUNET_REQUIRE_EMULATOR") == "1":
            pytest.fail(f"{error} (GPUNET_REQUIRE_EMULATOR=1 forbids skipping)", pytrace=False)
        pytest.skip(f"needs the emulator: {error}", allow_module_level=True)


def emulate(*words: object, options: Sequence[object] = (), **environment: str) -> subprocess.CompletedProcess[str]:
    """`gpunet emulate OPTIONS -- WORDS` in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "gpunet", "emulate", *map(str, options), "--", *map(str, words)],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True, text=True, timeout=TIMEOUT, check=False,
    )  # fmt: skip


def emulate_program(program: str, *options: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """The same for Python source; it finds ``cp`` and ``np``."""
    head = "import numpy as np, cupy as cp\n"
    return emulate("python", "-c", head + program, options=options, **environment)
