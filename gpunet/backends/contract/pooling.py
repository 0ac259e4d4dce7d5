"""The largest element and the mean of each window."""

from __future__ import annotations

from abc import ABC, abstractmethod

from gpunet.geometry import Window
from gpunet.state import Array


class Pooling(ABC):
    """The family's primitives; each docstring is the specification."""

    @abstractmethod
    def max_pool2d(self, x: Array, window: Window) -> tuple[Array, Array]:
        """Largest element of each window, and where it stands.

        Ties go to the first in row-major order; 0.0 and -0.0 tie. A NaN beats every number, and the last of several
        NaN wins. Padding is never chosen, not even over -inf.

        Args:
            x: (N, C, H, W).

        Returns:
            y: (N, C, H', W').
            offsets: like y, unsigned: i * kw + j of the chosen element inside its window.
        """

    @abstractmethod
    def max_pool2d_backward(self, grad_y: Array, offsets: Array, x_shape: tuple[int, ...], window: Window) -> Array:
        """Send each gradient to the one element that `max_pool2d` chose; where windows overlap they add.

        Args:
            grad_y, offsets: (N, C, H', W').
            x_shape: (N, C, H, W).

        Returns:
            grad_x: (N, C, H, W).
        """

    @abstractmethod
    def avg_pool2d(self, x: Array, window: Window, count_include_pad: bool = True) -> Array:
        """Mean of each window.

        Args:
            x: (N, C, H, W).
            count_include_pad: divide by the window's size clipped to the padded image; False: to the image itself.

        Returns:
            y: (N, C, H', W').
        """

    @abstractmethod
    def avg_pool2d_backward(
        self, grad_y: Array, x_shape: tuple[int, ...], window: Window, count_include_pad: bool = True
    ) -> Array:
        """Give every element of a window its share of the window's gradient; where windows overlap shares add.

        Args:
            grad_y: (N, C, H', W').
            x_shape: (N, C, H, W).

        Returns:
            grad_x: (N, C, H, W).
        """
