"""What the doctor says about the emulator."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from doctor_findings import finding, names

from gpunet.backends.cupy import availability
from gpunet.doctor import emulator_checks, examine
from gpunet.errors import BackendError


def no_compiler() -> None:
    raise BackendError("there is no compiler 'g++', which the emulator builds kernels with.")


def test_no_compiler(install: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emulator_checks, "find_compiler", no_compiler)
    install()
    without_wheel = finding(examine(), "compiler")
    assert without_wheel.status == "absent"
    assert without_wheel.remedy.startswith("sudo apt install g++")
    monkeypatch.setattr(emulator_checks, "find_wheel", lambda: SimpleNamespace(version="14.2.0"))
    report = examine()
    assert finding(report, "compiler").status == "fails"
    assert finding(report, "wheel").says == "cupy-rocm-7-0 14.2.0"
    assert not report.emulator_works
    assert "emulator  not ready" in str(report)


def test_an_emulator_that_is_ready(install: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install()
    monkeypatch.setattr(emulator_checks, "require_platform", lambda: None)
    monkeypatch.setattr(emulator_checks, "find_wheel", lambda: SimpleNamespace(version="14.2.0"))
    monkeypatch.setattr(emulator_checks, "find_compiler", lambda: SimpleNamespace(identity="g++ 12"))
    monkeypatch.setenv("GPUNET_EMULATOR_CACHE", str(tmp_path))
    monkeypatch.delenv("GPUNET_EMULATOR_CACHE_LIMIT", raising=False)
    report = examine()
    assert report.emulator_works
    assert report.as_dict()["emulator"] is True
    assert (
        finding(report, "cache").says == f"{tmp_path}: empty; pruned above 2 GiB (GPUNET_EMULATOR_CACHE_LIMIT sets it)"
    )
    monkeypatch.setenv("GPUNET_EMULATOR_CACHE_LIMIT", "much")
    cache = finding(examine(), "cache")
    assert (cache.status, cache.remedy) == ("fails", "unset GPUNET_EMULATOR_CACHE_LIMIT")
    assert "got 'much'" in cache.says
    monkeypatch.delenv("GPUNET_EMULATOR_CACHE_LIMIT")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GPUNET_EMULATOR_CACHE", str(tmp_path / "file"))
    cache = finding(examine(), "cache")
    assert (cache.status, cache.remedy) == ("fails", "export GPUNET_EMULATOR_CACHE=/tmp/gpunet-emulator")


def test_a_wheel_for_gpus_is_no_failure_of_the_emulator(install: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    install("cupy-cuda13x")
    monkeypatch.setattr(emulator_checks, "require_platform", lambda: None)

    def another() -> None:
        raise BackendError("cupy-cuda13x is installed, a CuPy for real GPUs. Make a second environment: ...")

    monkeypatch.setattr(emulator_checks, "installed_wheels", availability.installed_wheels)
    monkeypatch.setattr(emulator_checks, "find_wheel", another)
    wheel = finding(examine(), "wheel")
    assert wheel.status == "absent"
    assert "Make a second environment" in wheel.says


def test_another_platform(install: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    install()

    def refused() -> None:
        raise BackendError("the emulator runs on x86_64 Linux, this is darwin on arm64.")

    monkeypatch.setattr(emulator_checks, "require_platform", refused)
    report = examine()
    assert names(report, "emulator") == ["platform"]
    assert not report.emulator_works
