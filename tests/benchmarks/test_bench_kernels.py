"""Every primitive is measured, and its bytes and operations are counted as the definition says."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import gpunet as gn
from benchmarks import bench_kernels, results
from benchmarks.ceilings import Ceilings
from benchmarks.kernel_child import call_others
from benchmarks.primitive_costs import PRIMITIVES, Call, bound
from benchmarks.primitive_timing import Timer, add_shares, device_measure
from gpunet.geometry import Window

WINDOW = Window.create(3, 1, 1)


@pytest.fixture
def timer() -> Timer:
    return Timer(gn.backends.numpy_backend(), samples=1, seconds=0.0)


def images(*shape: int) -> Any:
    return np.ones(shape, np.float32)


def call(name: str, *arguments: Any, **named: Any) -> Call:
    backend = gn.backends.numpy_backend()
    return Call(name, bound(name, arguments, named), getattr(backend, name)(*arguments, **named))


def test_others_call_every_primitive(timer: Timer) -> None:
    with timer.watching():
        call_others(timer.backend, 1)
    assert {row["primitive"] for row in timer.rows.values()} == set(PRIMITIVES)
    assert len(PRIMITIVES) >= 20


def test_after_watching_the_backend_is_as_it_was(timer: Timer) -> None:
    before = dict(vars(timer.backend))
    with timer.watching():
        assert "relu" in vars(timer.backend)
    assert vars(timer.backend) == before


def test_equal_calls_are_timed_once_and_counted(timer: Timer) -> None:
    x = images(2, 3, 4, 4)
    with timer.watching():
        for array in (x, x + 1, x[:1], x.transpose(0, 2, 3, 1).copy().transpose(0, 3, 1, 2)):
            timer.backend.relu(array)
    assert [row["count"] for row in timer.rows.values()] == [2, 1, 1]


def test_what_a_convolution_needs() -> None:
    found = call("conv2d", images(2, 4, 5, 6), images(8, 4, 3, 3), images(8), WINDOW)
    assert found.operations == 2 * (2 * 8 * 5 * 6) * (4 * 3 * 3)
    assert found.bytes == 4 * (2 * 4 * 30 + 8 * 4 * 9 + 8 + 2 * 8 * 30)
    assert found.detail == "4x5x6 to 8, 3x3"


def test_what_its_gradients_need() -> None:
    grad, weight, x = images(2, 8, 5, 6), images(8, 4, 3, 3), images(2, 4, 5, 6)
    for found in (
        call("conv2d_backward_input", grad, weight, x.shape, WINDOW),
        call("conv2d_backward_weight", grad, x, weight.shape, WINDOW),
    ):
        assert found.operations == 2 * (2 * 8 * 5 * 6) * (4 * 3 * 3)
        assert found.bytes == 4 * (2 * 4 * 30 + 8 * 4 * 9 + 2 * 8 * 30)


def test_what_pooling_needs() -> None:
    found = call("max_pool2d", images(1, 2, 4, 4), Window.create(2, 2))
    assert found.operations == 8 * 4
    assert found.bytes == 4 * 32 + 4 * 8 + found.result[1].nbytes
    assert found.detail == "2x4x4 to 2x2x2, 2x2/2"


def test_what_a_batch_norm_needs_with_a_residual_and_a_rectifier() -> None:
    x = images(2, 3, 4, 4)
    found = call("batch_norm", x, images(3), images(3), 1e-5, x + 1, True)
    assert found.detail == "3x4x4, residual, relu"
    assert found.bytes == 4 * (2 * 96 + 2 * 3 + 96 + 2 * 3)
    assert found.operations == 6 * 96


def test_an_optimizer_writes_what_it_changes() -> None:
    arrays = [[images(10), images(5)] for _ in range(3)]
    settings = {"lr": 0.0, "momentum": 0.9, "dampening": 0.0, "nesterov": False, "weight_decay": 0.0, "first": False}
    found = call("sgd_step", *arrays, **settings)
    assert found.bytes == 4 * 15 * (3 + 2)
    assert found.operations == 6 * 15
    assert found.detail == "15 numbers"


def test_shares_of_the_ceilings() -> None:
    summary = {"all": {"median": 2.0}, "quiet": None}
    row = {"bytes": 100, "operations": 600, "variants": {"": {"summary": summary}}}
    add_shares(row, Ceilings(bandwidth=200.0, product=1000.0))
    variant = row["variants"][""]
    assert (variant["bytes_per_second"], variant["operations_per_second"]) == (50, 300)
    assert (variant["share_of_bandwidth"], variant["share_of_product"], variant["share_of_roof"]) == (0.25, 0.3, 0.3)
    assert row["bound"] == "product"


def test_on_a_device_events_tell_the_time_and_both_ways_of_adding_are_timed() -> None:
    """A device whose clock the test moves: each call takes 3 ms, an atomic one 1 ms."""
    clock = [0.0]

    class Event:
        def record(self) -> None:
            self.at = clock[0]

        def synchronize(self) -> None:
            pass

    cuda = SimpleNamespace(Event=Event, get_elapsed_time=lambda start, end: end.at - start.at)
    assert device_measure(SimpleNamespace(cuda=cuda))(lambda: clock.append(0), 5).seconds == 0

    class Device(type(gn.backends.numpy_backend())):
        name = "device"
        options = SimpleNamespace(scatter="gather")

        def max_pool2d_backward(self, *arguments: Any) -> Any:
            clock[0] += 3.0 if self.options.scatter == "gather" else 1.0
            return super().max_pool2d_backward(*arguments)

    device = Device()
    device.xp = SimpleNamespace(cuda=cuda)
    timer = Timer(device, samples=2, seconds=0.01)
    y, offsets = device.max_pool2d(images(1, 1, 4, 4), Window.create(2, 2))
    with timer.watching():
        device.max_pool2d_backward(y, offsets, (1, 1, 4, 4), Window.create(2, 2))
    (row,) = timer.rows.values()
    medians = {name: variant["summary"]["all"]["median"] for name, variant in row["variants"].items()}
    assert medians == {"gather": pytest.approx(0.003), "atomic": pytest.approx(0.001)}
    assert device.options.scatter == "gather"


def test_a_run_and_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figure = pytest.importorskip("matplotlib.figure", exc_type=ImportError).Figure()

    def draw(record: Any, path: Path, plot: Any) -> None:  # without the seconds that a PNG takes
        plot(figure, record)

    monkeypatch.setattr(results, "draw", draw)
    path = tmp_path / "found.json"
    words = ["--nets", "lenet", "--batch-sizes", "2", "--threads", "1", "--samples", "1", "--sample-seconds", "0"]
    assert bench_kernels.main([*words, "--output", str(path)]) == 0
    (group,) = json.loads(path.read_text("utf-8"))["groups"]
    assert {"bandwidth", "product", "looks"} == group["ceilings"].keys()
    assert group["ceilings"]["looks"] > len(group["rows"]) / 4
    names = [row["primitive"] for row in group["rows"]]
    assert names[0] == "conv2d"
    assert {"conv2d_backward_weight", "max_pool2d_backward", "softmax_cross_entropy", "sgd_step"} <= set(names)
    assert "| conv2d | 1x28x28 to 6, 5x5 | 1 |" in path.with_suffix(".md").read_text("utf-8")
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["numpy, 1 pinned thread"]


def test_a_backend_that_does_not_work_is_an_error_of_its_group(tmp_path: Path) -> None:
    path = tmp_path / "found.json"
    words = ["--nets", "lenet", "--backends", "cupy", "--output", str(path)]
    assert bench_kernels.main(words) == 1
    (group,) = json.loads(path.read_text("utf-8"))["groups"]
    assert "BackendError: backend 'cupy'" in group["error"]
