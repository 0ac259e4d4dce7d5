"""Predicted memory of a training step, held against what a step in a fresh process is measured to take."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import step_memory
import tolerances
from tiny_training import small_net

import gpunet as gn
from gpunet.backends.numpy import memory as pool
from gpunet.training.memory import estimate_memory, largest_batch

pytestmark = pytest.mark.numpy_only("predicts the memory of NumPy's own arrays")
ROOT = Path(__file__).resolve().parents[2]


def measured(net: str, optimizer: str, batch_size: int) -> int:
    words = [sys.executable, step_memory.__file__, net, optimizer, str(batch_size)]
    environment = {**os.environ, "GPUNET_NUM_THREADS": "1"}
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.parametrize(
    ("net", "optimizer", "batch_size"),
    [
        ("lenet", "sgd", 64),
        ("resnet20", "sgd", 16),
        ("vgg_cifar", "adam", 8),
        ("compact_resnet", "rmsprop", 32),
        ("seed_network", "sgd", 64),
        ("mixed", "adam", 24),
        pytest.param("resnet18", "sgd", 16, marks=pytest.mark.slow),
    ],
)
def test_the_peak_is_what_is_measured(net: str, optimizer: str, batch_size: int) -> None:
    make, shape = step_memory.NETS[net]
    predicted = estimate_memory(make(), shape, batch_size, step_memory.OPTIMIZERS[optimizer]).peak
    assert predicted == pytest.approx(measured(net, optimizer, batch_size), rel=tolerances.MEMORY_OF_A_STEP)


def test_by_hand() -> None:
    net = gn.Sequential(gn.Conv2d(1, 2, 3, padding=1), gn.Flatten(), gn.Linear(32, 3))
    memory = estimate_memory(net, (1, 4, 4), batch_size=10)
    weights = 4 * (18 + 2 + 96 + 3)
    assert memory.batch_size == 10
    assert memory.parameters == memory.gradients == memory.optimizer == weights
    assert memory.batch == 10 * (4 * 16 + 8)
    # Kept: the images, which count with the batch, and the input of Linear, which is the convolution's output, copied
    # because that lies in memory with its channels last.
    assert memory.kept_by == {"2": 10 * 4 * 32}
    assert memory.kept == 10 * 4 * 32
    assert memory.peak > memory.parameters + memory.optimizer + memory.batch + memory.kept


def test_what_the_optimizer_remembers_and_what_is_frozen() -> None:
    net = gn.Sequential(gn.Flatten(), gn.Linear(4, 2))
    net[1].weight.trainable = False
    memory = estimate_memory(net, (1, 2, 2), 1, gn.Adam)
    assert memory.parameters == 4 * 10
    assert memory.gradients == 4 * 2
    assert memory.optimizer == 2 * memory.gradients


def test_more_images_need_more_and_the_net_is_left_as_it_was() -> None:
    net = small_net()
    net.backward(np.ones_like(net.forward(np.zeros((4, 1, 6, 6), np.float32), training=True)))
    before, gradients = net.state_dict(), [parameter.grad.copy() for parameter in net.parameters()]
    blocks = dict(pool._pool._blocks)
    small, large = (estimate_memory(net, (1, 6, 6), batch_size=size) for size in (2, 20))
    statistics = 4 * 2 * 4  # of the batch norm, whatever the batch
    assert large.kept - statistics == 10 * (small.kept - statistics)
    assert large.parameters == small.parameters
    assert large.peak > small.peak
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    for parameter, gradient in zip(net.parameters(), gradients, strict=True):
        np.testing.assert_array_equal(parameter.grad, gradient)
    assert all(module._context is None for _, module in net.named_modules())
    assert pool._pool._blocks == blocks


def test_it_needs_no_memory_itself() -> None:
    net = gn.Sequential(gn.Conv2d(3, 64, 3, padding=1), gn.ReLU(), gn.Flatten(), gn.Linear(64 * 256 * 256, 2))
    assert estimate_memory(net, (3, 256, 256), 200).peak > 2**33


def test_layers_that_are_computed_together_keep_as_one() -> None:
    net = gn.Sequential(gn.Conv2d(3, 4, 3), gn.ReLU(), gn.MaxPool2d(2), gn.Flatten(), gn.Linear(4 * 9, 2), gn.ReLU())
    kept = estimate_memory(net, (3, 8, 8), 10).kept_by
    assert set(kept) == {"0", "4"}
    assert kept["0"] == 10 * 4 * 9 * (4 + 1)  # the pooled numbers, and which element of its window each one is


def test_what_a_layer_keeps_in_lists_and_tables_counts_once() -> None:
    class Keeps(gn.Module):
        def compute(self, context: gn.Context, x: np.ndarray) -> np.ndarray:
            twice = 2 * x
            context.save({"twice": twice, "views": [twice[:1], twice.reshape(-1)]}, (x, 3), None)
            return twice

        def differentiate(self, context: gn.Context, grad_y: np.ndarray) -> np.ndarray:
            return 2 * grad_y

    net = gn.Sequential(Keeps(), gn.Flatten(), gn.Linear(16, 2))
    assert estimate_memory(net, (1, 4, 4), batch_size=10).kept_by["0"] == 10 * 4 * 16


@pytest.mark.parametrize("loss", [gn.MSELoss(), gn.CrossEntropyLoss(label_smoothing=0.1)])
def test_other_losses(loss: Any) -> None:
    memory = estimate_memory(gn.Sequential(gn.Conv2d(1, 2, 3, padding=1)), (1, 4, 4), 8, loss=loss)
    assert memory.batch == 8 * 16 * (4 + (2 * 4 if isinstance(loss, gn.MSELoss) else 8))


def test_float64_takes_twice_as_much() -> None:
    single, double = small_net(), small_net().astype("float64")
    one, other = (estimate_memory(net, (1, 6, 6), 10) for net in (single, double))
    assert other.gradients == 2 * one.gradients
    assert 1.8 * one.kept < other.kept <= 2 * one.kept  # the mask of dropout is as it was


def test_the_largest_batch_that_fits() -> None:
    net = gn.models.create("lenet")
    limit = estimate_memory(net, (1, 28, 28), 40).peak + 50_000  # Python's own objects are less; an image takes 100,000
    found = largest_batch(net, (1, 28, 28), limit)
    assert found.peak <= limit
    assert found.batch_size >= 40
    assert estimate_memory(net, (1, 28, 28), found.batch_size + 2).peak > limit


def test_a_large_batch_is_found_nearly() -> None:
    net = gn.models.create("lenet")
    found = largest_batch(net, (1, 28, 28), 10**8)
    assert found.peak <= 10**8
    assert estimate_memory(net, (1, 28, 28), found.batch_size * 102 // 100).peak > 10**8


def test_what_cannot_be_estimated() -> None:
    net = small_net()
    with pytest.raises(gn.DataError, match="estimate_memory: batch_size must be at least 1, got 0"):
        estimate_memory(net, (1, 6, 6), 0)
    with pytest.raises(gn.DataError, match=r"a training step with 2 images needs [\d,]+ bytes, more than the 1,000"):
        largest_batch(net, (1, 6, 6), 1000)
    with pytest.raises(gn.ShapeError, match="Conv2d '0'"):
        estimate_memory(net, (1, 2, 2), 4)
    net._backend = type("OnDevice", (), {"name": "cupy"})()
    with pytest.raises(gn.BackendError, match="the net is on cupy, wanted one on numpy"):
        estimate_memory(net, (1, 6, 6), 4)
