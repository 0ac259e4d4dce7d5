"""The choice of a backend: by name, by arrays, and never in silence."""

from __future__ import annotations

import builtins
import copy
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_cupy import CompileError, fake_cupy

from gpunet.backends import backend_of, numpy_backend, select
from gpunet.backends.cupy import availability
from gpunet.errors import BackendError

ROOT = Path(__file__).resolve().parents[2]
selection = importlib.import_module("gpunet.backends.select")  # the package's attribute of that name is the function


@pytest.fixture
def wheels(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The CuPy wheels that seem to be installed; nothing chosen outside of the test is seen inside, and vice versa."""
    names = ["cupy-cuda13x"]
    monkeypatch.setattr(availability, "installed_wheels", lambda: names)
    monkeypatch.delenv("CUPY_TF32", raising=False)
    selection.cupy_backend.cache_clear()
    selection._automatic.cache_clear()
    yield names
    selection.cupy_backend.cache_clear()
    selection._automatic.cache_clear()


def test_numpy_is_one_backend_for_the_whole_process() -> None:
    assert select("numpy") is numpy_backend()
    assert select(numpy_backend()) is numpy_backend()
    assert copy.deepcopy([numpy_backend()])[0] is numpy_backend()


def test_auto_says_once_what_it_took() -> None:
    code = (
        "from gpunet.backends.cupy import availability; availability.installed_wheels = list; "
        "from gpunet.backends import select; print(select('auto').name, select('auto').name)"
    )
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


def test_a_device_that_works_is_taken_and_named(
    wheels: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "cupy", fake_cupy())
    backend = select("cupy")
    assert backend.name == "cupy"
    assert select("cupy") is select("auto") is select("auto") is backend
    assert capsys.readouterr().err == "gpunet: computing on Fake GPU with cupy\n"
    array = sys.modules["cupy"].ndarray()
    assert backend_of(array, None) is backend
    with pytest.raises(BackendError, match=r"got cupy\.ndarray and numpy\.ndarray in one call.*asarray"):
        backend_of(array, np.zeros(1))
    with pytest.raises(BackendError, match=r"got a builtins\.list, wanted a numpy\.ndarray or cupy\.ndarray"):
        backend_of([1.0])


def test_without_cupy_it_says_how_to_install_it(wheels: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    wheels.clear()
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(BackendError, match=r"^backend 'cupy': CuPy is not installed\. Try: pip install .*\[cuda12x\]"):
        select("cupy")


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("cupy-cuda13x", r"pip install --force-reinstall cupy-cuda13x"),
        ("cupy-rocm-7-0", r"works only under: gpunet emulate -- COMMAND"),
    ],
)
def test_a_wheel_that_cannot_be_imported_is_named(
    wheels: list[str], monkeypatch: pytest.MonkeyPatch, name: str, remedy: str
) -> None:
    wheels[:] = [name]
    real_import = builtins.__import__

    def broken(module: str, *rest: Any, **keywords: Any) -> Any:
        if module == "cupy":
            raise ImportError("libcuda.so.1: cannot open shared object file")
        return real_import(module, *rest, **keywords)

    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    monkeypatch.setattr(builtins, "__import__", broken)
    with pytest.raises(BackendError, match=rf"CuPy \({name}\) is installed.*libcuda\.so\.1.*{remedy}"):
        select("cupy")


def test_several_wheels_are_refused(wheels: list[str]) -> None:
    wheels[:] = ["cupy-cuda12x", "cupy-cuda13x"]
    message = r"several CuPy wheels.*cupy-cuda12x, cupy-cuda13x.*pip uninstall -y cupy-cuda12x cupy-cuda13x && pip inst"
    with pytest.raises(BackendError, match=message):
        select("cupy")


def test_wheels_are_found_by_their_metadata(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("cupy_cuda12x", "CuPy-CUDA13x", "cupy-rocm-7-0", "cupy", "cupyx-extras", "cupy-xarray"):
        folder = tmp_path / f"{name}-14.2.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: 14.2.0\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert availability.installed_wheels() == ["cupy", "cupy-cuda12x", "cupy-cuda13x", "cupy-rocm-7-0"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"status": 35}, r"no NVIDIA driver, or it is older.*nvidia-smi.*pip install .*\[cuda12x\]"),
        ({"status": 100}, r"the driver finds no GPU.*CUDA_VISIBLE_DEVICES"),
        ({"status": 999}, r"CUDA does not start: cudaError 999.*nvidia-smi"),
        ({"devices": 0}, r"the driver finds no GPU.*nvidia-smi"),
        ({"capability": "70"}, r"Fake GPU has compute capability 7\.0; gpunet needs 7\.5.*CUDA_VISIBLE_DEVICES"),
        ({"compile_error": CompileError("no such header")}, r"NVRTC.*\nno such header\n.*pip install .*\[cuda12x\]"),
        (
            {"compile_error": RuntimeError("libnvrtc.so.13")},
            r"a first kernel does not run: libnvrtc\.so\.13.*\[cuda12x",
        ),
        ({"answer": (0, 0)}, r"gave \[0, 0\], wanted \[40, 41\]"),
    ],
)
def test_each_failure_has_its_reason_and_its_remedy(
    wheels: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    settings: dict[str, Any],
    message: str,
) -> None:
    monkeypatch.setitem(sys.modules, "cupy", fake_cupy(**settings))
    with pytest.raises(BackendError, match=rf"(?s)^backend 'cupy': .*{message}"):
        select("cupy")
    assert select("auto") is numpy_backend()
    assert capsys.readouterr().err.startswith("gpunet: computing on the CPU with numpy; backend 'cupy': ")


@pytest.mark.parametrize("capability", ["75", "86", "100", "120"])
def test_generations_from_turing_on_are_taken(
    wheels: list[str], monkeypatch: pytest.MonkeyPatch, capability: str
) -> None:
    monkeypatch.setitem(sys.modules, "cupy", fake_cupy(capability=capability))
    assert select("cupy").name == "cupy"


def test_reduced_precision_by_environment_is_refused(wheels: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", fake_cupy())
    monkeypatch.setenv("CUPY_TF32", "1")
    with pytest.raises(BackendError, match=r"CUPY_TF32.*unset CUPY_TF32"):
        select("cupy")


def test_arrays_name_their_backend() -> None:
    assert backend_of(np.zeros(1), None, np.float32(1)) is numpy_backend()
    assert backend_of() is backend_of(None) is numpy_backend()


@pytest.mark.parametrize("thing", [[1.0], 1.0, "x", memoryview(b"x")])
def test_what_is_no_array_is_named_by_its_type(thing: Any) -> None:
    with pytest.raises(BackendError, match=rf"got a builtins\.{type(thing).__name__}, wanted a numpy\.ndarray"):
        backend_of(np.zeros(1), thing)
