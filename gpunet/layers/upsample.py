"""Images made larger (or smaller) by copying or interpolating."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from gpunet.errors import DataError, ShapeError
from gpunet.geometry import as_pair
from gpunet.layers.module import Context, Module, Shape
from gpunet.layers.resampling import Resampling
from gpunet.state import Array


class Upsample(Module):
    """Resize images.

    Args:
        size: rows and columns of the output: an int for both, or a pair.
        scale_factor: instead of ``size``: a factor for both, or a pair; the output has floor(size * factor) rows.
        mode: "nearest" copies an element, "bilinear" interpolates between four.
        align_corners: only for "bilinear": True lets the centres of the corner elements coincide, False (the default)
            the edges of the images.

    Shapes:
        (N, C, H, W) to (N, C, H', W').

    Raises:
        ShapeError: both or neither of ``size`` and ``scale_factor``.
        DataError: an unknown mode, a factor that is not above 0, or ``align_corners`` with "nearest".
    """

    def __init__(
        self, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool | None = None
    ) -> None:
        if (size is None) == (scale_factor is None):
            raise ShapeError(
                f"Upsample: got size={size} and scale_factor={scale_factor}, wanted one of the two, the other None."
            )
        if mode not in {"nearest", "bilinear"}:
            raise DataError(f"Upsample: mode must be 'nearest' or 'bilinear', got {mode!r}.")
        if mode == "nearest" and align_corners is not None:
            raise DataError("Upsample: align_corners says how to interpolate. Leave it out, or use mode='bilinear'.")
        self.size = None if size is None else as_pair(size, "Upsample: size", 1)
        self.scale_factor = None if scale_factor is None else _factors(scale_factor)
        self.mode = mode
        self.align_corners = align_corners

    def output_shape(self, input_shape: Shape) -> Shape:
        """(C, H, W) to (C, H', W')."""
        if len(input_shape) != 3 or min(input_shape) < 1:
            raise ShapeError(f"got images of shape {tuple(input_shape)}, wanted (channels, height, width), none of 0.")
        height, width = input_shape[1:]
        if self.size is not None:
            return (input_shape[0], *self.size)
        assert self.scale_factor is not None
        rows, cols = math.floor(height * self.scale_factor[0]), math.floor(width * self.scale_factor[1])
        if min(rows, cols) < 1:
            raise ShapeError(
                f"a {height}x{width} image times {self.scale_factor} has no element left. Use a larger scale_factor."
            )
        return (input_shape[0], rows, cols)

    def compute(self, context: Context, x: Array) -> Array:
        """Rows, then columns."""
        context.save(x.shape)
        rows, cols = self._axes(x.shape)
        return cols.apply(self.backend, rows.apply(self.backend, x, 2), 3)

    def differentiate(self, context: Context, grad_y: Array) -> Array:
        """Each input element gets the sum of what it gave, weighted as it was: the transposed matrices."""
        (x_shape,) = context.saved
        rows, cols = (self.backend.asarray(axis.matrix(), grad_y.dtype) for axis in self._axes(x_shape))
        return self.backend.xp.matmul(rows.T, self.backend.xp.matmul(grad_y, cols))

    def _axes(self, x_shape: Shape) -> tuple[Resampling, Resampling]:
        out_sizes = self.output_shape(tuple(x_shape[1:]))[1:]
        scales = self.scale_factor or (None, None)
        if self.mode == "nearest":
            rows, cols = map(Resampling.nearest, x_shape[2:], out_sizes, scales)
        else:
            aligned = (bool(self.align_corners),) * 2
            rows, cols = map(Resampling.linear, x_shape[2:], out_sizes, scales, aligned)
        return rows, cols

    def operations(self, input_shape: Shape, output_shape: Shape) -> int:
        """None for copies; two products of three operations each, rows and columns, for interpolation."""
        return 0 if self.mode == "nearest" else 6 * super().operations(input_shape, output_shape)

    def describe(self) -> str:
        """Size or factor, and the mode."""
        size = f"size={self.size}" if self.size else f"scale_factor={self.scale_factor}"
        aligned = "" if self.align_corners is None else f", align_corners={self.align_corners}"
        return f"{size}, mode={self.mode!r}{aligned}"


def _factors(scale_factor: Any) -> tuple[float, float]:
    pair = tuple(scale_factor) if isinstance(scale_factor, Sequence) else (scale_factor, scale_factor)
    if len(pair) != 2:
        raise ShapeError(f"Upsample: scale_factor must be a number or a pair, got {scale_factor!r}.")
    rows, cols = (float(factor) for factor in pair)
    if not (rows > 0 and cols > 0 and math.isfinite(rows) and math.isfinite(cols)):
        raise DataError(f"Upsample: scale_factor must be above 0 and finite, got {scale_factor!r}.")
    return rows, cols
