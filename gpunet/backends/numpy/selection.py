"""Values and gradients that go only where something holds."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from gpunet.backends.numpy import memory
from gpunet.backends.numpy.windows import Floats

ZERO_BYTES = 1 << 20  # no piece of work has more


def keep_where(mask: NDArray[np.bool_], values: Floats, out: Floats | None = None) -> Floats:
    """``numpy.where(mask, values, 0)``, ten times as quick.

    The bits of the values are multiplied, as integers, by 0 or 1: exact for NaN and infinity too, which a product of
    floats with 0 is not, and free of the branches that make ``where`` slow on masks without a pattern.

    Args:
        out: like values, where to put them; None makes a new array.
    """
    bits = np.dtype(f"i{values.itemsize}")
    if out is None:
        out = memory.empty_like(values)
    factors = memory.workspace("factors", mask.shape, bits)
    np.copyto(factors, mask)
    np.multiply(values.view(bits), factors, out=out.view(bits))
    return out


def through_rectifier(grad_y: Floats, y: Floats, out: Floats | None = None) -> Floats:
    """A gradient, where a rectifier that gave ``y`` lets it through, else 0; ``out`` as for `keep_where`."""
    passes = memory.workspace("passes", y.shape, bool)
    np.less_equal(y, 0, out=passes)
    np.logical_not(passes, out=passes)  # not y > 0, which is False at NaN too
    return keep_where(passes, grad_y, out)


def rectify(x: Floats, out: Floats) -> None:
    """The larger of each element and 0; NaN stays NaN. With an array of zeros three times as quick as with a 0."""
    zeros = _zeros(x.dtype)
    if x.size <= zeros.size:
        np.maximum(x, zeros[: x.size].reshape(x.shape), out=out)
    else:
        np.maximum(x, 0, out=out)


@cache
def _zeros(dtype: np.dtype[np.floating]) -> Floats:
    """As many as a piece of work has at most, out of reach of whoever would write to them."""
    zeros = np.zeros(ZERO_BYTES // dtype.itemsize, dtype)
    zeros.flags.writeable = False
    return zeros
