"""The choice of a backend: by name, by arrays, and never in silence."""

from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpunet.backends import backend_of, numpy_backend, select
from gpunet.errors import BackendError

ROOT = Path(__file__).resolve().parents[2]


def test_numpy_is_one_backend_for_the_whole_process() -> None:
    assert select("numpy") is numpy_backend()
    assert select(numpy_backend()) is numpy_backend()
    assert copy.deepcopy([numpy_backend()])[0] is numpy_backend()


def test_auto_says_once_what_it_took() -> None:
    code = "from gpunet.backends import select; print(select('auto').name, select('auto').name)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "numpy numpy\n"
    assert done.stderr == "gpunet: computing on the CPU with numpy\n"


def test_importing_gpunet_imports_no_array_library_but_numpy() -> None:
    code = "import sys, gpunet; print(sorted({'cupy', 'torch', 'onnx', 'scipy', 'matplotlib'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("name", ["gpu", "Numpy", "", None, 3])
def test_an_unknown_name_lists_the_known_ones(name: Any) -> None:
    with pytest.raises(BackendError, match=r"unknown backend .*: choose one of auto, numpy, cupy"):
        select(name)


def test_cupy_is_refused_and_never_replaced() -> None:
    with pytest.raises(BackendError, match=r"backend 'cupy'.*Use 'numpy' or 'auto'"):
        select("cupy")


def test_arrays_name_their_backend() -> None:
    assert backend_of(np.zeros(1), None, np.float32(1)) is numpy_backend()


@pytest.mark.parametrize("thing", [[1.0], 1.0, "x", memoryview(b"x")])
def test_what_is_no_array_is_named_by_its_type(thing: Any) -> None:
    with pytest.raises(BackendError, match=rf"got a builtins\.{type(thing).__name__}, wanted a numpy\.ndarray"):
        backend_of(np.zeros(1), thing)
