"""From which elements of an axis those of the resized axis are made, and with which weights.

Source: the ONNX operator specification of Resize.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gpunet.errors import ShapeError

Places = NDArray[np.float64]


@dataclass(frozen=True)
class ResizeRule:
    """The attributes of Resize that say how one axis is computed.

    Attributes:
        mode: "nearest", "linear" or "cubic".
        coordinates: the coordinate_transformation_mode.
        rounding: the nearest_mode.
        cubic_a: the coefficient of cubic interpolation.
        exclude_outside: elements outside the axis have weight 0, instead of that at the border.
        antialias: the interpolation is widened where the axis is made smaller.
        extrapolation: what stands outside of the region of tf_crop_and_resize.
    """

    mode: str = "nearest"
    coordinates: str = "half_pixel"
    rounding: str = "round_prefer_floor"
    cubic_a: float = -0.75
    exclude_outside: bool = False
    antialias: bool = False
    extrapolation: float = 0.0


@dataclass(frozen=True)
class AxisTaps:
    """Output i of an axis is the sum over t of weights[i, t] * x[indices[i, t]], or a fixed number.

    Attributes:
        size: of the input's axis.
        indices, weights: (out, taps).
        outside: (out,) bool, where the fixed number stands; None where that is nowhere.
    """

    size: int
    indices: NDArray[np.int64]
    weights: Places
    outside: NDArray[np.bool_] | None = None

    @property
    def copies(self) -> bool:
        """Whether each output is one element."""
        return self.indices.shape[1] == 1 and bool((self.weights == 1).all())

    @property
    def changes(self) -> bool:
        """Whether anything is done at all."""
        same = self.copies and len(self.indices) == self.size
        return not same or bool((self.indices[:, 0] != np.arange(self.size)).any())

    def matrix(self) -> Places:
        """The same as a matrix (out, size), whose transpose is the gradient."""
        matrix = np.zeros((len(self.indices), self.size))
        rows = np.repeat(np.arange(len(self.indices)), self.indices.shape[1])
        np.add.at(matrix, (rows, self.indices.reshape(-1)), self.weights.reshape(-1))
        return matrix


def axis_taps(rule: ResizeRule, size: int, out_size: int, scale: float, region: tuple[float, float]) -> AxisTaps:
    """How an axis of ``size`` elements becomes one of ``out_size``.

    Args:
        scale: output elements for each input element, as the file says it, before rounding.
        region: start and end of the part to resize, for tf_crop_and_resize, where the whole axis is (0, 1).
    """
    if size < 1:
        raise ShapeError(f"Resize: an axis of {size} elements cannot become one of {out_size}.")
    places = _places(rule.coordinates, size, out_size, scale, region)
    outside = None
    if rule.coordinates == "tf_crop_and_resize":
        outside = (places < 0) | (places > size - 1)
        outside = outside if bool(outside.any()) else None
    if rule.mode == "nearest":
        nearest = _rounded(places, rule.rounding).astype(np.int64)
        return AxisTaps(size, nearest.clip(0, size - 1)[:, None], np.ones((out_size, 1)), outside)
    narrowing = min(scale, 1.0) if rule.antialias else 1.0
    reach = (1 if rule.mode == "linear" else 2) / narrowing
    # ONNX counts an element as the left one of its own place: a place that is whole has the fraction 1.
    left = np.ceil(places).astype(np.int64) - 1
    offsets = np.arange(int(np.floor(-reach)) + 1, 2 - int(np.floor(-reach)) - 1)
    indices = left[:, None] + offsets[None, :]
    distance = np.abs(indices - places[:, None]) * narrowing
    weights = np.clip(1 - distance, 0, None) if rule.mode == "linear" else _cubic(distance, rule.cubic_a)
    if rule.exclude_outside:
        weights = np.where((indices < 0) | (indices >= size), 0, weights)
    if rule.exclude_outside or rule.antialias:
        weights = weights / weights.sum(axis=1, keepdims=True)
    return AxisTaps(size, indices.clip(0, size - 1), weights, outside)


def _places(mode: str, size: int, out_size: int, scale: float, region: tuple[float, float]) -> Places:
    """Where each output stands among the inputs."""
    outputs = np.arange(out_size, dtype=np.float64)
    length = scale * size  # of the output before it was rounded
    if mode == "asymmetric":
        return outputs / scale
    if mode == "align_corners":
        return outputs * 0 if length == 1 else outputs * (size - 1) / (length - 1)
    if mode == "tf_crop_and_resize":
        start, end = region
        if length == 1:
            return outputs * 0 + 0.5 * (start + end) * (size - 1)
        return start * (size - 1) + outputs * (end - start) * (size - 1) / (length - 1)
    if mode == "pytorch_half_pixel" and length <= 1:
        return outputs * 0 - 0.5
    half = (outputs + 0.5) / scale - 0.5
    if mode == "half_pixel_symmetric":
        return size / 2 * (1 - out_size / length) + half
    return half


def _rounded(places: Places, rounding: str) -> Places:
    if rounding == "floor":
        return np.floor(places)
    if rounding == "ceil":
        return np.ceil(places)
    return np.ceil(places - 0.5) if rounding == "round_prefer_floor" else np.floor(places + 0.5)


def _cubic(distance: Places, a: float) -> Places:
    """Source: Keys 1981, IEEE Transactions on Acoustics, Speech, and Signal Processing 29."""
    near = ((a + 2) * distance - (a + 3)) * distance * distance + 1
    far = ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
    return np.where(distance <= 1, near, np.where(distance < 2, far, 0))
