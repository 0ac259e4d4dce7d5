"""Dropout."""

from __future__ import annotations

from gpunet.errors import DataError
from gpunet.layers.elementwise import Elementwise
from gpunet.layers.module import Context
from gpunet.state import Array


class Dropout(Elementwise):
    """In training, zero each element with probability ``p`` and scale the others by 1 / (1 - p); else do nothing.

    Which elements go is a function of the net's random position (seed, epoch, step; `Module.set_random_position`) and
    of the layer's path in the net, the same on every backend. Each training forward moves the step on by one.

    Args:
        p: probability in [0, 1].

    Shapes:
        (N, ...) to the same.

    Raises:
        DataError: ``p`` is no probability.

    Source: Srivastava et al. 2014, Journal of Machine Learning Research 15.
    """

    def __init__(self, p: float = 0.5) -> None:
        if not 0 <= p <= 1:
            raise DataError(f"Dropout: p is a probability in [0, 1], got {p}.")
        self.p = float(p)

    def compute(self, context: Context, x: Array) -> Array:
        """y = x * mask / (1 - p) in training, else x."""
        if not context.training:
            return x
        y, mask = self.backend.dropout(x, self.p, self.next_stream())
        context.save(mask)
        return y

    def differentiate(self, context: Context, grad_y: Array) -> Array:
        """The very same mask and scale."""
        if not context.training:
            return grad_y
        (mask,) = context.saved
        return self.backend.dropout_backward(grad_y, mask, self.p)

    def describe(self) -> str:
        """The probability."""
        return f"p={self.p}"
