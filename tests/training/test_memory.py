from __future__ import annotations

import numpy as np
from tiny_training import small_net

import gpunet as gn
from gpunet.training.memory import estimate_memory


def test_by_hand() -> None:
    net = gn.Sequential(gn.Conv2d(1, 2, 3, padding=1), gn.Flatten(), gn.Linear(32, 3))
    memory = estimate_memory(net, (1, 4, 4), batch_size=10)
    weights = 4 * (18 + 2 + 96 + 3)
    assert memory.parameters == memory.gradients == memory.optimizer == weights
    # Kept: the images, and the output of the convolution, which Flatten passes on as the input of Linear.
    assert memory.kept == 10 * 4 * (16 + 32)
    assert memory.passing == 10 * 4 * (32 + 32)
    assert memory.total == 3 * weights + memory.kept + memory.passing


def test_what_the_optimizer_remembers_and_what_is_frozen() -> None:
    net = gn.Sequential(gn.Flatten(), gn.Linear(4, 2))
    net[1].weight.trainable = False
    memory = estimate_memory(net, (1, 2, 2), batch_size=1, arrays_per_parameter=2)
    assert memory.parameters == 4 * 10
    assert memory.gradients == 4 * 2
    assert memory.optimizer == 2 * memory.parameters


def test_more_images_need_more_and_the_net_is_left_as_it_was() -> None:
    net = small_net()
    before = net.state_dict()
    small, large = (estimate_memory(net, (1, 6, 6), batch_size=size) for size in (2, 20))
    assert large.kept == 10 * small.kept
    assert large.parameters == small.parameters
    assert all(np.array_equal(before[name], array) for name, array in net.state_dict().items())
    assert all(module._context is None for _, module in net.named_modules())


def test_what_a_layer_keeps_in_lists_and_tables_counts_once() -> None:
    class Keeps(gn.Module):
        def compute(self, context: gn.Context, x: np.ndarray) -> np.ndarray:
            twice = 2 * x
            context.save({"twice": twice, "views": [twice[:1], twice.reshape(-1)]}, (x, 3), None)
            return twice

        def differentiate(self, context: gn.Context, grad_y: np.ndarray) -> np.ndarray:
            return 2 * grad_y

    assert estimate_memory(Keeps(), (1, 4, 4), batch_size=10).kept == 10 * 4 * 2 * 16
