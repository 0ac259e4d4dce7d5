"""Steps of the optimizers, which work in place, and the norm of all gradients."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from gpunet.state import Array


class Optimizers(ABC):
    """The family's primitives; each docstring is the specification."""

    @abstractmethod
    def sum_of_squares(self, arrays: Sequence[Array]) -> Array:
        """Sum of the squares of all elements of all ``arrays``, as a 0-d array."""

    @abstractmethod
    def sgd_step(
        self,
        values: Sequence[Array],
        grads: Sequence[Array],
        momentum_buffers: Sequence[Array] | None,
        *,
        lr: float,
        momentum: float,
        dampening: float,
        nesterov: bool,
        weight_decay: float,
        first: bool,
    ) -> None:
        """One step of stochastic gradient descent on every array, in place.

        g = grad + weight_decay * value; buffer = g if first else momentum * buffer + (1 - dampening) * g;
        value -= lr * (g + momentum * buffer if nesterov else buffer). Without momentum the buffer is g.

        Args:
            values, grads: arrays of equal shapes; grads are not changed.
            momentum_buffers: like values, or None without momentum.
            first: the buffers hold nothing yet.
        """

    @abstractmethod
    def adam_step(
        self,
        values: Sequence[Array],
        grads: Sequence[Array],
        exp_avgs: Sequence[Array],
        exp_avg_sqs: Sequence[Array],
        *,
        lr: float,
        beta1: float,
        beta2: float,
        eps: float,
        weight_decay: float,
        decoupled: bool,
        step: int,
    ) -> None:
        """One step of Adam, or of AdamW if ``decoupled``, on every array, in place.

        Args:
            values, grads, exp_avgs, exp_avg_sqs: arrays of equal shapes; grads are not changed.
            decoupled: weight decay shrinks the value by lr * weight_decay instead of being added to the gradient.
            step: 1 at the first step; corrects the bias of the averages.

        Source: Kingma and Ba 2015, arXiv:1412.6980, algorithm 1; Loshchilov and Hutter 2019, arXiv:1711.05101.
        """
