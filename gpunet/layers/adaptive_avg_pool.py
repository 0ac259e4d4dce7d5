"""Average pooling to an output of a given size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gpunet.errors import ShapeError
from gpunet.geometry import as_int
from gpunet.layers.module import Context, Module, Shape
from gpunet.state import Array


class AdaptiveAvgPool2d(Module):
    """Means of as many windows as the output shall have elements, whatever the size of the image.

    Along an axis of n elements, window i of m reaches from floor(i * n / m) to ceil((i + 1) * n / m), as in PyTorch.

    Args:
        output_size: rows and columns of the output: an int for both, or a pair; None keeps the image's size.

    Shapes:
        (N, C, H, W) to (N, C, rows, columns).
    """

    def __init__(self, output_size: Any) -> None:
        pair = tuple(output_size) if isinstance(output_size, Sequence) else (output_size, output_size)
        if len(pair) != 2:
            raise ShapeError(f"AdaptiveAvgPool2d: output_size must be an int or a pair, got {output_size!r}.")
        self.output_size = tuple(
            None if size is None else as_int(size, "AdaptiveAvgPool2d: output_size", 1) for size in pair
        )

    def output_shape(self, input_shape: Shape) -> Shape:
        """(C, H, W) to (C, rows, columns)."""
        if len(input_shape) != 3 or min(input_shape) < 1:
            raise ShapeError(f"got images of shape {tuple(input_shape)}, wanted (channels, height, width), none of 0.")
        rows, cols = self.output_size
        return (input_shape[0], rows or input_shape[1], cols or input_shape[2])

    def compute(self, context: Context, x: Array) -> Array:
        """Means over rows, then over columns: a window is a product of the two, so the mean of means is its mean."""
        context.save(x.shape)
        _, rows, cols = self.output_shape(tuple(x.shape[1:]))
        means = self.backend.xp.empty((*x.shape[:2], rows, x.shape[3]), x.dtype)
        for row, (start, stop) in enumerate(bounds(x.shape[2], rows)):
            means[:, :, row] = x[:, :, start:stop].mean(axis=2)
        y = self.backend.xp.empty((*x.shape[:2], rows, cols), x.dtype)
        for col, (start, stop) in enumerate(bounds(x.shape[3], cols)):
            y[:, :, :, col] = means[:, :, :, start:stop].mean(axis=3)
        return y

    def differentiate(self, context: Context, grad_y: Array) -> Array:
        """Each element of a window gets its share; where windows overlap shares add."""
        (x_shape,) = context.saved
        rows, cols = grad_y.shape[2:]
        shares = self.backend.xp.zeros((*x_shape[:2], rows, x_shape[3]), grad_y.dtype)
        for col, (start, stop) in enumerate(bounds(x_shape[3], cols)):
            shares[:, :, :, start:stop] += grad_y[:, :, :, col, None] / (stop - start)
        grad_x = self.backend.xp.zeros(x_shape, grad_y.dtype)
        for row, (start, stop) in enumerate(bounds(x_shape[2], rows)):
            grad_x[:, :, start:stop] += shares[:, :, row, None] / (stop - start)
        return grad_x

    def operations(self, input_shape: Shape, output_shape: Shape) -> int:
        """About an addition for each element of the image."""
        return super().operations(input_shape, input_shape)

    def describe(self) -> str:
        """The size."""
        return f"output_size={self.output_size}"


def bounds(size: int, windows: int) -> list[tuple[int, int]]:
    """(start, stop) of each window along an axis."""
    return [(index * size // windows, -(-(index + 1) * size // windows)) for index in range(windows)]
