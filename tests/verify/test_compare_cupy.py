"""Every layer on NumPy and on CuPy, judged against float64: what `gpunet compare` is for."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cupy_device import require_cupy
from layer_cases import EVERYTHING, LayerCase

import gpunet as gn
from gpunet.backends.cupy import kernel_library
from gpunet.cli import main
from gpunet.verify import Comparison

pytestmark = pytest.mark.gpu
backend: Any = require_cupy()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", EVERYTHING, ids=str)
def test_every_layer_agrees_within_its_expected_rounding(case: LayerCase, dtype: str) -> None:
    for training in (True, False) if dtype == "float32" else (True,):
        result = gn.compare(case.layer(dtype), case.input(5, dtype), training=training)
        assert result.ok, result.verdict
        assert result.backends == ("numpy", "cupy")


def test_the_other_way_round_and_from_a_net_on_the_device() -> None:
    with gn.random.seeded(0):
        net = gn.Sequential(
            *(gn.Conv2d(1, 4, 3), gn.BatchNorm2d(4), gn.ReLU(), gn.MaxPool2d(2)),
            *(gn.Dropout(0.4), gn.Flatten(), gn.Linear(36, 5)),
        ).to(backend)
    x = gn.random.Stream(0, "x").normal((6, 1, 8, 8)).astype("float32")
    labels = np.array([0, 1, 2, 3, 4, 0])
    for batch in (x, backend.asarray(x)):
        result = gn.compare(
            net, batch, backends=("cupy", "numpy"), loss=gn.CrossEntropyLoss(label_smoothing=0.1), targets=labels
        )
        assert result.ok, result.verdict
        assert result.rows[-1].name == "loss"
    assert net.backend is backend


def test_a_primitive_with_a_wrong_sign_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    right = type(backend).relu_backward
    monkeypatch.setattr(type(backend), "relu_backward", lambda self, grad_y, y: -right(self, grad_y, y))
    net = gn.Sequential(gn.Linear(4, 4), gn.ReLU(), gn.Linear(4, 2))
    result = gn.compare(net, gn.random.Stream(0, "x").normal((5, 4)).astype("float32"))
    assert [row.name for row in result.failures] == ["1"]
    assert "ReLU '1' backward (gradient of input of cupy" in result.verdict


# Altered kernels

# A file, an array that it reads with the wrong sign, and the layers that this spoils, in which direction.
ALTERED = [
    ("elementwise", "grad_y", ["relu", "drop"], "backward"),
    ("elementwise", "x", ["relu"], "forward"),
    ("pooling", "grad_y", ["pool", "mean"], "backward"),
    ("batch_norm", "grad_y", ["bn"], "backward"),
    ("batch_norm", "x", ["bn"], "forward"),
    ("im2col", "columns|element", ["conv"], "backward"),
    ("dropout", r"values\.values", ["drop"], "forward"),
    ("softmax_cross_entropy", "row", ["loss"], "backward"),
]


def net() -> gn.Module:
    with gn.random.seeded(0):
        return gn.Sequential(
            {
                "conv": gn.Conv2d(2, 4, 3, padding=1),
                "bn": gn.BatchNorm2d(4),
                "relu": gn.ReLU(),
                "pool": gn.MaxPool2d(2),
                "drop": gn.Dropout(0.3),
                "mean": gn.AvgPool2d(2),
                "flatten": gn.Flatten(),
                "fc": gn.Linear(16, 3),
            }
        )


def compared() -> Comparison:
    x = gn.random.Stream(0, "x").normal((4, 2, 8, 8)).astype("float32")
    return gn.compare(net(), x, loss=gn.CrossEntropyLoss(), targets=np.array([0, 1, 2, 0]))


@pytest.fixture
def wrong_sign(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Alters a kernel file for this test: ``wrong_sign("pooling", "grad_y")``."""
    right = kernel_library.source_text

    def alter(file: str, array: str) -> None:
        def source(name: str) -> str:
            text = right(name)
            if name != file:
                return text
            reading = rf"\b((?:{array})\[[^\];=]*\])(?!\s*=[^=])"
            altered, count = re.subn(reading, r"(-\1)", text)
            assert count, f"{file}.cu reads nothing from {array}[...]: choose another array to alter"
            return altered

        monkeypatch.setattr(kernel_library, "source_text", source)
        monkeypatch.setattr(backend, "library", kernel_library.KernelLibrary(backend.xp))

    return alter


@pytest.mark.parametrize(("file", "array", "layers", "direction"), ALTERED)
def test_a_kernel_with_a_wrong_sign_is_found_in_its_layers(
    wrong_sign: Callable[[str, str], None], file: str, array: str, layers: list[str], direction: str
) -> None:
    assert compared().ok
    wrong_sign(file, array)
    result = compared()
    assert [row.name for row in result.failures] == layers
    for row in result.failures:
        found = getattr(row, direction)
        assert found.shares[0] <= 1 < found.shares[1]


def test_the_command_fails_and_names_the_layer(
    wrong_sign: Callable[[str, str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["compare", "--model", "lenet", "--batch-size", "2"]
    assert main(words) == 0
    wrong_sign("im2col", "columns|element")
    capsys.readouterr()
    assert main(words) == 1
    assert "Conv2d 'conv2' backward (gradient of input of cupy" in capsys.readouterr().err
