"""The sigmoid linear unit, also called swish."""

from __future__ import annotations

from gpunet.layers.elementwise import Elementwise
from gpunet.layers.module import Context, Shape
from gpunet.layers.sigmoid import sigmoid
from gpunet.state import Array


class SiLU(Elementwise):
    """y = x * sigmoid(x).

    Shapes:
        (N, ...) to the same.

    Source: Elfwing, Uchibe and Doya 2017, arXiv:1702.03118.
    """

    def compute(self, context: Context, x: Array) -> Array:
        """y = x * sigmoid(x)."""
        context.save(x)
        return x * sigmoid(self.backend.xp, x)

    def differentiate(self, context: Context, grad_y: Array) -> Array:
        """With s = sigmoid(x): grad_x = grad_y * s * (1 + x * (1 - s))."""
        (x,) = context.saved
        share = sigmoid(self.backend.xp, x)
        return grad_y * share * (1 + x * (1 - share))

    def operations(self, input_shape: Shape, output_shape: Shape) -> int:
        """An exponential, an addition, a division and a multiplication an element."""
        return 4 * super().operations(input_shape, output_shape)
