"""NumPy as tutorials write it: images as columns, kept for backward; one product; col2im by a loop over the kernel.

An honest one: float32 throughout, one call of the BLAS for the whole batch, no loop over images. Arrays are
(N, C, H, W) and made anew for every result.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from benchmarks.peers import architectures as a
from benchmarks.peers.contender import EPS, LEARNING_RATE, MOMENTUM, RUNNING_SHARE, Contender, Task, batch

_generator = np.random.default_rng(0)


class Layer:
    """Values and gradients under the same name."""

    def __init__(self, **values: Any) -> None:
        self.values, self.grads = values, {}

    def everything(self) -> list[Layer]:
        return [self]


class Convolution(Layer):
    def __init__(self, layer: a.Conv, channels: int) -> None:
        shape = (layer.channels, channels, layer.kernel, layer.kernel)
        scale = np.float32(np.sqrt(2 / np.prod(shape[1:])))
        values = {"weight": _generator.standard_normal(shape, dtype=np.float32) * scale}
        if layer.bias:
            values["bias"] = np.zeros(layer.channels, np.float32)
        super().__init__(**values)
        self.stride, self.padding = layer.stride, layer.padding

    def forward(self, x: Any) -> Any:
        weight, p = self.values["weight"], self.padding
        self.x_shape = x.shape
        padded = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
        windows = sliding_window_view(padded, weight.shape[2:], (2, 3))[:, :, :: self.stride, :: self.stride]
        rows, columns = windows.shape[2:4]
        self.columns = windows.transpose(1, 4, 5, 0, 2, 3).reshape(weight[0].size, -1)
        y = weight.reshape(len(weight), -1) @ self.columns
        if "bias" in self.values:
            y += self.values["bias"][:, None]
        return np.ascontiguousarray(y.reshape(len(weight), len(x), rows, columns).swapaxes(0, 1))

    def backward(self, grad: Any) -> Any:
        weight, s, p = self.values["weight"], self.stride, self.padding
        if "bias" in self.values:
            self.grads["bias"] = grad.sum((0, 2, 3))
        filters, (rows, columns) = len(weight), grad.shape[2:]
        grad = grad.swapaxes(0, 1).reshape(filters, -1)
        self.grads["weight"] = (grad @ self.columns.T).reshape(weight.shape)
        n, channels, height, width = self.x_shape
        grad_columns = weight.reshape(filters, -1).T @ grad
        grad_columns = grad_columns.reshape(*weight.shape[1:], n, rows, columns)
        grad_x = np.zeros((n, channels, height + 2 * p, width + 2 * p), np.float32)
        for i in range(weight.shape[2]):
            for j in range(weight.shape[3]):
                grad_x[:, :, i : i + s * rows : s, j : j + s * columns : s] += grad_columns[:, i, j].swapaxes(0, 1)
        return grad_x[:, :, p : p + height, p : p + width]


class Normalisation(Layer):
    def __init__(self, channels: int) -> None:
        super().__init__(weight=np.ones(channels, np.float32), bias=np.zeros(channels, np.float32))
        self.mean, self.variance = np.zeros(channels, np.float32), np.ones(channels, np.float32)

    def forward(self, x: Any) -> Any:
        mean, variance = x.mean((0, 2, 3), keepdims=True), x.var((0, 2, 3), keepdims=True)
        share = np.float32(RUNNING_SHARE)
        self.mean += share * (mean.ravel() - self.mean)
        self.variance += share * (variance.ravel() - self.variance)
        self.inv_std = 1 / np.sqrt(variance + np.float32(EPS))
        self.normalised = (x - mean) * self.inv_std
        return self.values["weight"][:, None, None] * self.normalised + self.values["bias"][:, None, None]

    def backward(self, grad: Any) -> Any:
        bias, weight = grad.sum((0, 2, 3)), (grad * self.normalised).sum((0, 2, 3))
        self.grads = {"weight": weight, "bias": bias}
        count = np.float32(grad.size / grad.shape[1])
        centred = count * grad - bias[:, None, None] - self.normalised * weight[:, None, None]
        return self.values["weight"][:, None, None] * self.inv_std / count * centred


class Rectifier(Layer):
    def forward(self, x: Any) -> Any:
        self.mask = x > 0
        return x * self.mask

    def backward(self, grad: Any) -> Any:
        return grad * self.mask


class MaxPooling(Layer):
    """By an argmax over each window, and for windows that do not overlap by reshaping."""

    def __init__(self, layer: a.MaxPool) -> None:
        super().__init__()
        self.kernel, self.stride, self.padding = layer.kernel, layer.stride, layer.padding

    def forward(self, x: Any) -> Any:
        k, s, p = self.kernel, self.stride, self.padding
        self.x_shape = x.shape
        if p or k != s or x.shape[2] % k or x.shape[3] % k:
            self.tiles = None
            x = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)), constant_values=-np.inf)
            windows = sliding_window_view(x, (k, k), (2, 3))[:, :, ::s, ::s]
            windows = windows.reshape(*windows.shape[:4], k * k)
            self.chosen = windows.argmax(-1)
            return np.take_along_axis(windows, self.chosen[..., None], -1)[..., 0]
        n, c, height, width = x.shape
        self.tiles = x.reshape(n, c, height // k, k, width // k, k)
        self.y = self.tiles.max((3, 5))
        return self.y

    def backward(self, grad: Any) -> Any:
        if self.tiles is not None:
            mask = self.tiles == self.y[:, :, :, None, :, None]
            shared = grad / mask.sum((3, 5), dtype=np.float32)  # ties share, as in the tutorials
            return (mask * shared[:, :, :, None, :, None]).reshape(self.x_shape)
        n, c, height, width = self.x_shape
        k, s, p = self.kernel, self.stride, self.padding
        grad_x = np.zeros((n, c, height + 2 * p, width + 2 * p), np.float32)
        for offset in range(k * k):
            i, j = divmod(offset, k)
            places = grad_x[:, :, i : i + s * grad.shape[2] : s, j : j + s * grad.shape[3] : s]
            places += grad * (self.chosen == offset)
        return grad_x[:, :, p : p + height, p : p + width]


class Averaging(Layer):
    def forward(self, x: Any) -> Any:
        self.x_shape = x.shape
        return x.mean((2, 3))

    def backward(self, grad: Any) -> Any:
        area = np.float32(np.prod(self.x_shape[2:]))
        return np.broadcast_to((grad / area)[:, :, None, None], self.x_shape)


class Flattening(Layer):
    def forward(self, x: Any) -> Any:
        self.x_shape = x.shape
        return x.reshape(len(x), -1)

    def backward(self, grad: Any) -> Any:
        return grad.reshape(self.x_shape)


class Product(Layer):
    def __init__(self, features: int, inputs: int) -> None:
        weight = _generator.standard_normal((inputs, features), dtype=np.float32) * np.float32(np.sqrt(2 / inputs))
        super().__init__(weight=weight, bias=np.zeros(features, np.float32))

    def forward(self, x: Any) -> Any:
        self.x = x
        return x @ self.values["weight"] + self.values["bias"]

    def backward(self, grad: Any) -> Any:
        self.grads = {"weight": self.x.T @ grad, "bias": grad.sum(0)}
        return grad @ self.values["weight"].T


class Subsampling(Layer):
    """Every second row and column; channels of zeros before and after."""

    def __init__(self, added: int) -> None:
        super().__init__()
        self.added = added

    def forward(self, x: Any) -> Any:
        self.x_shape = x.shape
        return np.pad(x[:, :, ::2, ::2], ((0, 0), (self.added, self.added), (0, 0), (0, 0)))

    def backward(self, grad: Any) -> Any:
        grad_x = np.zeros(self.x_shape, np.float32)
        grad_x[:, :, ::2, ::2] = grad[:, self.added : self.added + self.x_shape[1]]
        return grad_x


class Chain(Layer):
    def __init__(self, layers: list[Any]) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, x: Any) -> Any:
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, grad: Any) -> Any:
        for layer in reversed(self.layers):
            grad = layer.backward(grad)
        return grad

    def everything(self) -> list[Layer]:
        return [found for layer in self.layers for found in layer.everything()]


class Block(Layer):
    def __init__(self, layer: a.Residual, shape: a.Shape) -> None:
        super().__init__()
        added = (a.shape_behind(layer.body, shape)[0] - shape[0]) // 2
        self.body = chain(layer.body, shape)
        self.shortcut = Subsampling(added) if layer.shortcut == a.SUBSAMPLE else chain(layer.shortcut, shape)
        self.last = Rectifier()

    def forward(self, x: Any) -> Any:
        return self.last.forward(self.body.forward(x) + self.shortcut.forward(x))

    def backward(self, grad: Any) -> Any:
        grad = self.last.backward(grad)
        return self.body.backward(grad) + self.shortcut.backward(grad)

    def everything(self) -> list[Layer]:
        return self.body.everything() + self.shortcut.everything()


def chain(layers: tuple[a.Layer, ...], shape: a.Shape) -> Chain:
    """The layers for inputs of ``shape``."""
    made = []
    for layer in layers:
        made.append(_layer(layer, shape))
        shape = a.output_shape(layer, shape)
    return Chain(made)


def _layer(layer: a.Layer, shape: a.Shape) -> Layer:
    if isinstance(layer, a.Conv):
        return Convolution(layer, shape[0])
    if isinstance(layer, a.BatchNorm):
        return Normalisation(shape[0])
    if isinstance(layer, a.MaxPool):
        return MaxPooling(layer)
    if isinstance(layer, a.Linear):
        return Product(layer.features, shape[0])
    if isinstance(layer, a.Residual):
        return Block(layer, shape)
    return {a.ReLU: Rectifier, a.AveragePool: Averaging, a.Flatten: Flattening}[type(layer)]()


class TutorialContender(Contender):
    packages = ("numpy", "threadpoolctl")

    def __init__(self, task: Task) -> None:
        self.task = task
        self.images, self.labels = batch(task)

    def build(self) -> None:
        self.net = chain(self.task.net.layers, self.task.net.image)
        self.layers = [layer for layer in self.net.everything() if layer.values]
        self.buffers = [{name: np.zeros_like(value) for name, value in each.values.items()} for each in self.layers]

    def parameters(self) -> int:
        return sum(value.size for layer in self.layers for value in layer.values.values())

    def step(self) -> float:
        logits = self.net.forward(self.images)
        everyone = np.arange(len(logits))
        logits = logits - logits.max(1, keepdims=True)
        probabilities = np.exp(logits)
        probabilities /= probabilities.sum(1, keepdims=True)
        loss = -np.log(probabilities[everyone, self.labels]).mean()
        probabilities[everyone, self.labels] -= 1
        self.net.backward(probabilities / np.float32(len(logits)))
        for layer, buffers in zip(self.layers, self.buffers, strict=True):
            for name, buffer in buffers.items():
                buffer *= np.float32(MOMENTUM)
                buffer += layer.grads[name]
                layer.values[name] -= np.float32(LEARNING_RATE) * buffer
        return float(loss)


CONTENDER = TutorialContender
