"""Normalisation by neighbouring channels."""

from __future__ import annotations

from gpunet.errors import ShapeError
from gpunet.geometry import as_int
from gpunet.layers.module import Context, Module, Shape
from gpunet.state import Array


class LocalResponseNorm(Module):
    """y = x / (k + alpha * mean of x**2 over the neighbouring channels)**beta.

    The neighbours of channel c are c - size // 2 to c + (size - 1) // 2; those that do not exist count as 0, and the
    mean always divides by ``size``.

    Args:
        size: number of neighbours, the channel itself among them.
        alpha, beta, k: see the formula.

    Shapes:
        (N, C, ...) to the same.

    Source: Krizhevsky, Sutskever and Hinton 2012, section 3.3.
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        self.size = as_int(size, "LocalResponseNorm: size", 1)
        self.alpha, self.beta, self.k = float(alpha), float(beta), float(k)

    def output_shape(self, input_shape: Shape) -> Shape:
        """The same."""
        if not input_shape or input_shape[0] < 1:
            raise ShapeError(f"got an input of shape {tuple(input_shape)} without the batch, wanted channels first.")
        return tuple(input_shape)

    def compute(self, context: Context, x: Array) -> Array:
        """y = x / scale**beta."""
        context.save(x)
        return x * self._scale(x) ** -self.beta

    def differentiate(self, context: Context, grad_y: Array) -> Array:
        """Through the element itself, and through the scale of every channel of which it is a neighbour."""
        (x,) = context.saved
        scale = self._scale(x)  # computed again: keeping it would cost as much memory as x
        power = grad_y * scale**-self.beta
        through_scales = self._sum_over_neighbours(power * x / scale, before=(self.size - 1) // 2)
        return power - (2 * self.alpha * self.beta / self.size) * x * through_scales

    def _scale(self, x: Array) -> Array:
        return self.k + (self.alpha / self.size) * self._sum_over_neighbours(x * x, before=self.size // 2)

    def _sum_over_neighbours(self, values: Array, before: int) -> Array:
        """For each channel, the sum over those from ``before`` channels earlier, ``size`` in all."""
        channels = values.shape[1]
        total = self.backend.xp.zeros_like(values)
        for offset in range(-before, self.size - before):
            first, stop = max(0, -offset), min(channels, channels - offset)
            if first < stop:
                total[:, first:stop] += values[:, first + offset : stop + offset]
        return total

    def operations(self, input_shape: Shape, output_shape: Shape) -> int:
        """A sum over the neighbours and their squares, a power and a multiplication an element."""
        return (self.size + 4) * super().operations(input_shape, output_shape)

    def describe(self) -> str:
        """All four numbers."""
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
