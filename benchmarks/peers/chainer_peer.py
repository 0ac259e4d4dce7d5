"""Chainer, with NumPy as its back end. The last release is of 2022; what it misses in today's Python is given back."""

from __future__ import annotations

import collections
import collections.abc
import warnings
from typing import Any

import numpy as np

from benchmarks.peers import architectures as a
from benchmarks.peers.contender import EPS, LEARNING_RATE, MOMENTUM, RUNNING_SHARE, Contender, Task, batch

for _name in collections.abc.__all__:  # until Python 3.9 they stood in collections, too
    if not hasattr(collections, _name):
        setattr(collections, _name, getattr(collections.abc, _name))
warnings.filterwarnings("ignore")

import chainer  # noqa: E402 - needs the names above
import chainer.functions as F  # noqa: E402
import chainer.links as L  # noqa: E402


class Chain(chainer.ChainList):
    """Layers in order; those without weights are functions."""

    def __init__(self, layers: tuple[a.Layer, ...], shape: a.Shape) -> None:
        super().__init__()
        self.calls: list[Any] = []
        for layer in layers:
            call = _call(layer, shape)
            if isinstance(call, chainer.Link):
                self.append(call)
            self.calls.append(call)
            shape = a.output_shape(layer, shape)

    def forward(self, x: Any) -> Any:
        for call in self.calls:
            x = call(x)
        return x


class Block(chainer.Chain):
    """y = relu(body(x) + shortcut(x))."""

    def __init__(self, layer: a.Residual, shape: a.Shape) -> None:
        super().__init__()
        self.subsamples = layer.shortcut == a.SUBSAMPLE
        self.added = (a.shape_behind(layer.body, shape)[0] - shape[0]) // 2
        with self.init_scope():
            self.body = Chain(layer.body, shape)
            self.shortcut = Chain(() if self.subsamples else layer.shortcut, shape)

    def forward(self, x: Any) -> Any:
        y = self.body(x)
        if self.subsamples:
            x = F.pad(x[:, :, ::2, ::2], ((0, 0), (self.added, self.added), (0, 0), (0, 0)), "constant")
        return F.relu(y + self.shortcut(x))


def _call(layer: a.Layer, shape: a.Shape) -> Any:
    if isinstance(layer, a.Conv):
        return L.Convolution2D(
            shape[0], layer.channels, layer.kernel, layer.stride, layer.padding, nobias=not layer.bias
        )
    if isinstance(layer, a.BatchNorm):
        return L.BatchNormalization(shape[0], 1 - RUNNING_SHARE, EPS)
    if isinstance(layer, a.MaxPool):
        return lambda x: F.max_pooling_2d(x, layer.kernel, layer.stride, layer.padding, cover_all=False)
    if isinstance(layer, a.Linear):
        return L.Linear(shape[0], layer.features)
    if isinstance(layer, a.Residual):
        return Block(layer, shape)
    functions = {a.ReLU: F.relu, a.AveragePool: lambda x: F.average(x, axis=(2, 3)), a.Flatten: F.flatten}
    return F.relu if isinstance(layer, a.ReLU) else _flat if isinstance(layer, a.Flatten) else functions[type(layer)]


def _flat(x: Any) -> Any:
    return F.reshape(x, (x.shape[0], -1))


class ChainerContender(Contender):
    packages = ("chainer", "numpy")

    def __init__(self, task: Task) -> None:
        self.task = task
        images, labels = batch(task)
        self.images, self.labels = images, labels.astype(np.int32)

    def build(self) -> None:
        self.net = Chain(self.task.net.layers, self.task.net.image)
        self.optimizer = chainer.optimizers.MomentumSGD(LEARNING_RATE, MOMENTUM).setup(self.net)

    def parameters(self) -> int:
        return self.net.count_params()

    def step(self) -> float:
        self.net.cleargrads()
        loss = F.softmax_cross_entropy(self.net(self.images), self.labels)
        loss.backward()
        self.optimizer.update()
        return float(loss.array)


CONTENDER = ChainerContender
