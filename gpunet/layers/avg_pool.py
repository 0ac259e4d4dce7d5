"""Average pooling over windows."""

from __future__ import annotations

from typing import Any

from gpunet.layers.module import Context
from gpunet.layers.pooling_window import WindowPooling
from gpunet.state import Array


class AvgPool2d(WindowPooling):
    """The mean of each window.

    Args:
        kernel_size: an int or a pair (rows, columns).
        stride: an int or a pair; None means ``kernel_size``.
        padding: an int, a pair or ((top, bottom), (left, right)); at most half of the kernel.
        ceil_mode: also keep a last window that reaches past the padded image.
        count_include_pad: divide by the size of the window clipped to the padded image; False: to the image itself.

    Shapes:
        (N, C, H, W) to (N, C, H', W').
    """

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__(kernel_size, stride, padding, 1, ceil_mode)
        self.count_include_pad = bool(count_include_pad)

    def compute(self, context: Context, x: Array) -> Array:
        """y = the mean of each window."""
        context.save(x.shape)
        return self.backend.avg_pool2d(x, self.window, self.count_include_pad)

    def differentiate(self, context: Context, grad_y: Array) -> Array:
        """Each element of a window gets its share; where windows overlap shares add."""
        (x_shape,) = context.saved
        return self.backend.avg_pool2d_backward(grad_y, x_shape, self.window, self.count_include_pad)

    def describe(self) -> str:
        """The window, and whether padding does not count."""
        return super().describe() + ("" if self.count_include_pad else ", count_include_pad=False")
