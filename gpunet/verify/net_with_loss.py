"""A net and its loss as one module, so that the loss is compared as a layer is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gpunet.layers.module import Context, Module
from gpunet.state import Array


class LossLayer(Module):
    """The sum of the losses, as an array (1,).

    Args:
        loss: called as ``loss(predictions, targets)``.
        targets: on the host.
    """

    def __init__(self, loss: Callable[..., Any], targets: Any) -> None:
        self.loss = loss
        self.targets = targets

    def compute(self, context: Context, x: Array) -> Array:
        """The value; its gradient comes with it and is kept."""
        dtype = x.dtype if np.dtype(self.targets.dtype).kind == "f" else None
        value, grad = self.loss(x, self.backend.asarray(self.targets, dtype))
        context.save(grad)
        return value.sum().reshape(1)

    def differentiate(self, context: Context, grad_y: Array) -> Array:
        """The gradient kept, times that of the value."""
        (grad,) = context.saved
        return grad * grad_y[0]


class NetWithLoss(Module):
    """A net and its loss."""

    def __init__(self, net: Module, loss: Callable[..., Any], targets: Any) -> None:
        self.net = net
        self.loss = LossLayer(loss, targets)

    def compute(self, context: Context, *inputs: Array) -> Array:
        """One after the other."""
        return context.run(self.loss, context.run(self.net, *inputs))

    def differentiate(self, context: Context, grad_y: Array) -> Any:
        """The loss first."""
        return self.net.backward(self.loss.backward(grad_y))
