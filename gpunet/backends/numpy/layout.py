"""Where the channels of (N, C, ...) arrays lie in memory.

The logical order is always (N, C, ...). Physically the channels may come last, so that those of one pixel are
neighbours, as a matrix product over channels wants them.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray


def is_channels_last(x: NDArray[Any]) -> bool:
    """Whether x is (N, C, ...) logically and (N, ..., C) in memory, without gaps, and not both contiguous at once."""
    return x.ndim > 2 and not x.flags.c_contiguous and channels_last(x).flags.c_contiguous


def channels_last(x: NDArray[Any]) -> NDArray[Any]:
    """The view (N, ..., C) of (N, C, ...)."""
    return x.transpose(0, *range(2, x.ndim), 1)


def channels_first(x: NDArray[Any]) -> NDArray[Any]:
    """The view (N, C, ...) of (N, ..., C)."""
    return x.transpose(0, -1, *range(1, x.ndim - 1))
