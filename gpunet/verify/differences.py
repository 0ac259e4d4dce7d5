"""How far two arrays are apart, in units that mean something."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpunet.verify.recording import Host


@dataclass(frozen=True, slots=True)
class Difference:
    """The largest difference between the elements of two arrays.

    Attributes:
        absolute: as it is.
        relative: to the scale, which is the largest magnitude in the reference.
        ulps: in units in the last place of a number as large as the scale, in the dtype compared.
    """

    absolute: float = 0.0
    relative: float = 0.0
    ulps: float = 0.0

    @classmethod
    def between(cls, array: Host | None, reference: Host | None, dtype: Any) -> Difference:
        """Of ``array`` from ``reference``, both (...) of one shape; infinite if only one of them is there.

        Args:
            array, reference: may be of different float dtypes.
            dtype: whose units in the last place are meant.
        """
        if array is None or reference is None:
            return cls() if array is reference else cls(math.inf, math.inf, math.inf)
        absolute = float(distances(array, reference).max(initial=0.0))
        if absolute == 0:
            return cls()
        magnitudes = np.abs(reference[np.isfinite(reference)], dtype=np.float64)
        scale = float(magnitudes.max(initial=0.0))
        with np.errstate(over="ignore"):
            limited = min(scale, float(np.finfo(dtype).max))
            spacing = float(np.spacing(np.dtype(dtype).type(limited)))
        return cls(absolute, absolute / scale if scale else math.inf, absolute / spacing)


def distances(array: Host, reference: Host) -> Host:
    """(...) magnitudes of the differences in float64: 0 where both are NaN or the same infinity.

    Arrays of two shapes are infinitely far apart. A reference that only exceeds the range of the array's dtype is
    infinite there too, and differs in nothing.
    """
    if array.shape != reference.shape:
        return np.full(1, math.inf)
    with np.errstate(over="ignore", invalid="ignore"):
        found = np.abs(array.astype(np.float64) - reference.astype(np.float64))
        same = (array == reference.astype(array.dtype)) & ~np.isfinite(array)
    found[same | (np.isnan(array) & np.isnan(reference))] = 0
    found[np.isnan(found)] = math.inf
    return found


def share_of_expected(array: Host | None, reference: Host | None, bound: Host | None, dtype: Any) -> float:
    """The largest error in units of what rounding may make of it; above 1 it is more than rounding.

    Args:
        array: in the dtype compared.
        reference: the same in float64.
        bound: like ``reference``, how many roundings of which magnitude may add up, in one product; 0 demands equality.
        dtype: that the array was computed in.
    """
    if array is None or reference is None or bound is None:
        return 0.0 if array is reference else math.inf
    error = distances(array, reference)
    if error.shape != bound.shape:
        return math.inf
    information = np.finfo(dtype)
    unit = float(information.eps) / 2
    if unit <= np.finfo(np.float64).eps:
        unit *= 2  # the reference rounds as much itself
    # Below the normal numbers rounding is no longer relative, and a device may take such numbers for 0.
    allowed = np.where(bound > 0, unit * bound + float(information.tiny), 0.0)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        shares = np.where(error > 0, error / allowed, 0.0)
    shares[np.isnan(shares) & (error > 0)] = math.inf
    return float(np.nan_to_num(shares, nan=0.0, posinf=math.inf).max(initial=0.0))
