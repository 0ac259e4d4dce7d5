"""Comparing backends: right ones pass in every layer, and a planted error is found in the layer that has it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from altered_backend import BOTH, ERRORS, Altered, normal
from layer_cases import EVERYTHING, LAYERS, LayerCase

import gpunet as gn
from gpunet.backends.numpy import NumpyBackend
from gpunet.verify import Comparison


def names(result: Comparison) -> list[str]:
    return [row.name for row in result.failures]


# Right backends


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", EVERYTHING, ids=str)
def test_every_layer_stays_within_its_expected_rounding(case: LayerCase, dtype: str) -> None:
    for training in (True, False):
        result = gn.compare(case.layer(dtype), case.input(5, dtype), backends=BOTH, training=training)
        assert result.ok, result.verdict
        assert result.dtype == dtype
        for row in result.rows:
            for _, found in row.passes:
                assert found.between.absolute == 0
                assert found.carried.absolute == 0
                assert dtype == "float32" or found.reference[0].absolute == 0


@pytest.mark.parametrize("case", LAYERS, ids=str)
def test_every_layer_whose_result_is_rounded_is_not_taken_for_exact(case: LayerCase) -> None:
    """A wrong sign of all that comes out is seen in every kind of layer, whatever its bound."""
    layer = case.layer("float32")
    x = case.input(5, "float32")
    if not np.abs(layer.forward(x, training=True)).max():
        return  # dropout of everything gives 0 and -0

    class Negated(type(layer)):
        def compute(self, context: gn.Context, x: np.ndarray) -> np.ndarray:
            y = super().compute(context, x)
            return -y if self.backend.name == "altered" else y

    layer.__class__ = Negated
    result = gn.compare(layer, x, backends=("numpy", Altered("relu", lambda y: y)))
    assert not result.ok
    assert result.failures[0].forward.shares[0] <= 1 < result.failures[0].forward.shares[1]


def test_algorithms_with_an_error_of_their_own_are_left_out() -> None:
    """A fast convolution of 40 channels would exceed the rounding of a direct sum."""
    seen = set()

    class Watching(gn.Conv2d):
        def compute(self, context: gn.Context, x: np.ndarray) -> np.ndarray:
            seen.add(self.precision)
            return super().compute(context, x)

    net = Watching(40, 40, 3, padding=1)
    result = gn.compare(net, normal(2, 40, 16, 16), backends=BOTH)
    assert result.ok, result.verdict
    assert seen == {"strict"}
    assert net.precision == "fast"


def residual_net() -> gn.Module:
    with gn.random.seeded(3):
        return gn.Sequential(
            {
                "conv": gn.Conv2d(2, 6, 3, padding=1),
                "bn": gn.BatchNorm2d(6),
                "relu": gn.ReLU(),
                "block": gn.Add(
                    gn.Sequential(gn.Conv2d(6, 6, 3, padding=1), gn.BatchNorm2d(6), gn.ReLU()), gn.Identity()
                ),
                "pool": gn.MaxPool2d(3, 2, 1),
                "drop": gn.Dropout(0.3),
                "mean": gn.AvgPool2d(2),
                "flatten": gn.Flatten(),
                "fc": gn.Linear(24, 5),
            }
        )


X = normal(6, 2, 8, 8)
LABELS = np.array([0, 1, 2, 3, 4, 0])


def test_a_net_is_shown_layer_by_layer() -> None:
    result = gn.compare(residual_net(), X, backends=BOTH, loss=gn.CrossEntropyLoss(), targets=LABELS)
    assert result.ok
    assert [row.name for row in result.rows] == [
        *("conv", "bn", "relu", "block", "block.0.0", "block.0.1", "block.0.2", "block.1"),
        *("pool", "drop", "mean", "flatten", "fc", "loss"),
    ]
    kinds = {row.name: row.kind for row in result.rows}
    assert (kinds["conv"], kinds["block"], kinds["loss"]) == ("Conv2d", "Add", "CrossEntropyLoss")
    assert (result.label, result.dtype, result.batch) == ("Sequential", "float32", 6)
    text = str(result)
    assert text.splitlines()[-1] == "all 14 layers agree within their expected rounding"
    assert "<-- exceeds" not in text


def test_the_net_and_its_random_position_are_not_changed() -> None:
    net = residual_net()
    net[0].weight.trainable = False
    before = net.state_dict()
    gn.compare(net, X, backends=BOTH, dtype="float64")
    after = net.state_dict()
    assert all(np.array_equal(before[name], after[name]) for name in before)
    assert net.dtype == np.float32
    assert all(parameter.grad is None for parameter in net.parameters())
    assert not net[0].weight.trainable
    assert net._random_position == (0, 0, 0)


def test_frozen_parameters_are_compared_too() -> None:
    net = gn.Linear(3, 2)
    net.weight.trainable = False
    spoiled = copy.deepcopy(net)

    class Wrong(gn.Linear):
        def differentiate(self, context: gn.Context, grad_y: np.ndarray) -> np.ndarray:
            grad_x = super().differentiate(context, grad_y)
            self.weight.grad = self.weight.grad * (1 if self.weight.value.dtype == np.float64 else 2)
            return grad_x

    spoiled.__class__ = Wrong
    assert gn.compare(net, normal(4, 3), backends=BOTH).ok
    (row,) = gn.compare(spoiled, normal(4, 3), backends=BOTH).failures
    assert row.backward.array == "weight"


# Planted errors

PLANTED = [
    ("conv2d", "conv"),
    ("conv2d_backward_input", "conv"),
    ("conv2d_backward_weight", "conv"),
    ("batch_norm", "bn"),
    ("batch_norm_backward", "bn"),
    ("max_pool2d", "pool"),
    ("max_pool2d_backward", "pool"),
    ("avg_pool2d", "mean"),
    ("avg_pool2d_backward", "mean"),
    ("relu", "relu"),
    ("relu_backward", "relu"),
    ("dropout", "drop"),
    ("dropout_backward", "drop"),
]


def reached(primitive: str) -> Callable[..., bool]:
    """Only the first of two layers of the kind: its arrays have the size of the image, or two channels."""
    if primitive == "conv2d":
        return lambda x, *_: x.shape[1] == 2
    if primitive == "conv2d_backward_input":
        return lambda grad_y, weight, *_: weight.shape[1] == 2
    if primitive == "conv2d_backward_weight":
        return lambda grad_y, x, *_: x.shape[1] == 2
    return lambda *_: True


@pytest.mark.parametrize("spoil", ERRORS)
@pytest.mark.parametrize(("primitive", "layer"), PLANTED)
def test_a_planted_error_is_found_in_its_own_layer(primitive: str, layer: str, spoil: Callable[[Any], Any]) -> None:
    result = gn.compare(residual_net(), X, backends=("numpy", Altered(primitive, spoil, reached(primitive))))
    assert not result.ok
    same_kind = {"bn": "block.0.1", "relu": "block.0.2"}
    assert names(result) == [layer, *([same_kind[layer]] if layer in same_kind else [])]
    for row in result.failures:
        wrong, right = (
            (row.backward, row.forward)
            if primitive.endswith(("backward", "_input", "_weight"))
            else (row.forward, row.backward)
        )
        assert wrong.shares[0] <= 1 < wrong.shares[1]
        assert wrong.between.absolute > 0
        assert right.ok or primitive in {"relu", "batch_norm"}  # whose backward uses what forward returned
        assert f"{row.kind} '{row.name}'" in result.verdict
    assert "of altered" in result.verdict
    assert str(result).count("<-- exceeds") >= len(result.failures)


@pytest.mark.parametrize("spoil", ERRORS)
def test_an_error_of_the_first_backend_is_put_down_to_the_first(spoil: Callable[[Any], Any]) -> None:
    result = gn.compare(residual_net(), X, backends=(Altered("batch_norm_backward", spoil), "numpy"))
    assert names(result) == ["bn", "block.0.1"]
    assert all(row.backward.shares[1] <= 1 < row.backward.shares[0] for row in result.failures)


@pytest.mark.parametrize("spoil", ERRORS)
def test_an_error_of_the_loss(spoil: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    right = gn.CrossEntropyLoss()
    result = gn.compare(residual_net(), X, backends=BOTH, loss=right, targets=LABELS)
    assert result.ok

    def wrong(predictions: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        value, grad = right(predictions, targets)
        return value, grad if predictions.dtype == np.float64 else spoil(grad)

    result = gn.compare(residual_net(), X, backends=BOTH, loss=wrong, targets=LABELS)
    assert names(result) == ["loss"]


def test_what_a_container_computes_itself_is_judged() -> None:
    class Block(gn.Module):
        """Adds before a layer and after it."""

        def __init__(self) -> None:
            self.conv, self.relu = gn.Conv2d(2, 2, 3, padding=1), gn.ReLU()

        def compute(self, context: gn.Context, x: np.ndarray) -> np.ndarray:
            sign = 1 if x.dtype == np.float64 or self.backend.name == "numpy" else -1
            return context.run(self.relu, x + sign * context.run(self.conv, x))

        def differentiate(self, context: gn.Context, grad_y: np.ndarray) -> np.ndarray:
            grad = self.relu.backward(grad_y)
            return grad + self.conv.backward(grad)

    net = gn.Sequential({"block": Block(), "pool": gn.MaxPool2d(2)})
    assert gn.compare(net, X, backends=BOTH).ok
    result = gn.compare(net, X, backends=("numpy", Altered("erf", lambda y: y)))
    assert names(result) == ["block"]
    assert result.failures[0].forward.array == "to relu"


def test_shared_weights_are_compared_in_each_layer() -> None:
    first, second = gn.Linear(4, 4), gn.Linear(4, 4)
    second.weight = first.weight
    result = gn.compare(gn.Sequential(first, gn.Tanh(), second), normal(5, 4), backends=BOTH)
    assert result.ok
    assert len(result.rows) == 3


def test_several_inputs_and_outputs() -> None:
    class Cross(gn.Module):
        """(x, z) to (x @ w + z, x * z)."""

        def __init__(self) -> None:
            self.linear = gn.Linear(3, 3)

        def compute(self, context: gn.Context, x: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            context.save(x, z)
            sign = -1 if self.backend.name == "altered" and x.dtype == np.float32 else 1
            return context.run(self.linear, x) + z, sign * x * z

        def differentiate(self, context: gn.Context, grad: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, ...]:
            x, z = context.saved
            return self.linear.backward(grad) + other * z, grad + other * x

    inputs = normal(4, 3), normal(4, 3, seed=1)
    right = gn.compare(Cross(), *inputs, backends=BOTH)
    assert right.ok, right.verdict
    wrong = gn.compare(Cross(), *inputs, backends=("numpy", Altered("erf", lambda y: y)))
    assert [(row.name, row.forward.array, row.backward.ok) for row in wrong.failures] == [("", "output 1", True)]
    assert "(net)" in str(wrong)


def test_layers_that_take_no_part_or_only_in_the_forward_pass() -> None:
    class Partly(gn.Module):
        """Looks at one layer's output without differentiating it, and never calls another."""

        def __init__(self) -> None:
            self.used, self.aside, self.unused = gn.Linear(3, 2), gn.Linear(3, 1), gn.Linear(3, 1)

        def compute(self, context: gn.Context, x: np.ndarray) -> np.ndarray:
            context.run(self.aside, x)
            return context.run(self.used, x)

        def differentiate(self, context: gn.Context, grad_y: np.ndarray) -> np.ndarray:
            return self.used.backward(grad_y)

    result = gn.compare(Partly(), normal(4, 3), backends=BOTH)
    assert result.ok, result.verdict
    found = {row.name: row for row in result.rows}
    assert found.keys() == {"used", "aside"}
    assert found["aside"].forward.reference[0].absolute > 0
    assert found["aside"].backward is None
    assert found["used"].backward.reference[0].absolute > 0


# Decisions that rounding may turn


def test_ties_and_zeros_raise_no_alarm() -> None:
    """Inputs that differ by rounding fall on both sides of 0, and which of two neighbours is larger is rounding's."""
    net = gn.Sequential(gn.Linear(8, 8), gn.ReLU(), gn.Flatten(), gn.Linear(8, 36))
    net[0].weight.value[:] = 1
    net[0].bias.value[:] = 0
    x = normal(64, 8)
    x[:, -1] = -x[:, :-1].sum(axis=1)  # each sum is 0 but for rounding

    class Backwards(NumpyBackend):
        """Adds in another order, as every backend may."""

        name = "backwards"

    class Reordered(gn.Linear):
        def compute(self, context: gn.Context, x: np.ndarray) -> np.ndarray:
            y = super().compute(context, x)
            if self.backend.name == "backwards" and x.dtype == np.float32:
                y = (x[:, ::-1].astype(np.float64) @ self.weight.value[:, ::-1].T).astype(np.float32) + self.bias.value
            return y

    net[0].__class__ = Reordered
    result = gn.compare(net, x, backends=("numpy", Backwards()))
    relu = next(row for row in result.rows if row.kind == "ReLU")
    assert relu.backward.carried.relative > 0.1, "the example is to turn decisions"
    assert relu.backward.between.absolute == 0
    first, others = result.rows[0], result.rows[1:]
    assert all(row.ok for row in others)
    assert first.forward.ok or first.forward.array == "output"  # float64 adds what float32 rounds: a sum near 0
    assert result.ok


def test_nearly_equal_elements_raise_no_alarm_in_max_pooling() -> None:
    """Rounding decides which of a window's equal elements is the largest, and with it where its gradient goes."""

    def rounded_up(y: np.ndarray) -> np.ndarray:
        up = (gn.random.Stream(0, "up").bits(y.size).reshape(y.shape) % 2).astype(bool)
        return np.where(up, np.nextafter(y, np.float32(np.inf)), y)

    net = gn.Sequential(gn.Conv2d(1, 2, 3), gn.MaxPool2d(2), gn.GlobalMaxPool2d())
    x = np.full((3, 1, 10, 10), 0.7, np.float32)
    result = gn.compare(net, x, backends=("numpy", Altered("conv2d", rounded_up)))
    pool = result.rows[1]
    assert pool.backward.carried.relative > 0.1, "the example is to turn decisions"
    assert pool.backward.between.absolute == 0
    assert result.ok, result.verdict


def test_a_module_that_asks_a_child_for_its_shape_by_an_empty_batch() -> None:
    class Plain(gn.Module):
        """Has no output_shape of its own."""

        def compute(self, context: gn.Context, x: np.ndarray) -> np.ndarray:
            return x * 2

        def differentiate(self, context: gn.Context, grad_y: np.ndarray) -> np.ndarray:
            return grad_y * 2

    class Asking(gn.Module):
        def __init__(self) -> None:
            self.plain = Plain()

        def compute(self, context: gn.Context, x: np.ndarray) -> np.ndarray:
            assert self.plain.output_shape(x.shape[1:]) == x.shape[1:]
            return context.run(self.plain, x)

        def differentiate(self, context: gn.Context, grad_y: np.ndarray) -> np.ndarray:
            return self.plain.backward(grad_y)

    result = gn.compare(Asking(), normal(4, 3), backends=BOTH)
    assert result.ok, result.verdict
    assert [row.name for row in result.rows] == ["plain"]


def test_constant_images_and_dead_channels_raise_no_alarm() -> None:
    net = gn.Sequential(gn.Conv2d(1, 4, 3), gn.BatchNorm2d(4), gn.ReLU(), gn.Conv2d(4, 3, 3), gn.BatchNorm2d(3))
    net[0].weight.value[1] = 0  # a channel with a variance of 0
    for x in (np.zeros((4, 1, 9, 9), np.float32), np.full((4, 1, 9, 9), 0.1, np.float32), 100 + normal(4, 1, 9, 9)):
        result = gn.compare(net, x, backends=BOTH)
        assert result.ok, result.verdict


def test_numbers_out_of_range_and_nan_are_equal_where_they_agree() -> None:
    x = normal(4, 3)
    x[0, 0], x[1, 1], x[2, 2] = np.nan, np.inf, -3e38
    with np.errstate(all="ignore"):
        assert gn.compare(gn.Sequential(gn.ReLU(), gn.Identity()), x, backends=BOTH).ok
        assert gn.compare(gn.LeakyReLU(1e-30), x, backends=BOTH).ok


def test_dropout_has_the_same_mask_on_both() -> None:
    other = Altered("dropout", lambda result: result)
    result = gn.compare(gn.Sequential(gn.Dropout(0.5), gn.Dropout(0.2)), X, backends=("numpy", other), seed=5)
    assert result.ok

    def shifted(x: np.ndarray, probability: float, stream: gn.random.Stream) -> tuple[np.ndarray, np.ndarray]:
        return NumpyBackend.dropout(x, probability, stream.at(stream.epoch, stream.step + 1))

    other.dropout = shifted
    assert names(gn.compare(gn.Sequential(gn.Dropout(0.5)), X, backends=("numpy", other))) == ["0"]
