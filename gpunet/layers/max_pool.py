"""Max pooling over windows."""

from __future__ import annotations

from typing import Any

from gpunet.layers.module import Context
from gpunet.layers.pooling_window import WindowPooling
from gpunet.state import Array


class MaxPool2d(WindowPooling):
    """The largest element of each window; the gradient goes to that one element.

    Ties go to the first element in row-major order. A NaN beats every number, and the last of several NaN wins.
    Padding is never chosen.

    Args:
        kernel_size: an int or a pair (rows, columns).
        stride: an int or a pair; None means ``kernel_size``.
        padding: an int, a pair or ((top, bottom), (left, right)); at most half of the kernel.
        dilation: an int or a pair.
        ceil_mode: also keep a last window that reaches past the padded image.

    Shapes:
        (N, C, H, W) to (N, C, H', W').
    """

    def __init__(
        self, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, *, ceil_mode: bool = False
    ) -> None:
        super().__init__(kernel_size, stride, padding, dilation, ceil_mode)

    def compute(self, context: Context, x: Array) -> Array:
        """y = the largest element of each window; what is kept is only where it stood."""
        y, offsets = self.backend.max_pool2d(x, self.window)
        context.save(offsets, x.shape)
        return y

    def differentiate(self, context: Context, grad_y: Array) -> Array:
        """Each gradient goes to the element that was chosen; where windows overlap they add."""
        offsets, x_shape = context.saved
        return self.backend.max_pool2d_backward(grad_y, offsets, x_shape, self.window)
