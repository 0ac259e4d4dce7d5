"""Measures the memory of a training step, in a process of its own in which nothing has been computed before.

python step_memory.py NET OPTIMIZER BATCH_SIZE       prints the peak of the second step, in bytes
"""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np

import gpunet as gn


def block(channels: int) -> gn.Module:
    """Branches that are joined, layers that keep what no model of ours keeps."""
    return gn.Concat(
        gn.Sequential(gn.Conv2d(channels, 8, 1), gn.GroupNorm(2, 8), gn.SiLU()),
        gn.Sequential(gn.Conv2d(channels, 16, 3, padding=1, groups=2), gn.Dropout(0.3), gn.LeakyReLU(0.1)),
        gn.Sequential(gn.AvgPool2d(3, 1, padding=1), gn.ConvTranspose2d(channels, 8, 3, padding=1), gn.Hardswish()),
    )


def mixed() -> gn.Module:
    """Layers of many kinds."""
    net = gn.Sequential(
        gn.Conv2d(3, 16, 3, stride=2, padding=1), gn.BatchNorm2d(16), gn.PReLU(16),
        block(16), gn.Upsample(scale_factor=2, mode="bilinear"), gn.LocalResponseNorm(3), gn.MaxPool2d(3, 2, padding=1),
        block(32), gn.Conv2d(32, 32, 3, padding=1, groups=32), gn.GELU(), gn.Sigmoid(), gn.Tanh(),
        gn.AdaptiveAvgPool2d(4), gn.Flatten(), gn.Linear(512, 64), gn.LayerNorm(64), gn.ELU(), gn.Linear(64, 10),
    )  # fmt: skip
    net.precision = "strict"
    return net


NETS: dict[str, tuple[Callable[[], gn.Module], tuple[int, int, int]]] = {
    "lenet": (lambda: gn.models.create("lenet"), (1, 28, 28)),
    "resnet20": (lambda: gn.models.create("resnet20"), (3, 32, 32)),
    "vgg_cifar": (lambda: gn.models.create("vgg_cifar"), (3, 32, 32)),
    "compact_resnet": (lambda: gn.models.create("compact_resnet"), (1, 28, 28)),
    "seed_network": (lambda: gn.models.create("seed_network"), (1, 28, 28)),
    "resnet18": (lambda: gn.models.create("resnet18", image_size=(64, 64), num_classes=10), (3, 64, 64)),
    "resnet50": (lambda: gn.models.create("resnet50"), (3, 224, 224)),
    "mixed": (mixed, (3, 32, 32)),
}
OPTIMIZERS: dict[str, Any] = {
    "sgd": lambda parameters: gn.SGD(parameters, lr=0.01, momentum=0.9),
    "adam": lambda parameters: gn.Adam(parameters, lr=1e-4, weight_decay=1e-4),
    "rmsprop": lambda parameters: gn.RMSprop(parameters, lr=1e-4, momentum=0.9, centered=True),
}


def measure(net_name: str, optimizer_name: str, batch_size: int) -> int:
    """Bytes."""
    make, shape = NETS[net_name]
    random = np.random.default_rng(0)
    with make().backend.computing():  # what is imported at first use is none of the step's
        tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    net = make()
    optimizer, loss = OPTIMIZERS[optimizer_name](net.parameters()), gn.CrossEntropyLoss()
    images = random.standard_normal((batch_size, *shape), dtype=np.float32)
    labels = random.integers(0, 10, batch_size)

    def step() -> None:
        optimizer.zero_grad()
        outputs = net.forward(images, training=True)
        _, grad = loss(outputs, labels)
        net.backward(grad, inputs=False)
        optimizer.step()

    step()
    tracemalloc.reset_peak()
    step()
    _, peak = tracemalloc.get_traced_memory()
    return peak - before


if __name__ == "__main__":
    print(measure(sys.argv[1], sys.argv[2], int(sys.argv[3])))
