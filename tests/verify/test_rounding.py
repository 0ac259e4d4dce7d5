"""What rounding is expected of, layer by layer."""

from __future__ import annotations

import inspect
import math

import numpy as np
import pytest
from tolerances import ORACLE_FLOAT64

import gpunet as gn
from gpunet import layers
from gpunet.verify.recording import Call, record
from gpunet.verify.rounding import AROUND, Bounds, expected, growth
from gpunet.verify.rounding_rules import RULES


def bounds_of(layer: gn.Module, x: np.ndarray, grad: np.ndarray) -> tuple[Call, Bounds]:
    layer.astype("float64")
    call = record(layer, [x], lambda *_: [grad], training=True)[""]
    return call, expected(RULES, layer, call)


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return gn.random.Stream(seed, "rounding test").normal(shape)


def test_every_layer_has_its_rule() -> None:
    containers = {layers.Module, layers.Sequential, layers.Add, layers.Concat, layers.Graph}
    public = {
        value
        for name in layers.__all__
        if inspect.isclass(value := getattr(layers, name)) and issubclass(value, layers.Module)
    }
    assert public - containers == set(RULES)


def test_roundings_grow_like_a_root_and_never_faster_than_the_terms() -> None:
    assert growth(1) == 1 + AROUND
    assert growth(16) == 16 + AROUND
    assert growth(10_000) == 4 * 100 + AROUND
    assert all(growth(n) <= growth(n + 1) for n in range(1, 200))


def test_the_magnitudes_of_a_product_do_not_cancel() -> None:
    layer = gn.Linear(4, 3)
    x, grad = normal(5, 4), normal(5, 3, seed=1)
    weight, bias = layer.weight.value.astype("float64"), layer.bias.value.astype("float64")
    call, bounds = bounds_of(layer, x, grad)
    np.testing.assert_array_equal(call.outputs[0], x @ weight.T + bias)
    np.testing.assert_allclose(bounds.outputs[0], growth(5) * (abs(x) @ abs(weight).T + abs(bias)), rtol=ORACLE_FLOAT64)
    np.testing.assert_allclose(bounds.grad_inputs[0], growth(3) * (abs(grad) @ abs(weight)), rtol=ORACLE_FLOAT64)
    np.testing.assert_allclose(
        bounds.grad_parameters["weight"], growth(5) * (abs(grad).T @ abs(x)), rtol=ORACLE_FLOAT64
    )
    np.testing.assert_allclose(bounds.grad_parameters["bias"], growth(5) * abs(grad).sum(axis=0), rtol=ORACLE_FLOAT64)


def test_copies_and_choices_are_exact() -> None:
    for layer in (gn.ReLU(), gn.MaxPool2d(2), gn.GlobalMaxPool2d(), gn.Flatten(), gn.Upsample(scale_factor=2)):
        x = normal(2, 3, 4, 4)
        y = layer.forward(x)
        _, bounds = bounds_of(layer, x, normal(*y.shape, seed=1))
        assert not bounds.outputs[0].any()
    _, overlapping = bounds_of(gn.MaxPool2d(3, 1), normal(1, 1, 5, 5), normal(1, 1, 3, 3, seed=1))
    assert not overlapping.outputs[0].any()
    assert overlapping.grad_inputs[0].any()  # sums of up to nine gradients


def test_a_large_mean_costs_digits() -> None:
    layer = gn.BatchNorm2d(2)
    x, grad = normal(8, 2, 4, 4), normal(8, 2, 4, 4, seed=1)
    _, near = bounds_of(layer, x, grad)
    _, far = bounds_of(layer, x + 1000, grad)
    assert far.outputs[0].min() > 100 * near.outputs[0].max()
    assert far.grad_inputs[0].min() > 100 * near.grad_inputs[0].mean()
    assert near.outputs[0].max() < 1000


def test_a_layer_that_computes_otherwise_than_its_base_has_no_rule() -> None:
    class Shown(gn.ReLU):
        def describe(self) -> str:
            return "shown"

    class Leaking(gn.ReLU):
        def compute(self, context: gn.Context, x: np.ndarray) -> np.ndarray:
            context.save(x)
            return np.maximum(x, 0.1 * x)

    x, grad = normal(4, 6), normal(4, 6, seed=1)
    call, inherited = bounds_of(Shown(), x, grad)
    assert not inherited.outputs[0].any()
    call, unknown = bounds_of(Leaking(), x, grad)
    largest = max(abs(call.outputs[0]).max(), abs(x).max())
    assert np.unique(unknown.outputs[0]).tolist() == [growth(6) * largest]


def test_a_norm_with_settings_that_no_formula_bounds() -> None:
    x, grad = normal(2, 4, 3), normal(2, 4, 3, seed=1)
    _, usual = bounds_of(gn.LocalResponseNorm(3), x, grad)
    _, unusual = bounds_of(gn.LocalResponseNorm(3, beta=-0.5), x, grad)
    assert len(np.unique(usual.outputs[0])) > 1
    assert len(np.unique(unusual.outputs[0])) == 1


@pytest.mark.parametrize("terms", [25, 400, 4608])
def test_sums_in_the_worst_order_stay_within(terms: int) -> None:
    """One addition after the other, on numbers of one sign, of both, and sorted so that they cancel last."""
    stream = gn.random.Stream(terms, "sums")
    for values in (stream.uniform((terms, 200)), stream.normal((terms, 200)), np.sort(stream.normal((terms, 200)), 0)):
        single = values.astype("float32")
        total = np.zeros(200, np.float32)
        for row in single:
            total += row
        exact = single.astype("float64").sum(axis=0)
        unit = float(np.finfo("float32").eps) / 2
        share = (abs(total - exact) / (unit * growth(terms) * abs(single).astype("float64").sum(axis=0))).max()
        assert share < 1
        assert math.isfinite(share)
