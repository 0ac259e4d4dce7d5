"""Numbers of bytes as people write them."""

from __future__ import annotations

_UNITS = "KMGT"


def number_of_bytes(text: str) -> int:
    """What a text such as 512M or 8G means: a number of bytes, or one of K, M, G, T (of 1024 each) behind a number.

    Raises:
        ValueError: it means no number above 0.
    """
    digits, unit = (text[:-1], text[-1].upper()) if text[-1:].upper() in set(_UNITS) else (text, "")
    if not digits.isdecimal() or int(digits) == 0:
        raise ValueError(f"wanted a size such as 512M or 8G, got {text!r}")
    return int(digits) * 1024 ** (_UNITS.find(unit) + 1 if unit else 0)
