"""The command that looks at the installation."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from gpunet.cli import doctor
from gpunet.doctor import Compiled, Finding, Report

WORKING = (Finding("NumPy", "Python", "works", "3.12"), Finding("GPU", "in use", "works", "a GPU"))


@pytest.fixture
def examined(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets what the checks find, and what compiling gives."""

    def found(*findings: Finding, compiled: tuple[Compiled, ...] = ()) -> None:
        monkeypatch.setattr(doctor, "examine", lambda: Report(findings))
        monkeypatch.setattr(doctor, "cupy_backend", lambda: SimpleNamespace(library=None))
        monkeypatch.setattr(doctor, "warm_up", lambda library: iter(compiled))

    return found


def test_the_real_installation(gpunet) -> None:
    outcome = gpunet("doctor")
    assert (outcome.status, outcome.err) == (0, "")
    assert "NumPy     works" in outcome.out
    values = json.loads(gpunet("doctor", "--json").out)
    assert values["numpy"] is True
    assert {"part", "name", "status", "says", "remedy"} == set(values["findings"][0])


def test_what_fails_shows_its_remedy(gpunet, examined) -> None:
    examined(
        Finding("NumPy", "Python", "works", "3.12"),
        Finding("GPU", "NVRTC", "fails", "libnvrtc is missing", "pip install 'cupy-cuda13x[ctk]'"),
        Finding("extras", "plot", "absent", "not installed", "pip install 'gpunet[plot]'"),
    )
    outcome = gpunet("doctor")
    assert outcome.status == 0
    assert outcome.out.splitlines() == [
        "NumPy",
        "  ok   Python  3.12",
        "GPU",
        "  FAIL NVRTC   libnvrtc is missing",
        "               -> pip install 'cupy-cuda13x[ctk]'",
        "emulator",
        "extras",
        "  --   plot    not installed",
        "               -> pip install 'gpunet[plot]'",
        "",
        "NumPy     works",
        "GPU       not usable: backend 'auto' takes NumPy",
        "emulator  not ready",
    ]


def test_without_what_numpy_needs_it_fails(gpunet, examined) -> None:
    examined(Finding("NumPy", "packages", "fails", "missing: tqdm", "pip install tqdm"))
    assert gpunet("doctor").status == 1
    outcome = gpunet("doctor", "--json")
    assert outcome.status == 1
    assert json.loads(outcome.out)["numpy"] is False


def test_warmup(gpunet, examined) -> None:
    examined(
        *WORKING, compiled=(Compiled("dropout", "float32", 1, 0.25, ""), Compiled("pooling", "float32", 9, 1.5, ""))
    )
    outcome = gpunet("doctor", "--warmup")
    assert (outcome.status, outcome.err) == (0, "")
    assert [line.split() for line in outcome.out.splitlines()[-4:]] == [
        ["kernel", "file", "dtype", "kernels", "seconds"],
        ["dropout.cu", "float32", "1", "0.25"],
        ["pooling.cu", "float32", "9", "1.50"],
        ["total", "10", "1.75"],
    ]
    assert json.loads(gpunet("doctor", "--warmup", "--json").out)["warmup"][0]["seconds"] == 0.25


def test_a_kernel_that_does_not_compile(gpunet, examined) -> None:
    examined(*WORKING, compiled=(Compiled("dropout", "float32", 1, 0.25, "dropout.cu does not compile: line 3"),))
    outcome = gpunet("doctor", "--warmup")
    assert outcome.status == 1
    assert outcome.err == "gpunet doctor: error: dropout.cu does not compile: line 3\n"


def test_warmup_without_a_gpu(gpunet, examined) -> None:
    examined(WORKING[0])
    outcome = gpunet("doctor", "--warmup")
    assert outcome.status == 1
    assert "--warmup needs a GPU that works" in outcome.err
    assert json.loads(gpunet("doctor", "--warmup", "--json").out)["warmup"] == []
