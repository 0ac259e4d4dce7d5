"""SiLU made of straight lines and a parabola."""

from __future__ import annotations

from gpunet.layers.elementwise import Elementwise
from gpunet.layers.module import Context, Shape
from gpunet.state import Array


class Hardswish(Elementwise):
    """y = x * min(max(x + 3, 0), 6) / 6.

    The gradient is 0 at -3 and 1 at 3, as in PyTorch.

    Shapes:
        (N, ...) to the same.

    Source: Howard et al. 2019, arXiv:1905.02244.
    """

    def compute(self, context: Context, x: Array) -> Array:
        """y = x * min(max(x + 3, 0), 6) / 6."""
        context.save(x)
        return x * self.backend.xp.clip(x + 3, 0, 6) / 6

    def differentiate(self, context: Context, grad_y: Array) -> Array:
        """The slope is 0 up to -3, 1 from 3 on, and x / 3 + 1 / 2 between them."""
        (x,) = context.saved
        xp = self.backend.xp
        slope = xp.where(x >= 3, x.dtype.type(1), x / 3 + 0.5)
        return xp.where(x <= -3, grad_y.dtype.type(0), grad_y * slope)

    def operations(self, input_shape: Shape, output_shape: Shape) -> int:
        """Two additions or comparisons, a multiplication and a division an element."""
        return 4 * super().operations(input_shape, output_shape)
