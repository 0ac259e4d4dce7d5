"""TensorFlow: channels last, as its CPU kernels want them; the whole step one function, compiled by XLA if asked to."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.peers import architectures as a
from benchmarks.peers.contender import EPS, LEARNING_RATE, MOMENTUM, RUNNING_SHARE, Contender, Task, batch

_LAST = "NHWC"


class Builder:
    """Makes the variables while the layers become one function.

    Attributes:
        variables: what is learned.
    """

    def __init__(self) -> None:
        self.variables: list[Any] = []
        self._generator = np.random.default_rng(0)

    def variable(self, values: Any) -> Any:
        self.variables.append(tf.Variable(values))
        return self.variables[-1]

    def weight(self, *shape: int) -> Any:
        scale = np.float32(np.sqrt(2 / np.prod(shape[:-1])))
        return self.variable(self._generator.standard_normal(shape, dtype=np.float32) * scale)

    def chain(self, layers: tuple[a.Layer, ...], shape: a.Shape) -> Any:
        """A function of images."""
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
        weight = self.weight(layer.kernel, layer.kernel, shape[0], layer.channels)
        bias = self.variable(np.zeros(layer.channels, np.float32)) if layer.bias else None
        padding = _padding(layer)

        def run(x: Any) -> Any:
            y = tf.nn.conv2d(x, weight, layer.stride, padding)
            return y if bias is None else tf.nn.bias_add(y, bias)

        return run

    def BatchNorm(self, layer: a.BatchNorm, shape: a.Shape) -> Any:  # noqa: N802 - the layer's name
        weight = self.variable(np.ones(shape[0], np.float32))
        bias = self.variable(np.zeros(shape[0], np.float32))
        running = [tf.Variable(make(shape[0], np.float32), trainable=False) for make in (np.zeros, np.ones)]

        def run(x: Any) -> Any:
            y, *statistics = tf.compat.v1.nn.fused_batch_norm(x, weight, bias, epsilon=EPS, data_format=_LAST)
            for old, new in zip(running, statistics, strict=True):
                old.assign_add(RUNNING_SHARE * (new - old))
            return y

        return run

    def ReLU(self, layer: a.ReLU, shape: a.Shape) -> Any:  # noqa: N802 - the layer's name
        return tf.nn.relu

    def MaxPool(self, layer: a.MaxPool, shape: a.Shape) -> Any:  # noqa: N802 - the layer's name
        return lambda x: tf.nn.max_pool2d(x, layer.kernel, layer.stride, _padding(layer))

    def AveragePool(self, layer: a.AveragePool, shape: a.Shape) -> Any:  # noqa: N802 - the layer's name
        return lambda x: tf.reduce_mean(x, (1, 2))

    def Flatten(self, layer: a.Flatten, shape: a.Shape) -> Any:  # noqa: N802 - the layer's name
        return lambda x: tf.reshape(x, (x.shape[0], -1))

    def Linear(self, layer: a.Linear, shape: a.Shape) -> Any:  # noqa: N802 - the layer's name
        weight, bias = self.weight(shape[0], layer.features), self.variable(np.zeros(layer.features, np.float32))
        return lambda x: tf.nn.bias_add(x @ weight, bias)

    def Residual(self, layer: a.Residual, shape: a.Shape) -> Any:  # noqa: N802 - the layer's name
        body = self.chain(layer.body, shape)
        if layer.shortcut == a.SUBSAMPLE:
            added = (a.shape_behind(layer.body, shape)[0] - shape[0]) // 2
            zeros = ((0, 0), (0, 0), (0, 0), (added, added))

            def shortcut(x: Any) -> Any:
                return tf.pad(x[:, ::2, ::2], zeros)
        else:
            shortcut = self.chain(layer.shortcut, shape)
        return lambda x: tf.nn.relu(body(x) + shortcut(x))


def _padding(layer: a.Conv | a.MaxPool) -> Any:
    # TensorFlow's "SAME" pads the same at stride 1, and at larger strides less on one side: then it is told how much.
    if layer.padding == 0:
        return "VALID"
    if layer.stride == 1 and layer.kernel == 2 * layer.padding + 1:
        return "SAME"
    return [[0, 0], [layer.padding] * 2, [layer.padding] * 2, [0, 0]]


class TensorflowContender(Contender):
    """Variants: "" and "xla"."""

    packages = ("tensorflow", "tensorflow-cpu", "numpy")

    def __init__(self, task: Task) -> None:
        self.task = task
        tf.config.threading.set_intra_op_parallelism_threads(task.threads)
        tf.config.threading.set_inter_op_parallelism_threads(task.threads)
        images, labels = batch(task)
        self.images = tf.constant(np.ascontiguousarray(images.transpose(0, 2, 3, 1)))
        self.labels = tf.constant(labels)

    def build(self) -> None:
        builder = Builder()
        net = builder.chain(self.task.net.layers, self.task.net.image)
        self.variables = builder.variables
        momenta = [tf.Variable(tf.zeros_like(variable), trainable=False) for variable in self.variables]

        @tf.function(jit_compile=self.task.variant == "xla")
        def update(images: Any, labels: Any) -> Any:
            with tf.GradientTape() as tape:
                losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, net(images))
                loss = tf.reduce_mean(losses)
            grads = tape.gradient(loss, self.variables)
            for variable, momentum, grad in zip(self.variables, momenta, grads, strict=True):
                tf.raw_ops.ResourceApplyMomentum(
                    var=variable.handle, accum=momentum.handle, lr=LEARNING_RATE, grad=grad, momentum=MOMENTUM
                )
            return loss

        self.update = update

    def parameters(self) -> int:
        return sum(int(np.prod(variable.shape)) for variable in self.variables)

    def step(self) -> float:
        return float(self.update(self.images, self.labels))


CONTENDER = TensorflowContender
