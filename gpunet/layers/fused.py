"""Neighbouring layers that one primitive computes together, with the same results as one after the other.

Each class here stands for some neighbours: it computes what they would, in fewer passes over memory, and adds to their
parameters the gradients that they would.
"""

from __future__ import annotations

from typing import Any, Protocol

from gpunet.layers.batch_norm import BatchNorm2d
from gpunet.layers.context import Context
from gpunet.layers.conv import Conv2d
from gpunet.layers.linear import Linear
from gpunet.layers.max_pool import MaxPool2d
from gpunet.layers.module import Module
from gpunet.layers.relu import ReLU
from gpunet.state import Array


class Fused(Protocol):
    """What the classes below are: the two formulas of a layer, for several."""

    def compute(self, context: Context, x: Array) -> Array:
        """The forward formula."""

    def differentiate(self, context: Context, grad_y: Array) -> Array | None:
        """The backward formula; None where `Context.input_grads` is False."""


class LinearReLU:
    """y = max(x @ weight.T + bias, 0): bias and rectifier in one pass."""

    def __init__(self, linear: Linear, relu: ReLU) -> None:
        self.linear = linear

    def compute(self, context: Context, x: Array) -> Array:
        """See the class."""
        product, backend = self.linear.product(x), self.linear.backend
        bias = self.linear.bias
        y = backend.relu(product) if bias is None else backend.bias_relu(product, bias.value)
        context.save(x, y)
        return y.reshape(*x.shape[:-1], y.shape[-1])

    def differentiate(self, context: Context, grad_y: Array) -> Array | None:
        """The gradient passes where y came through; what passes is the bias's too."""
        x, y = context.saved
        grad = _add_bias_gradient(self.linear, grad_y.reshape(y.shape), y)
        return self.linear.gradients(context, x, grad)


class ConvReLU:
    """y = max(weight * x + bias, 0): the rectifier works on what the convolution has just made, in the cache."""

    def __init__(self, conv: Conv2d, relu: ReLU) -> None:
        self.conv = conv

    def compute(self, context: Context, x: Array) -> Array:
        """See the class."""
        y = self.conv.correlate(x, relu=True)
        context.save(x, y)
        return y

    def differentiate(self, context: Context, grad_y: Array) -> Array | None:
        """The gradient passes where y came through; what passes is the bias's too."""
        x, y = context.saved
        return self.conv.gradients(context, x, _add_bias_gradient(self.conv, grad_y, y))


class ReLUMaxPool:
    """y = max(largest element of each window, 0): the rectifier after the pooling has less to do.

    The two commute: rectified, a window whose largest element is not above 0 is all zeros and gets no gradient, and any
    other has the same largest element in the same place.
    """

    def __init__(self, relu: ReLU, pool: MaxPool2d) -> None:
        self.pool = pool

    def compute(self, context: Context, x: Array) -> Array:
        """See the class."""
        largest, offsets = self.pool.backend.max_pool2d(x, self.pool.window)
        y = self.pool.backend.relu(largest)
        context.save(y, offsets, x.shape)
        return y

    def differentiate(self, context: Context, grad_y: Array) -> Array | None:
        """Each gradient that passes goes to the element that was chosen."""
        y, offsets, x_shape = context.saved
        backend = self.pool.backend
        return backend.max_pool2d_backward(backend.relu_backward(grad_y, y), offsets, x_shape, self.pool.window)


class ConvReLUMaxPool:
    """A convolution before `ReLUMaxPool`: the bias's gradient is summed over the pooled gradients, which are fewer."""

    def __init__(self, conv: Conv2d, relu: ReLU, pool: MaxPool2d) -> None:
        self.conv, self.pool = conv, pool

    def compute(self, context: Context, x: Array) -> Array:
        """See the class."""
        backend = self.pool.backend
        correlated = self.conv.correlate(x)
        largest, offsets = backend.max_pool2d(correlated, self.pool.window)
        y = backend.relu(largest)
        context.save(x, y, offsets, correlated.shape)
        return y

    def differentiate(self, context: Context, grad_y: Array) -> Array | None:
        """Pooling sends each gradient to one element, so that their sum, which is the bias's, stays."""
        x, y, offsets, shape = context.saved
        grad = _add_bias_gradient(self.conv, grad_y, y)
        grad = self.pool.backend.max_pool2d_backward(grad, offsets, shape, self.pool.window)
        return self.conv.gradients(context, x, grad)


class BatchNormReLU:
    """y = max(normalised x, 0) in the pass that normalises."""

    def __init__(self, norm: BatchNorm2d, relu: ReLU) -> None:
        self.norm = norm

    def compute(self, context: Context, x: Array) -> Array:
        """See the class."""
        y, kept = self.norm.normalise(context, x, relu=True)
        context.save(y, kept)
        return y

    def differentiate(self, context: Context, grad_y: Array) -> Array:
        """The gradient passes where y came through, and then through the statistics."""
        y, kept = context.saved
        return self.norm.gradients(kept, grad_y, y)


class BatchNormAddReLU:
    """y = max(normalised x + shortcut, 0), the end of a residual block, in the pass that normalises."""

    def __init__(self, norm: BatchNorm2d, relu: ReLU) -> None:
        self.norm = norm

    def compute(self, context: Context, x: Array, shortcut: Array) -> Array:
        """See the class."""
        y, kept = self.norm.normalise(context, x, residual=shortcut, relu=True)
        context.save(y, kept)
        return y

    def differentiate(self, context: Context, grad_y: Array) -> tuple[Array, Array]:
        """The sum feeds what passes to both branches: the gradients of x and of the shortcut."""
        y, kept = context.saved
        grad_sum = self.norm.backend.relu_backward(grad_y, y)
        return self.norm.gradients(kept, grad_sum), grad_sum


def _add_bias_gradient(layer: Conv2d | Linear, grad_y: Array, y: Array) -> Array:
    """The gradient that a rectifier with output ``y`` lets through; its sums are the gradient of the layer's bias."""
    if layer.bias is None:
        return layer.backend.relu_backward(grad_y, y)
    grad, grad_bias = layer.backend.bias_relu_backward(grad_y, y)
    layer.bias.add_grad(grad_bias)
    return grad


# Neighbours that a class above computes together. Exact types: a subclass may compute something else.
FUSIONS: dict[tuple[type[Module], ...], Any] = {
    (Conv2d, ReLU, MaxPool2d): ConvReLUMaxPool,
    (Conv2d, ReLU): ConvReLU,
    (Linear, ReLU): LinearReLU,
    (BatchNorm2d, ReLU): BatchNormReLU,
    (ReLU, MaxPool2d): ReLUMaxPool,
}
