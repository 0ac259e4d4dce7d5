"""PyTorch: its default layout or channels last, as it is or compiled by torch.compile."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.peers import architectures as a
from benchmarks.peers.contender import EPS, LEARNING_RATE, MOMENTUM, RUNNING_SHARE, Contender, Task, batch


class Block(nn.Module):
    """y = relu(body(x) + shortcut(x))."""

    def __init__(self, layer: a.Residual, shape: a.Shape) -> None:
        super().__init__()
        self.body = sequential(layer.body, shape)
        self.subsamples = layer.shortcut == a.SUBSAMPLE
        self.added = (a.shape_behind(layer.body, shape)[0] - shape[0]) // 2
        self.shortcut = sequential(layer.shortcut, shape) if layer.shortcut and not self.subsamples else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.body(x)
        if self.subsamples:
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.added, self.added))
        elif self.shortcut is not None:
            x = self.shortcut(x)
        return F.relu(y + x)


class AveragePool(nn.Module):
    """The mean of each channel."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.flatten(F.adaptive_avg_pool2d(x, 1), 1)


def sequential(layers: tuple[a.Layer, ...], shape: a.Shape) -> nn.Sequential:
    """The layers as PyTorch's, for inputs of ``shape``."""
    modules: list[nn.Module] = []
    for layer in layers:
        modules.append(_module(layer, shape))
        shape = a.output_shape(layer, shape)
    return nn.Sequential(*modules)


def _module(layer: a.Layer, shape: a.Shape) -> nn.Module:
    if isinstance(layer, a.Conv):
        return nn.Conv2d(shape[0], layer.channels, layer.kernel, layer.stride, layer.padding, bias=layer.bias)
    if isinstance(layer, a.BatchNorm):
        return nn.BatchNorm2d(shape[0], EPS, RUNNING_SHARE)
    if isinstance(layer, a.MaxPool):
        return nn.MaxPool2d(layer.kernel, layer.stride, layer.padding)
    if isinstance(layer, a.Linear):
        return nn.Linear(shape[0], layer.features)
    if isinstance(layer, a.Residual):
        return Block(layer, shape)
    return {a.ReLU: nn.ReLU, a.AveragePool: AveragePool, a.Flatten: nn.Flatten}[type(layer)]()


class TorchContender(Contender):
    """Variants: "", "channels_last", "compiled" and "channels_last compiled"."""

    packages = ("torch",)

    def __init__(self, task: Task) -> None:
        self.task = task
        torch.set_num_threads(task.threads)
        torch.manual_seed(0)
        images, labels = batch(task)
        self.format = torch.channels_last if "channels_last" in task.variant else torch.contiguous_format
        self.images = torch.from_numpy(images).clone(memory_format=self.format)
        self.labels = torch.from_numpy(labels)

    def build(self) -> None:
        task = self.task
        self.net = sequential(task.net.layers, task.net.image).to(memory_format=self.format)
        self.optimizer = torch.optim.SGD(self.net.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)
        self.forward = torch.compile(self.net) if "compiled" in task.variant else self.net

    def parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.net.parameters())

    def step(self) -> float:
        self.optimizer.zero_grad()
        loss = F.cross_entropy(self.forward(self.images), self.labels)
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def about(self) -> dict[str, Any]:
        return {"threads": torch.get_num_threads()}


CONTENDER = TorchContender
