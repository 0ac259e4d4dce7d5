"""Amounts of memory, as people write and read them."""

from __future__ import annotations

import argparse
import re

_UNITS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?", re.IGNORECASE)


def memory_size(text: str) -> int:
    """An option's type: bytes, as 8GB (10**9 bytes each), 7.5GiB (2**30) or 500M."""
    found = _SIZE.fullmatch(text.strip())
    if found is None or not float(found[1]):
        raise argparse.ArgumentTypeError(f"wanted an amount of memory such as 8GB, 7.5GiB or 500MB, got {text!r}")
    return int(float(found[1]) * (1024 if found[3] else 1000) ** _UNITS[found[2].lower()])


def mebibytes(nbytes: int) -> str:
    """``1,234.5 MiB``."""
    return f"{nbytes / 2**20:,.1f} MiB"
