"""Every layer on NumPy and on CuPy, judged against float64: what `gpunet compare` is for."""

from __future__ import annotations

import numpy as np
import pytest
from cupy_device import require_cupy
from layer_cases import EVERYTHING, LayerCase

import gpunet as gn

pytestmark = pytest.mark.gpu
backend = require_cupy()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", EVERYTHING, ids=str)
def test_every_layer_agrees_within_its_expected_rounding(case: LayerCase, dtype: str) -> None:
    for training in (True, False):
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
