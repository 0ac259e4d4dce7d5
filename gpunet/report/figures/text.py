"""Words in pictures."""

from __future__ import annotations

DPI = 144  # sharp where a screen has two dots for one


def shortened(text: str, length: int = 18) -> str:
    """One line of at most ``length`` characters."""
    line = " ".join(text.split())
    return line if len(line) <= length else f"{line[: length - 1]}…"
