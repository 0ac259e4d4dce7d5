"""What the doctor finds, with an installation broken in every way that it looks for."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from doctor_findings import PIP, finding, names
from fake_cupy import CompileError

from gpunet import resources
from gpunet.doctor import Finding, base_checks, cupy_checks, examine
from gpunet.doctor.finding import found
from gpunet.doctor.folders import CacheFolder
from gpunet.errors import BackendError
from gpunet.installation import install_command, restore_command

# The base


def test_what_numpy_needs_is_there(install: Any) -> None:
    install()
    report = examine()
    assert report.base_works
    assert not report.gpu_works
    assert names(report, "NumPy") == ["Python", "gpunet", "packages", *resources.FOLDERS, "BLAS", "cores"]
    assert f"numpy {np.__version__}" in finding(report, "packages").says
    assert all(each.remedy for each in report.findings if each.status == "absent" and each.name != "platform")
    assert "NumPy     works" in str(report)


def test_a_missing_package(install: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    install()
    real = metadata.version

    def version(name: str) -> str:
        if name in {"tqdm", "matplotlib"}:
            raise metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(base_checks.metadata, "version", version)
    report = examine()
    assert not report.base_works
    assert finding(report, "packages").remedy == f"{PIP} install tqdm"
    assert finding(report, "plot").status == "absent"
    assert finding(report, "plot").remedy == install_command("plot", PIP)
    assert "does NOT work" in str(report)


def test_an_old_python(install: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base_checks, "MINIMUM_PYTHON", (99, 0))
    (python, _) = base_checks.check_python()
    assert (python.status, python.remedy) == ("fails", "Install Python 3.11 or newer, and gpunet for it.")


def test_a_setting_of_threads_that_makes_no_sense(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> int:
        raise BackendError("GPUNET_NUM_THREADS must be a positive integer, got 'many'.")

    monkeypatch.setattr(base_checks, "thread_count", refused)
    _, threads = base_checks.check_blas()
    assert (threads.status, threads.remedy) == ("fails", "unset GPUNET_NUM_THREADS GPUNET_HELPERS")


def test_an_unknown_blas_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base_checks, "threadpool_info", list)
    blas, _ = base_checks.check_blas()
    assert blas.status == "works"
    assert "their threads are unknown" in blas.says


def test_missing_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base_checks.resources, "FOLDERS", ("kernels", "absent"))
    kernels, absent = base_checks.check_files()
    assert kernels.status == "works"
    assert (absent.status, absent.remedy) == ("fails", restore_command("absent", PIP))


@pytest.mark.parametrize("error", [RuntimeError("two\nlines"), OSError("gone"), BackendError("no"), ValueError()])
def test_a_check_that_raises_is_a_finding(error: Exception) -> None:
    def check() -> Any:
        yield Finding("GPU", "first", "works", "")
        raise error

    first, failed = found("GPU", "CuPy", check)
    assert first.name == "first"
    assert (failed.name, failed.status) == ("CuPy", "fails")
    assert failed.says
    assert "\n" not in failed.says


# CuPy and the GPU


@pytest.fixture
def nvidia_smi(monkeypatch: pytest.MonkeyPatch) -> Callable[[str | None], None]:
    """Sets what nvidia-smi prints; None: there is none."""

    def prints(text: str | None) -> None:
        monkeypatch.setattr(cupy_checks.shutil, "which", lambda name: None if text is None else f"/usr/bin/{name}")
        monkeypatch.setattr(cupy_checks.subprocess, "run", lambda *_, **__: SimpleNamespace(stdout=text))

    return prints


def test_no_cupy(install: Any) -> None:
    install(module=False)
    report = examine()
    assert names(report, "GPU") == ["CuPy"]
    assert finding(report, "CuPy").status == "absent"
    assert finding(report, "CuPy").remedy in {install_command(extra, PIP) for extra in ("cuda12x", "cuda13x")}
    assert "GPU       not usable: backend 'auto' takes NumPy" in str(report)


def test_two_wheels(install: Any) -> None:
    install("cupy-cuda12x", "cupy-cuda13x")
    report = examine()
    cupy = finding(report, "CuPy")
    assert cupy.status == "fails"
    assert "cupy-cuda12x of unknown version, cupy-cuda13x" in cupy.says
    assert cupy.remedy.startswith(f"{PIP} uninstall -y cupy-cuda12x cupy-cuda13x && {PIP} install ")
    assert names(report, "GPU") == ["CuPy", "kernel cache"]


def test_a_cupy_built_from_source_is_pointed_at(install: Any) -> None:
    install("cupy")
    cupy = finding(examine(), "CuPy")
    assert cupy.status == "works"
    assert "built from source" in cupy.says


def test_a_gpu_that_works(install: Any) -> None:
    install("cupy-cuda13x")
    report = examine()
    assert [(each.name, each.status) for each in report.findings if each.part == "GPU"] == [
        (name, "works")
        for name in ("CuPy", "driver", "device 0", "NVRTC", "headers", "cuBLAS", "in use", "kernel cache")
    ]
    assert report.gpu_works
    assert finding(report, "driver").says == "version 13.0, CuPy's runtime 12.9"
    assert finding(report, "device 0").says == "Fake GPU, compute capability 9.0, 3.0 of 8.0 GiB free"
    assert finding(report, "NVRTC").says == "12.9"
    assert "GPU       works" in str(report)


@pytest.mark.parametrize(
    ("status", "visible", "smi", "remedy"),
    [
        (35, None, None, "Install the driver: sudo ubuntu-drivers install, or https://www.nvidia.com/drivers"),
        (35, None, "CUDA Version: 12.8 ", f"{PIP} uninstall -y cupy-cuda13x && {install_command('cuda12x', PIP)}"),
        (999, None, "CUDA Version: 13.0 ", "nvidia-smi must show the GPU; if it does not, restart the machine"),
        (999, None, "has failed because", "nvidia-smi must show the GPU; if it does not, restart the machine"),
        (100, "", None, "unset CUDA_VISIBLE_DEVICES (it is ''); then look: nvidia-smi"),
        (100, None, None, "nvidia-smi must show the GPU; start a container with: docker run --gpus all"),
    ],
)
def test_no_driver_or_no_device(
    install: Any,
    nvidia_smi: Callable[[str | None], None],
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    visible: str | None,
    smi: str | None,
    remedy: str,
) -> None:
    install("cupy-cuda13x", status=status)
    nvidia_smi(smi)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    report = examine()
    driver = finding(report, "driver")
    assert driver.status == "fails"
    assert driver.remedy.startswith(remedy)
    assert finding(report, "in use").status == "fails"
    assert not report.gpu_works
    assert report.base_works


@pytest.mark.parametrize(
    ("smi", "extra"),
    [(None, "cuda12x"), ("CUDA Version: 12.4", "cuda12x"), ("| CUDA Version: 13.1 |", "cuda13x"), ("?", "cuda12x")],
)
def test_the_extra_follows_the_driver(
    install: Any, nvidia_smi: Callable[[str | None], None], smi: str | None, extra: str
) -> None:
    install(module=False)
    nvidia_smi(smi)
    assert finding(examine(), "CuPy").remedy == install_command(extra, PIP)


def test_an_nvidia_smi_that_hangs(install: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    install(module=False)

    def hang(*_: Any, **__: Any) -> None:
        raise subprocess.TimeoutExpired("nvidia-smi", 30)

    monkeypatch.setattr(cupy_checks.shutil, "which", lambda name: "nvidia-smi")
    monkeypatch.setattr(cupy_checks.subprocess, "run", hang)
    assert "[cuda12x]" in finding(examine(), "CuPy").remedy


def test_a_driver_that_finds_no_device(install: Any) -> None:
    install("cupy-cuda13x").cuda.runtime.getDeviceCount = lambda: 0
    report = examine()
    assert finding(report, "driver").says.endswith("it finds no device")
    assert "docker run --gpus all" in finding(report, "driver").remedy
    assert names(report, "GPU") == ["CuPy", "driver", "in use", "kernel cache"]


def test_an_old_device(install: Any) -> None:
    install("cupy-cuda13x", capabilities=("70",))
    report = examine()
    old = finding(report, "device 0")
    assert old.status == "fails"
    assert old.says.endswith("too old, gpunet needs 7.5 (Turing)")
    assert old.remedy == "Use backend 'numpy', or a newer GPU."
    assert "has compute capability 7.0; gpunet needs 7.5" in finding(report, "in use").says


def test_an_old_device_beside_a_new_one(install: Any) -> None:
    install("cupy-cuda13x", capabilities=("61", "90", "120"))
    report = examine()
    assert finding(report, "device 0").remedy == "export CUDA_VISIBLE_DEVICES=1,2"
    assert "compute capability 12.0" in finding(report, "device 2").says


def test_no_nvrtc(install: Any) -> None:
    xp = install("cupy-cuda13x", compile_error=RuntimeError("libnvrtc.so.13: cannot open"))

    def missing() -> None:
        raise RuntimeError("libnvrtc.so.13: cannot open")

    xp.cuda.nvrtc.getVersion = missing
    report = examine()
    assert finding(report, "NVRTC").status == "fails"
    assert finding(report, "NVRTC").remedy == f"{PIP} install 'cupy-cuda13x[ctk]'"
    assert "a first kernel does not run" in finding(report, "in use").says
    assert "headers" not in names(report, "GPU")


def test_no_headers_and_a_broken_blas(install: Any) -> None:
    xp = install("cupy-cuda12x")

    def missing(*_: Any, **__: Any) -> None:
        raise CompileError("cannot open source file cuda_fp16.h")

    xp.arange = missing
    xp.ones = np.zeros
    report = examine()
    assert finding(report, "headers").says == "cannot open source file cuda_fp16.h"
    assert finding(report, "headers").remedy == f"{PIP} install 'cupy-cuda12x[ctk]'"
    assert finding(report, "cuBLAS").says == "gives wrong results"


def test_a_wheel_that_cannot_be_imported(install: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    install("cupy-cuda13x", module=False)
    report = examine()
    assert finding(report, "import").remedy == f"{PIP} install --force-reinstall cupy-cuda13x"
    long = "Failed to import CuPy. If you ... Original error: ImportError: libamdhip64.so.7: no such file ======"
    monkeypatch.setattr(cupy_checks, "_refusal", lambda: long)
    install("cupy-rocm-7-0", module=False)
    emulated = finding(examine(), "import")
    assert emulated.status == "absent"
    assert emulated.says == (
        "cupy-rocm-7-0 cannot be imported: ImportError: libamdhip64.so.7: no such file; this wheel is for the emulator"
    )
    assert emulated.remedy == "gpunet emulate -- COMMAND"


def test_an_import_that_raises_anything(install: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    install("cupy-cuda13x", module=False)

    def broken() -> None:
        raise AttributeError("module 'numpy' has no attribute 'bool8'")

    monkeypatch.setattr(cupy_checks, "cupy_backend", broken)
    report = examine()
    assert finding(report, "import").says == "AttributeError: module 'numpy' has no attribute 'bool8'"


def test_a_device_that_does_not_answer(install: Any) -> None:
    xp = install("cupy-cuda13x")

    def lost() -> None:
        raise RuntimeError("cudaErrorUnknown")

    xp.cuda.runtime.memGetInfo = lost
    xp.cuda.runtime.driverGetVersion = lost
    report = examine()
    assert finding(report, "device 0").status == "fails"
    assert finding(report, "driver").says.startswith("version unknown")


# Caches


def test_the_kernel_cache(install: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install("cupy-cuda13x")
    (tmp_path / "a.cubin").write_bytes(b"x" * 2**20)
    monkeypatch.setenv("CUPY_CACHE_DIR", str(tmp_path))
    assert finding(examine(), "kernel cache").says == f"{tmp_path}: 1 files, 1.0 MiB"
    monkeypatch.setenv("CUPY_CACHE_DIR", str(tmp_path / "not" / "yet"))
    assert finding(examine(), "kernel cache").says.endswith("yet: empty")
    assert not (tmp_path / "not").exists()
    monkeypatch.setenv("CUPY_CACHE_IN_MEMORY", "1")
    assert "in memory" in finding(examine(), "kernel cache").says


def test_a_cache_that_cannot_be_written(install: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install("cupy-cuda13x")
    file = tmp_path / "file"
    file.write_text("")
    monkeypatch.setenv("CUPY_CACHE_DIR", str(file / "cache"))  # below a file there is no folder
    cache = finding(examine(), "kernel cache")
    assert (cache.status, cache.remedy) == ("fails", "export CUPY_CACHE_DIR=/tmp/cupy-cache")
    assert "is no folder" in cache.says

    def refused(**_: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("gpunet.doctor.folders.tempfile.TemporaryFile", refused)
    assert CacheFolder.at(tmp_path).refusal == f"{tmp_path}: Permission denied"
