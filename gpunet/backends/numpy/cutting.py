"""How a primitive's work is cut into pieces: by its size alone, so that results are the same on any number of cores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, NamedTuple, TypeVar

UNCUT_BYTES = 1 << 18  # work on less is one piece: to hand over another takes as long
SHARES = 8  # pieces of a batch, so that there is something to share out, ...
SHARE_BYTES = 1 << 18  # ... unless they would be smaller than this
PIECE_BYTES = 1 << 18  # several passes over a piece, and what goes with it, stay in one core's cache

Member = TypeVar("Member")


def cache_sized(count: int, nbytes: int) -> list[slice]:
    """``range(count)`` cut so that each piece of an array of ``nbytes``, cut along that axis, fits the cache.

    A small array is not cut: handing over its pieces would take longer than the work. Two pieces at least otherwise.
    """
    if nbytes <= UNCUT_BYTES:
        return even(count, count)
    return even(count, min(PIECE_BYTES * count // nbytes, -(-count // SHARES)))


def shares(count: int, most: int, nbytes: int, parts: int = SHARES) -> list[slice]:
    """``range(count)`` cut into pieces of at most ``most``, and into ``parts`` of them if they are worth a hand-over.

    Args:
        nbytes: of the work on all of them together.
    """
    worth = count * SHARE_BYTES // max(1, nbytes)
    return even(count, min(most, max(worth, -(-count // parts))))


class Share(NamedTuple, Generic[Member]):
    """Some pieces that belong together, because what they give is summed up, and the place of that sum."""

    number: int
    members: Sequence[Member]


def shares_of(members: Sequence[Member], count: int | None = None) -> list[Share[Member]]:
    """The pieces in at most ``count`` shares, or each in one of its own."""
    size = 1 if count is None else -(-len(members) // count)
    return [Share(number, members[part]) for number, part in enumerate(even(len(members), size))]


def even(count: int, size: int) -> list[slice]:
    """``range(count)`` cut into slices of ``size``, the last one shorter."""
    size = max(1, size)
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]
