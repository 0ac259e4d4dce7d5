"""Where the elements of a resized axis take their values from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gpunet.backends import Backend
from gpunet.state import Array


@dataclass(frozen=True, slots=True)
class Resampling:
    """Output i of an axis is ``(1 - fraction[i]) * x[low[i]] + fraction[i] * x[high[i]]``.

    Attributes:
        size: length of the input's axis.
        low, high: (out,) places in the input.
        fraction: (out,) in [0, 1], or None where the value at ``low`` is copied.
    """

    size: int
    low: NDArray[np.int64]
    high: NDArray[np.int64]
    fraction: NDArray[np.float64] | None

    @classmethod
    def nearest(cls, size: int, out_size: int, scale: float | None) -> Resampling:
        """Output i copies input floor(i / scale); ``scale`` None means out_size / size.

        In float32, as PyTorch computes it: the same element is chosen also where rounding decides. As there, outputs
        of one and of two times the size are copies and pairs, whatever other scale was rounded to that size.
        """
        if scale is None or out_size in {size, 2 * size}:
            step = np.float32(size / out_size)
        else:
            step = np.float32(1 / scale)
        low = np.floor(np.arange(out_size, dtype=np.float32) * step).astype(np.int64).clip(max=size - 1)
        return cls(size, low, low, None)

    @classmethod
    def linear(cls, size: int, out_size: int, scale: float | None, align_corners: bool) -> Resampling:
        """Linear interpolation.

        With ``align_corners`` the centres of the first and last elements coincide; without it the edges of the whole
        axis do, and what lies outside the first and last centre takes their value. An output of the same size is the
        input, whatever other scale was rounded to that size, as in PyTorch.
        """
        if out_size == size:
            return cls.nearest(size, out_size, scale)
        places = np.arange(out_size, dtype=np.float64)
        if align_corners:
            position = places * ((size - 1) / (out_size - 1) if out_size > 1 else 0.0)
        else:
            step = size / out_size if scale is None else 1 / scale
            position = np.maximum((places + 0.5) * step - 0.5, 0)
        low = np.floor(position).astype(np.int64).clip(max=size - 1)
        return cls(size, low, (low + 1).clip(max=size - 1), np.clip(position - low, 0, 1))

    def apply(self, backend: Backend, x: Array, axis: int) -> Array:
        """Resize ``x`` along ``axis``."""
        low = backend.xp.take(x, backend.asarray(self.low), axis=axis)
        if self.fraction is None:
            return low
        shape = [1] * x.ndim
        shape[axis] = len(self.fraction)
        fraction = backend.asarray(self.fraction.reshape(shape), x.dtype)
        return low * (1 - fraction) + backend.xp.take(x, backend.asarray(self.high), axis=axis) * fraction

    def matrix(self) -> NDArray[np.float64]:
        """The same as a matrix (out, size), whose transpose is the gradient."""
        fraction = np.zeros(len(self.low)) if self.fraction is None else self.fraction
        matrix = np.zeros((len(self.low), self.size))
        rows = np.arange(len(self.low))
        matrix[rows, self.low] = 1 - fraction
        matrix[rows, self.high] += fraction
        return matrix
