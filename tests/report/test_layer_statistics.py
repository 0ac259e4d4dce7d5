"""What layers put out and get back, counted by hand, and nets that are ill on purpose."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from tiny_training import small_net

import gpunet as gn
from gpunet.report import LayerStatistics, layer_statistics


def sum_loss(outputs: Any, labels: Any) -> tuple[Any, Any]:
    """The mean over the samples of the sum of their outputs: each image's gradient is 1 everywhere."""
    return outputs.sum() / len(outputs), 0 * outputs + 1 / len(outputs)


def measured(net: gn.Module, images: Any, batch_size: int = 64, loss: Any = sum_loss) -> dict[str, LayerStatistics]:
    labels = net.backend.asarray(np.zeros(len(images), np.int64))
    found = layer_statistics(net, loss, net.backend.asarray(images), labels, batch_size)
    return {statistics.name: statistics for statistics in found}


def hand_net() -> gn.Sequential:
    """x -> (x, -x, -8) -> rectified -> 2 a + 2 b + 2 c, all of it exact."""
    net = gn.Sequential(gn.Linear(1, 3), gn.ReLU(), gn.Linear(3, 1, bias=False))
    net[0].weight.value[:] = np.array([[1], [-1], [0]], np.float32)
    net[0].bias.value[:] = np.array([0, 0, -8], np.float32)
    net[2].weight.value[:] = 2
    return net


@pytest.mark.parametrize("batch_size", [1, 3, 4, 64])
def test_by_hand(batch_size: int) -> None:
    found = measured(hand_net(), np.array([[1], [2], [-3], [0]], np.float32), batch_size)
    assert list(found) == ["0", "1", "2"]
    first, relu, last = found.values()
    assert (relu.name, relu.kind, relu.label, relu.output_shape, relu.units) == ("1", "ReLU", "1 ReLU", (3,), 3)
    assert relu.mean == (1 + 2 + 3) / 12
    assert relu.std == pytest.approx(np.std([1, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0]))
    assert relu.largest == 3
    assert relu.zeros == 9 / 12
    assert relu.dead == 1  # the third is -8 before it, whatever comes in
    assert first.dead is None
    assert last.dead is None
    assert first.largest == 8
    # Each image's gradient: 1 at the output, (2, 2, 2) after the rectifier, 2 before it where something came through.
    assert last.gradient == 1
    assert last.relative_gradient == 1
    assert relu.gradient == pytest.approx(np.sqrt(12))
    assert first.gradient == pytest.approx(np.sqrt((4 + 4 + 4 + 0) / 4))
    assert first.relative_gradient == pytest.approx(np.sqrt(3))
    assert first.weight == pytest.approx(np.sqrt(1 + 1 + 64))
    assert relu.weight is relu.weight_gradient is None
    # Of the mean: weights (2 + 4) / 4, -(-6) / -4; biases 4 / 4 and 2 / 4.
    assert first.weight_gradient == pytest.approx(np.sqrt(1.5**2 + 1.5**2 + 1 + 0.5**2))
    assert last.weight == pytest.approx(np.sqrt(12))
    assert relu.problems == ("Dead: 1 of 3 units are 0 for every image.",)
    assert first.problems == last.problems == ()


def test_large_outputs_are_summed_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    images = gn.random.Stream(0, "x").normal((7, 1, 6, 6)).astype("float32")
    whole = measured(small_net(), images)
    for elements in (1, 50, 200):
        monkeypatch.setattr(sys.modules[LayerStatistics.__module__], "_ELEMENTS_AT_ONCE", elements)
        for name, found in measured(small_net(), images).items():
            assert (found.mean, found.std, found.largest) == pytest.approx(
                (whole[name].mean, whole[name].std, whole[name].largest)
            )
            assert found.gradient == pytest.approx(whole[name].gradient)


def test_a_channel_lives_if_it_fires_anywhere() -> None:
    net = gn.Sequential(gn.Conv2d(1, 2, 1, bias=False), gn.ReLU(), gn.Flatten())
    net[0].weight.value[:] = np.array([1, -1], np.float32).reshape(2, 1, 1, 1)
    images = np.zeros((3, 1, 2, 2), np.float32)
    images[2, 0, 1, 1] = 5
    assert measured(net, images, batch_size=1)["1"].dead == 1
    images[0, 0, 0, 0] = -1
    assert measured(net, images, batch_size=1)["1"].dead == 0
    assert measured(net, 0 * images, batch_size=1)["1"].dead is None  # nothing to cut off: no rectifier


def test_what_cuts_off_nothing_has_no_dead_units() -> None:
    images = gn.random.Stream(0, "x").normal((8, 4)).astype("float32")
    for layer in (gn.LeakyReLU(), gn.Tanh(), gn.Identity(), gn.Dropout(0.5)):
        assert measured(gn.Sequential(layer, gn.Linear(4, 2)), images)["0"].dead is None
    assert measured(gn.Sequential(gn.ReLU(), gn.Linear(4, 2)), images)["0"].dead == 0


def chain(layers: int, scale: float, middle: type[gn.Module]) -> gn.Sequential:
    with gn.random.seeded(0):
        net = gn.Sequential(*(module for _ in range(layers) for module in (gn.Linear(8, 8), middle())))
    for module in net:
        for parameter in module.parameters():
            parameter.value *= scale
    return net


def test_vanishing_gradients_are_seen_where_they_have_vanished() -> None:
    images = gn.random.Stream(0, "x").normal((16, 8)).astype("float32")
    found = list(measured(chain(8, 1, gn.Sigmoid), images).values())
    assert not found[-1].vanishing
    assert found[0].vanishing
    relative = [statistics.relative_gradient for statistics in found]
    assert [statistics.vanishing for statistics in found] == [value < 1e-3 for value in relative]
    assert found[0].problems == (f"Vanishing gradient: {relative[0]:.1e} of that at the net's output.",)
    assert not any(statistics.exploding for statistics in found)


def test_exploding_gradients_are_seen() -> None:
    images = gn.random.Stream(0, "x").normal((16, 8)).astype("float32")
    found = list(measured(chain(8, 30, gn.Identity), images).values())
    assert found[0].exploding
    assert "Exploding gradient: " in found[0].problems[0]
    assert not found[-1].exploding
    assert not any(statistics.vanishing for statistics in found)


def test_what_is_not_finite_is_said() -> None:
    net = chain(2, 1, gn.Identity)
    net[0].weight.value[0, 0] = np.inf
    images = np.ones((2, 8), np.float32)
    with np.errstate(all="ignore"):
        found = measured(net, images)
    assert "Its output holds NaN or infinity." in found["0"].problems
    net = chain(2, 1, gn.Identity)
    net[2].weight.value[0, 0] = np.inf
    with np.errstate(all="ignore"):
        found = measured(net, images)
    assert found["0"].problems == ("The gradient that reaches it is NaN or infinite.",)


def test_no_gradient_at_all() -> None:
    net = chain(2, 1, gn.Identity)
    net[2].weight.value[:] = 0
    found = measured(net, np.ones((2, 8), np.float32))
    assert found["0"].problems == ("No gradient at all reaches it.",)
    nothing = measured(net, np.ones((2, 8), np.float32), loss=lambda y, labels: (y.sum(), 0 * y))
    assert {statistics.relative_gradient for statistics in nothing.values()} == {None}
    assert nothing["0"].problems == ()


def test_the_net_is_left_as_it_was() -> None:
    net = small_net()
    before = net.state_dict()
    images = gn.random.Stream(0, "x").normal((10, 1, 6, 6)).astype("float32")
    found = measured(net, images, 4, gn.CrossEntropyLoss())
    assert list(found) == ["0", "1", "2", "3", "4", "5"]
    assert all(np.array_equal(before[name], value) for name, value in net.state_dict().items())
    assert all(parameter.grad is None for parameter in net.parameters())
    assert all(module._context is None and not module._observers for _, module in net.named_modules())


def test_wrong_arguments_are_named() -> None:
    net = small_net()
    images, labels = np.zeros((3, 1, 6, 6), np.float32), np.zeros(3, np.int64)
    with pytest.raises(gn.DataError, match="got 0 images and batch_size=64, wanted at least 1 of each"):
        layer_statistics(net, sum_loss, images[:0], labels[:0])
    with pytest.raises(gn.DataError, match="got 3 images and batch_size=0"):
        layer_statistics(net, sum_loss, images, labels, 0)
    with pytest.raises(gn.ShapeError, match="got 2 labels for 3 images"):
        layer_statistics(net, sum_loss, images, labels[:2])
