"""Convolution and the columns it may be computed by."""

from __future__ import annotations

from abc import ABC, abstractmethod

from gpunet.geometry import Window
from gpunet.state import Array


class Convolution(ABC):
    """The family's primitives; each docstring is the specification."""

    @abstractmethod
    def conv2d(
        self,
        x: Array,
        weight: Array,
        bias: Array | None,
        window: Window,
        groups: int = 1,
        precision: str = "fast",
        relu: bool = False,
    ) -> Array:
        """Cross-correlate images with filters: y[n, f] = bias[f] + sum over c, i, j of x window[c, i, j] * weight[f].

        Args:
            x: (N, C, H, W).
            weight: (F, C / groups, kh, kw); output channels f of group g see the input channels of group g.
            bias: (F,) or None.
            window: kernel (kh, kw), stride, padding with zeros, dilation.
            groups: divides C and F.
            precision: "strict" allows only algorithms with the error of a direct sum.
            relu: y is the larger of that and 0, bit for bit as `relu` would make it.

        Returns:
            y: (N, F, H', W').
        """

    @abstractmethod
    def conv2d_backward_input(
        self,
        grad_y: Array,
        weight: Array,
        x_shape: tuple[int, ...],
        window: Window,
        groups: int = 1,
        precision: str = "fast",
    ) -> Array:
        """Gradient of `conv2d` for x: each input element gets the sum of what every window over it sends.

        Args:
            grad_y: (N, F, H', W').
            weight, window, groups, precision: as in `conv2d`.
            x_shape: (N, C, H, W).

        Returns:
            grad_x: (N, C, H, W); elements that no window touches are 0.
        """

    @abstractmethod
    def conv2d_backward_weight(
        self,
        grad_y: Array,
        x: Array,
        weight_shape: tuple[int, ...],
        window: Window,
        groups: int = 1,
        precision: str = "fast",
    ) -> Array:
        """Gradient of `conv2d` for weight: the sum over images and windows of grad_y times the window it came from.

        Args:
            grad_y: (N, F, H', W').
            x: (N, C, H, W).
            weight_shape: (F, C / groups, kh, kw).
            window, groups, precision: as in `conv2d`.

        Returns:
            grad_weight: of ``weight_shape``.
        """

    @abstractmethod
    def im2col(self, x: Array, window: Window) -> Array:
        """Write every window as a column.

        Args:
            x: (N, C, H, W).

        Returns:
            columns: (N, C * kh * kw, H' * W'); row (c * kh + i) * kw + j is element (i, j) of channel c.
        """

    @abstractmethod
    def col2im(self, columns: Array, x_shape: tuple[int, ...], window: Window) -> Array:
        """Transpose of `im2col`: put columns back where they came from; overlapping entries add.

        Args:
            columns: (N, C * kh * kw, H' * W').
            x_shape: (N, C, H, W).

        Returns:
            x: of ``x_shape``; what falls on the padding is dropped.
        """
