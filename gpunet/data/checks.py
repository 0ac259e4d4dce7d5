"""Checks of arguments that several files of this package share."""

from __future__ import annotations

from typing import Any

from gpunet.errors import DataError


def as_integer(value: Any, what: str, minimum: int | None = None) -> int:
    """``value`` as an int, of at least ``minimum`` if given; else a `DataError` that begins with ``what``."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise DataError(f"{what} must be an integer, got {value!r}.")
    number = int(value.__index__())
    if minimum is not None and number < minimum:
        raise DataError(f"{what} must be at least {minimum}, got {number}.")
    return number
