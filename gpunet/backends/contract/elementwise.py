"""The rectifier, alone and after a bias, dropout and the error function."""

from __future__ import annotations

from abc import ABC, abstractmethod

from gpunet.random import Stream
from gpunet.state import Array


class Elementwise(ABC):
    """The family's primitives; each docstring is the specification."""

    @abstractmethod
    def relu(self, x: Array) -> Array:
        """The larger of x and 0; NaN stays NaN.

        Args:
            x: (N, ...).

        Returns:
            y like x.
        """

    @abstractmethod
    def relu_backward(self, grad_y: Array, y: Array) -> Array:
        """Gradient of `relu`: grad_y where x was above 0 or NaN, else 0.

        Args:
            grad_y: (N, ...).
            y: as `relu` returned it; it says as much as x did.

        Returns:
            grad_x like y.
        """

    @abstractmethod
    def bias_relu(self, x: Array, bias: Array) -> Array:
        """The larger of x + bias and 0; NaN stays NaN.

        Args:
            x: (N, C, ...).
            bias: (C,).

        Returns:
            y like x.
        """

    @abstractmethod
    def bias_relu_backward(self, grad_y: Array, y: Array) -> tuple[Array, Array]:
        """Gradients of `bias_relu`: grad_y where x + bias was above 0 or NaN, else 0, and its sums.

        Args:
            grad_y: (N, C, ...).
            y: as `bias_relu` returned it, or any other sum that a bias and a rectifier end, such as `conv2d`'s.

        Returns:
            grad_x like y; grad_bias (C,), the sum of grad_x over all axes but the channels.
        """

    @abstractmethod
    def dropout(self, x: Array, probability: float, stream: Stream) -> tuple[Array, Array]:
        """Zero each element with ``probability`` and scale the others by 1 / (1 - probability).

        Element i, in logical N, C, H, W order, is kept if word i of ``stream`` is at least probability * 2**32.

        Args:
            x: any shape.
            probability: in [0, 1]; 1 zeroes everything.

        Returns:
            y like x; mask like x, bool, True where kept.
        """

    @abstractmethod
    def dropout_backward(self, grad_y: Array, mask: Array, probability: float) -> Array:
        """Gradient of `dropout`: the very same mask and scale.

        Args:
            grad_y, mask: any shape.

        Returns:
            grad_x like grad_y.
        """

    @abstractmethod
    def erf(self, x: Array) -> Array:
        """The error function of each element, to a few units in the last place of x's dtype."""
