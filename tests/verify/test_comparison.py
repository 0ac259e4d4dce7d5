"""Comparing backends: the units of differences, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from altered_backend import BOTH, Altered, normal

import gpunet as gn


def test_differences_in_their_units() -> None:
    def add(result: np.ndarray) -> np.ndarray:
        result = result.copy()
        result[0, 0] += 2.0**-10
        return result

    net = gn.Sequential(gn.ReLU())
    x = np.array([[1.0, 4.0], [0.0, -2.0]], np.float32)
    result = gn.compare(net, x, backends=("numpy", Altered("relu", add)))
    (row,) = result.rows
    assert row.forward.between.absolute == 2.0**-10
    assert row.forward.between.relative == 2.0**-12  # of 4
    assert row.forward.between.ulps == 2.0**11  # 4 has units of 2**-21
    assert row.forward.reference[0].absolute == 0
    assert row.forward.reference[1] == row.forward.between
    assert row.forward.shares == (0.0, np.inf)  # a choice is exact
    assert result.whole.outputs == row.forward.between
    assert result.whole.parameter == ""


def test_the_whole_net_drifts_while_its_layers_agree() -> None:
    class Rounded(gn.Linear):
        def compute(self, context: gn.Context, x: np.ndarray) -> np.ndarray:
            y = super().compute(context, x)
            return np.nextafter(y, np.float32(np.inf)) if self.backend.name == "altered" else y

    net = gn.Sequential(*(gn.Linear(8, 8) for _ in range(3)))
    for layer in net:
        layer.__class__ = Rounded
    result = gn.compare(net, normal(4, 8), backends=("numpy", Altered("erf", lambda y: y)))
    assert result.ok
    assert all(0 < row.forward.between.ulps <= 1 for row in result.rows)
    assert result.rows[2].forward.carried.absolute > 0
    assert result.rows[2].backward.between.absolute == 0
    assert result.rows[0].backward.carried.absolute > 0 or result.whole.gradients.absolute > 0
    assert result.whole.parameter.endswith("weight")


# Bad input


def test_bad_input() -> None:
    net = gn.Linear(3, 2)
    x = normal(4, 3)
    for settings, error, message in [
        ({"backends": ("numpy",)}, gn.DataError, "compare: got 1 backends, wanted two"),
        ({"backends": ("numpy", "cuda")}, gn.BackendError, "unknown backend 'cuda'"),
        ({"backends": BOTH, "loss": gn.MSELoss()}, gn.DataError, "loss and targets belong together"),
        ({"backends": BOTH, "dtype": "float16"}, gn.DataError, "float16, wanted float32 or float64"),
    ]:
        with pytest.raises(error, match=message):
            gn.compare(net, x, **settings)
    with pytest.raises(gn.ShapeError, match="got no samples"):
        gn.compare(net, x[:0], backends=BOTH)
    with pytest.raises(gn.ShapeError, match="got no samples"):
        gn.compare(net, backends=BOTH)
    with pytest.raises(gn.DataError, match="got int64 values"):
        gn.compare(net, np.arange(6).reshape(2, 3), backends=BOTH)
    with pytest.raises(gn.ShapeError, match=r"Linear: .*wanted 3 values"):
        gn.compare(net, normal(4, 5), backends=BOTH)


def test_a_layer_that_computes_twice_in_a_pass_is_refused() -> None:
    class Twice(gn.Module):
        def __init__(self) -> None:
            self.relu = gn.ReLU()

        def compute(self, context: gn.Context, x: np.ndarray) -> np.ndarray:
            return context.run(self.relu, context.run(self.relu, x))

    with pytest.raises(gn.StateError, match=r"ReLU 'relu' computed twice"):
        gn.compare(Twice(), normal(2, 3), backends=BOTH)
