"""Channels of several arrays one after the other, and the gradient of that: to each array its own channels'."""

from __future__ import annotations

from collections.abc import Sequence

from gpunet.backends import Backend
from gpunet.state import Array


def concatenate(backend: Backend, arrays: Sequence[Array]) -> Array:
    """(N, C1, ...), (N, C2, ...), ... to (N, C1 + C2 + ..., ...)."""
    return backend.xp.concatenate(arrays, axis=1)


def split(grad_y: Array, channels: Sequence[int]) -> list[Array]:
    """The gradient of `concatenate`: (N, C1 + C2 + ..., ...) to (N, C1, ...), (N, C2, ...), ...; copies.

    Args:
        channels: C1, C2, ...
    """
    parts, start = [], 0
    for count in channels:
        parts.append(grad_y[:, start : start + count].copy(order="K"))
        start += count
    return parts
