"""Times of layers, with a clock that the test moves: what is counted where is exact."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from tiny_training import small_net

import gpunet as gn
from gpunet.training.layer_times import LayerClock, LayerTime, LayerTimes, measure_layer_times

X = np.ones((4, 1, 6, 6), np.float32)
LABELS = np.array([0, 1, 2, 0])


class Clock:
    """Stands still but for what the layers take."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Slow(gn.Identity):
    """Takes so many seconds, forward and backward."""

    def __init__(self, clock: Clock, forward: float, backward: float) -> None:
        self.clock, self.seconds = clock, (forward, backward)

    def compute(self, context: gn.Context, x: Any) -> Any:
        self.clock.now += self.seconds[0]
        return x

    def differentiate(self, context: gn.Context, grad_y: Any) -> Any:
        self.clock.now += self.seconds[1]
        return grad_y


class Wrapped(gn.Module):
    """A layer with work of its own around it: 1 second forward, 2 backward."""

    def __init__(self, clock: Clock, inner: gn.Module) -> None:
        self.clock, self.inner = clock, inner

    def compute(self, context: gn.Context, x: Any) -> Any:
        self.clock.now += 1
        return context.run(self.inner, x)

    def differentiate(self, context: gn.Context, grad_y: Any) -> Any:
        grad = self.inner.backward(grad_y)
        self.clock.now += 2
        return grad


def seconds(times: LayerTimes) -> dict[str, tuple[float, float]]:
    return {row.name: (row.forward, row.backward) for row in times.rows}


def step(net: gn.Module) -> None:
    net.backward(net.forward(X, training=True))


def test_each_module_gets_its_own_time_and_no_more() -> None:
    clock = Clock()
    net = gn.Sequential(Slow(clock, 4, 8), Wrapped(clock, gn.Sequential(Slow(clock, 16, 32))))
    watch = LayerClock(warmup=0, clock=clock)
    with net.observe(watch):
        step(net)
    times = watch.times()
    assert seconds(times) == {"": (0, 0), "0": (4, 8), "1": (1, 2), "1.inner": (0, 0), "1.inner.0": (16, 32)}
    assert (times.forward, times.backward, times.total) == (21, 42, 63)
    assert (times.passes, times.backend) == (1, net.backend.name)
    assert [row.name for row in times.shown] == ["0", "1", "1.inner.0"]
    assert [(row.kind, row.leaf) for row in times.shown] == [("Slow", True), ("Wrapped", False), ("Slow", True)]
    assert times.share(times.shown[0]) == 12 / 63


def test_the_median_over_the_passes_after_those_that_warm_up() -> None:
    clock = Clock()
    layer = Slow(clock, 0, 0)
    watch = LayerClock(warmup=2, clock=clock)
    with layer.observe(watch):
        for taken in (90, 80, 1, 7, 2):
            layer.seconds = (taken, 2 * taken)
            step(layer)
    assert seconds(watch.times()) == {"": (2, 4)}
    assert watch.passes == 3


def test_an_evaluation_in_between_does_not_count() -> None:
    clock = Clock()
    layer = Slow(clock, 1, 1)
    watch = LayerClock(warmup=0, clock=clock)
    with layer.observe(watch):
        step(layer)
        layer.seconds = (50, 50)
        layer(X)
        layer(X)
        layer.seconds = (3, 3)
        step(layer)
    assert seconds(watch.times()) == {"": (2, 2)}


def test_inference_alone() -> None:
    clock = Clock()
    layer = Slow(clock, 3, 5)
    watch = LayerClock(training=False, warmup=0, clock=clock)
    with layer.observe(watch):
        layer(X)
        step(layer)
    assert seconds(watch.times()) == {"": (3, 0)}
    assert watch.passes == 2


def test_a_pass_that_an_error_ends_is_forgotten() -> None:
    clock = Clock()
    net = gn.Sequential(Slow(clock, 1, 1), gn.Conv2d(1, 1, 3), Slow(clock, 1, 1))
    watch = LayerClock(warmup=0, clock=clock)
    with net.observe(watch):
        with pytest.raises(gn.ShapeError):
            net.forward(np.ones((1, 2, 6, 6), np.float32), training=True)
        net[0].forward(X)  # a part alone is no pass of the net
        net.forward(X, training=True)
        net.backward(np.ones((4, 1, 4, 4), np.float32))
    assert watch.passes == 1
    assert seconds(watch.times())["0"] == (1, 1)


def test_nothing_measured_and_wrong_numbers_are_said() -> None:
    watch = LayerClock()
    with pytest.raises(gn.StateError, match="no forward and its backward was counted yet"):
        watch.times()
    with pytest.raises(gn.StateError, match="no forward was counted yet"):
        LayerClock(training=False).times()
    with pytest.raises(gn.DataError, match="warmup must be 0 or more passes, got -1"):
        LayerClock(warmup=-1)
    with pytest.raises(gn.DataError, match="repeats must be at least 1, got 0"):
        measure_layer_times(small_net(), gn.CrossEntropyLoss(), X, LABELS, repeats=0)


def test_the_device_is_waited_for_before_and_after_each_module(monkeypatch: pytest.MonkeyPatch) -> None:
    net = gn.Sequential(gn.ReLU())
    waited: list[str] = []
    clock = Clock()
    monkeypatch.setattr(type(net.backend), "synchronize", lambda self: waited.append("wait"))

    def read() -> float:
        waited.append("read")
        return clock.now

    watch = LayerClock(warmup=0, clock=read)
    with net.observe(watch):
        step(net)
    assert waited == ["wait", "read"] * 8


def test_one_batch_is_measured_and_the_net_is_left_as_it_was() -> None:
    net = small_net()
    net.forward(X, training=True)
    net.backward(np.ones((4, 3), np.float32))
    net.set_random_position(5, 6, 7)
    before = net.state_dict()
    gradients = [parameter.grad for parameter in net.parameters()]
    times = measure_layer_times(net, gn.CrossEntropyLoss(), net.backend.asarray(X), net.backend.asarray(LABELS), 2)
    assert [row.name for row in times.rows if row.leaf] == ["0", "1", "2", "3", "4", "5"]
    assert times.passes == 2
    assert all(row.forward > 0 and row.backward > 0 for row in times.rows if row.leaf)
    assert times.whole_forward is not None
    assert times.whole_backward is not None
    assert min(times.whole_forward, times.whole_backward) > 0
    assert all(np.array_equal(before[name], value) for name, value in net.state_dict().items())
    assert all(now is then for now, then in zip([p.grad for p in net.parameters()], gradients, strict=True))
    assert {module._random_position for _, module in net.named_modules()} == {(5, 6, 7)}
    assert all(module._context is None and not module._observers for _, module in net.named_modules())


def test_the_net_is_left_as_it_was_after_an_error_too() -> None:
    net = small_net()
    before = net.state_dict()

    def broken(outputs: Any, labels: Any) -> Any:
        raise gn.DataError("no")

    with pytest.raises(gn.DataError, match="no"):
        measure_layer_times(net, broken, net.backend.asarray(X), LABELS)
    assert all(np.array_equal(before[name], value) for name, value in net.state_dict().items())


def test_the_whole_net_is_timed_with_nobody_watching() -> None:
    clock = Clock()

    class Watched(Slow):
        def compute(self, context: gn.Context, x: Any) -> Any:
            self.clock.now += 100 if self._observers else 0
            return super().compute(context, x)

    net = gn.Sequential(Watched(clock, 1, 2), gn.Flatten(), gn.Linear(36, 3))
    times = measure_layer_times(
        net, gn.CrossEntropyLoss(), net.backend.asarray(X), net.backend.asarray(LABELS), clock=clock
    )
    assert (times.whole_forward, times.whole_backward) == (1, 2)
    assert seconds(times)["0"] == (101, 2)


def test_the_table() -> None:
    rows = (
        LayerTime("", "Sequential", False, 0.0, 0.0),
        LayerTime("conv", "Conv2d", True, 0.001, 0.002),
        LayerTime("relu", "ReLU", True, 0.0, 0.001),
    )
    lines = str(LayerTimes(rows, 3, "numpy", 0.0005, 0.0015)).splitlines()
    assert [re.split(r"\s{2,}", line) for line in lines] == [
        ["layer", "forward", "backward", "share"],
        ["conv Conv2d", "1.000 ms", "2.000 ms", "75.0 %"],
        ["relu ReLU", "0.000 ms", "1.000 ms", "25.0 %"],
        ["all layers", "1.000 ms", "3.000 ms", "100.0 %"],
        ["the net, neighbours together", "0.500 ms", "1.500 ms"],
    ]
    assert LayerTimes(rows[:1], 1, "numpy").share(rows[0]) == 0
    assert "neighbours" not in str(LayerTimes(rows, 3, "numpy"))
