"""Checks of the numbers that optimizers and schedules are made with."""

from __future__ import annotations

import math
from typing import Any

from gpunet.errors import DataError


def real(name: str, value: Any, minimum: float, maximum: float = math.inf, below: bool = False) -> float:
    """``value`` as a float in [minimum, maximum], or in [minimum, maximum) if ``below``.

    Raises:
        DataError: it is no finite number, or out of range.
    """
    try:
        if isinstance(value, bool | str | bytes):
            raise TypeError
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise DataError(f"{name}: got {value!r}, wanted a number.") from None
    if not math.isfinite(number) or not minimum <= number <= maximum or (below and number == maximum):
        raise DataError(f"{name}: got {number}, wanted {_range(minimum, maximum, below)}.")
    return number


def integer(name: str, value: Any, minimum: int) -> int:
    """``value`` as an int of at least ``minimum``.

    Raises:
        DataError: it is a bool, a float or another thing that is no integer, or too small.
    """
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise DataError(f"{name}: got {value!r}, wanted an integer of at least {minimum}.")
    number = int(value.__index__())
    if number < minimum:
        raise DataError(f"{name}: got {number}, wanted an integer of at least {minimum}.")
    return number


def flag(name: str, value: Any) -> bool:
    """``value``, which must be True or False.

    Raises:
        DataError: it is neither.
    """
    if not isinstance(value, bool):
        raise DataError(f"{name}: got {value!r}, wanted True or False.")
    return value


def _range(minimum: float, maximum: float, below: bool) -> str:
    if math.isinf(maximum):
        return f"a finite number of at least {minimum:g}"
    return f"a number in [{minimum:g}, {maximum:g}{')' if below else ']'}"
