"""gpunet, driven as its Trainer drives it. The variant is the backend's name."""

from __future__ import annotations

import gpunet as gn
from benchmarks.peers import architectures as a
from benchmarks.peers.contender import LEARNING_RATE, MOMENTUM, Contender, Task, batch


def plain(net: a.Net) -> gn.Sequential:
    """A net without branches, layer by layer."""
    layers, shape = [], net.image
    for layer in net.layers:
        layers.append(_layer(layer, shape))
        shape = a.output_shape(layer, shape)
    return gn.Sequential(*layers)


def _layer(layer: a.Layer, shape: a.Shape) -> gn.Module:
    if isinstance(layer, a.Conv):
        return gn.Conv2d(shape[0], layer.channels, layer.kernel, layer.stride, layer.padding, bias=layer.bias)
    if isinstance(layer, a.MaxPool):
        return gn.MaxPool2d(layer.kernel, layer.stride, layer.padding)
    if isinstance(layer, a.Linear):
        return gn.Linear(shape[0], layer.features)
    if isinstance(layer, a.AveragePool):
        return gn.Sequential(gn.AdaptiveAvgPool2d(1), gn.Flatten())
    return {a.ReLU: gn.ReLU, a.Flatten: gn.Flatten}[type(layer)]()


def build(net: a.Net) -> gn.Module:
    """The product's own model of that name where it has one."""
    if net.name in gn.models.names():
        return gn.models.create(net.name, num_classes=net.classes, in_channels=net.image[0], seed=0)
    with gn.random.seeded(0):
        return plain(net)


class GpunetContender(Contender):
    """Variants: "numpy" and "cupy"."""

    packages = ("gpunet", "numpy", "threadpoolctl", "cupy-cuda12x", "cupy-cuda13x")

    def __init__(self, task: Task) -> None:
        self.task = task
        self.backend = gn.backends.select(task.variant)
        images, labels = batch(task)
        self.images, self.labels = self.backend.asarray(images), self.backend.asarray(labels)

    def build(self) -> None:
        self.net = build(self.task.net).to(self.backend)
        self.optimizer = gn.SGD(self.net.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)
        self.loss = gn.CrossEntropyLoss()

    def parameters(self) -> int:
        return sum(parameter.value.size for parameter in self.net.parameters())

    def versions(self) -> dict[str, str]:
        return {"gpunet": gn.__version__}  # in a bare checkout, too

    def step(self) -> float:
        self.optimizer.zero_grad()
        value, grad = self.loss(self.net.forward(self.images, training=True), self.labels)
        self.net.backward(grad, inputs=False)
        self.optimizer.step()
        return float(value)


CONTENDER = GpunetContender
