"""Limits on what a file may make us allocate."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from gpunet.errors import ShapeError

LARGEST_CONSTANT = 2**28  # elements; a weight of 1 GiB in float32
LARGEST_VALUE = 2**34  # elements of what flows through the net

_limit: ContextVar[int] = ContextVar("largest size", default=LARGEST_VALUE)


@contextmanager
def constants_only() -> Iterator[None]:
    """What is computed inside is known when the file is read, and limited like a constant."""
    token = _limit.set(LARGEST_CONSTANT)
    try:
        yield
    finally:
        _limit.reset(token)


def check_size(what: str, shape: Sequence[int], limit: int | None = None) -> None:
    """Refuse a shape before anything of it is allocated.

    Args:
        limit: elements; that of the moment by default.

    Raises:
        ShapeError: a size is negative, or their product is above ``limit``.
    """
    if any(size < 0 for size in shape):
        raise ShapeError(f"{what}: the shape {tuple(shape)} has a negative size.")
    limit = _limit.get() if limit is None else limit
    if math.prod(shape) > limit:
        raise ShapeError(
            f"{what}: the shape {tuple(shape)} has {math.prod(shape):,} elements, more than the {limit:,} allowed; "
            f"nothing was allocated. Is the file damaged?"
        )
