"""JAX: the whole step compiled as one function, weights and momenta given away to it."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from benchmarks.peers import architectures as a
from benchmarks.peers.contender import EPS, LEARNING_RATE, MOMENTUM, RUNNING_SHARE, Contender, Task, batch

Arrays = list[Any]


class Builder:
    """Collects initial arrays while the layers become one function.

    Attributes:
        weights: what is learned.
        statistics: running mean and variance of each batch normalisation.
        updates: what becomes of them in this step.
    """

    def __init__(self, channels_last: bool) -> None:
        self.weights: Arrays = []
        self.statistics: Arrays = []
        self.last = channels_last
        self.dimensions = ("NHWC", "HWIO", "NHWC") if channels_last else ("NCHW", "OIHW", "NCHW")
        self.plane = (1, 2) if channels_last else (2, 3)
        self._generator = np.random.default_rng(0)

    def bind(self, weights: Arrays, statistics: Arrays) -> None:
        """Have the functions compute with these arrays from now on; new statistics gather in `updates`."""
        self.traced, self.traced_statistics, self.updates = weights, statistics, []

    def weight(self, *shape: int, fan_in: int) -> int:
        values = self._generator.standard_normal(shape, dtype=np.float32) * np.float32(np.sqrt(2 / fan_in))
        return self.constant(values)

    def constant(self, values: Any) -> int:
        self.weights.append(values)
        return len(self.weights) - 1

    def in_channels(self, vector: Any) -> Any:
        """A vector with one number a channel, to be combined with images."""
        return vector if self.last else vector[:, None, None]

    def per_plane(self, rows: Any, columns: Any, channels: Any, nothing: Any) -> tuple[Any, ...]:
        """One entry for each axis of images."""
        return (nothing, rows, columns, channels) if self.last else (nothing, channels, rows, columns)

    def chain(self, layers: tuple[a.Layer, ...], shape: a.Shape) -> Any:
        """A function of images that reads the arrays of `bind`."""
        functions = []
        for layer in layers:
            functions.append(getattr(self, type(layer).__name__)(layer, shape))
            shape = a.output_shape(layer, shape)

        def run(x: Any) -> Any:
            for function in functions:
                x = function(x)
            return x

        return run

    def Conv(self, layer: a.Conv, shape: a.Shape) -> Any:  # noqa: N802 - the layer's name
        k = layer.kernel
        form = (k, k, shape[0], layer.channels) if self.last else (layer.channels, shape[0], k, k)
        weight = self.weight(*form, fan_in=k * k * shape[0])
        bias = self.constant(np.zeros(layer.channels, np.float32)) if layer.bias else None
        strides, padding = (layer.stride,) * 2, [(layer.padding,) * 2] * 2

        def run(x: Any) -> Any:
            y = lax.conv_general_dilated(x, self.traced[weight], strides, padding, dimension_numbers=self.dimensions)
            return y if bias is None else y + self.in_channels(self.traced[bias])

        return run

    def BatchNorm(self, layer: a.BatchNorm, shape: a.Shape) -> Any:  # noqa: N802 - the layer's name
        weight = self.constant(np.ones(shape[0], np.float32))
        bias = self.constant(np.zeros(shape[0], np.float32))
        place = len(self.statistics)
        self.statistics += [np.zeros(shape[0], np.float32), np.ones(shape[0], np.float32)]
        axes = (0, *self.plane)

        def run(x: Any) -> Any:
            mean, variance = x.mean(axes), x.var(axes)
            for number, new in enumerate((mean, variance)):
                old = self.traced_statistics[place + number]
                self.updates.append(old + RUNNING_SHARE * (new - old))
            scale = self.traced[weight] * lax.rsqrt(variance + EPS)
            return (x - self.in_channels(mean)) * self.in_channels(scale) + self.in_channels(self.traced[bias])

        return run

    def ReLU(self, layer: a.ReLU, shape: a.Shape) -> Any:  # noqa: N802 - the layer's name
        return jax.nn.relu

    def MaxPool(self, layer: a.MaxPool, shape: a.Shape) -> Any:  # noqa: N802 - the layer's name
        window = self.per_plane(layer.kernel, layer.kernel, 1, 1)
        strides = self.per_plane(layer.stride, layer.stride, 1, 1)
        padding = self.per_plane((layer.padding,) * 2, (layer.padding,) * 2, (0, 0), (0, 0))
        return lambda x: lax.reduce_window(x, -jnp.inf, lax.max, window, strides, padding)

    def AveragePool(self, layer: a.AveragePool, shape: a.Shape) -> Any:  # noqa: N802 - the layer's name
        return lambda x: x.mean(self.plane)

    def Flatten(self, layer: a.Flatten, shape: a.Shape) -> Any:  # noqa: N802 - the layer's name
        return lambda x: x.reshape(x.shape[0], -1)

    def Linear(self, layer: a.Linear, shape: a.Shape) -> Any:  # noqa: N802 - the layer's name
        weight = self.weight(shape[0], layer.features, fan_in=shape[0])
        bias = self.constant(np.zeros(layer.features, np.float32))
        return lambda x: x @ self.traced[weight] + self.traced[bias]

    def Residual(self, layer: a.Residual, shape: a.Shape) -> Any:  # noqa: N802 - the layer's name
        body = self.chain(layer.body, shape)
        if layer.shortcut == a.SUBSAMPLE:
            added = (a.shape_behind(layer.body, shape)[0] - shape[0]) // 2
            every_second = self.per_plane(*[slice(None, None, 2)] * 2, *[slice(None)] * 2)
            zeros = self.per_plane((0, 0), (0, 0), (added, added), (0, 0))

            def shortcut(x: Any) -> Any:
                return jnp.pad(x[every_second], zeros)
        else:
            shortcut = self.chain(layer.shortcut, shape)

        return lambda x: jax.nn.relu(body(x) + shortcut(x))


class JaxContender(Contender):
    """Variants: "" and "channels_last"."""

    packages = ("jax", "jaxlib", "numpy")

    def __init__(self, task: Task) -> None:
        self.task = task
        self.last = task.variant == "channels_last"
        images, labels = batch(task)
        self.images = jnp.asarray(np.ascontiguousarray(images.transpose(0, 2, 3, 1)) if self.last else images)
        self.labels = jnp.asarray(labels)

    def build(self) -> None:
        builder = Builder(self.last)
        net = builder.chain(self.task.net.layers, self.task.net.image)
        self.weights = [jnp.asarray(values) for values in builder.weights]
        self.momenta = [jnp.zeros_like(values) for values in self.weights]
        self.statistics = [jnp.asarray(values) for values in builder.statistics]

        def loss(weights: Arrays, statistics: Arrays, images: Any, labels: Any) -> tuple[Any, Arrays]:
            builder.bind(weights, statistics)
            chances = jax.nn.log_softmax(net(images))
            return -jnp.take_along_axis(chances, labels[:, None], 1).mean(), builder.updates

        def update(weights: Arrays, momenta: Arrays, statistics: Arrays, images: Any, labels: Any) -> tuple[Any, ...]:
            (value, statistics), grads = jax.value_and_grad(loss, has_aux=True)(weights, statistics, images, labels)
            momenta = [MOMENTUM * momentum + grad for momentum, grad in zip(momenta, grads, strict=True)]
            weights = [each - LEARNING_RATE * momentum for each, momentum in zip(weights, momenta, strict=True)]
            return weights, momenta, statistics, value

        self.update = jax.jit(update, donate_argnums=(0, 1, 2))

    def parameters(self) -> int:
        return sum(values.size for values in self.weights)

    def step(self) -> float:
        self.weights, self.momenta, self.statistics, value = self.update(
            self.weights, self.momenta, self.statistics, self.images, self.labels
        )
        return float(value)


CONTENDER = JaxContender
