"""Arrays with channels, as the kernels that sum over them see them."""

from __future__ import annotations

import math
from dataclasses import dataclass

_PART_SIZE = 4096  # values of a channel that one block reduces; fixes the order of summation, whatever the device
_RUN = 4  # elements a thread takes: where it starts costs divisions

COMBINING_THREADS = 64  # of the blocks that combine the parts of one channel


@dataclass(frozen=True)
class Channels:
    """An (N, C, ...) array.

    Attributes:
        channels: C.
        inner: values of one image and channel.
        count: values of one channel.
        parts: blocks that reduce one channel.
    """

    channels: int
    inner: int
    count: int
    parts: int

    @classmethod
    def of(cls, shape: tuple[int, ...]) -> Channels:
        """The sizes of an array of this shape."""
        inner = math.prod(shape[2:])
        count = shape[0] * inner
        return cls(shape[1], inner, count, -(-count // _PART_SIZE))

    @property
    def blocks(self) -> int:
        """Parts of all channels, one a block."""
        return self.channels * self.parts

    @property
    def threads(self) -> int:
        """Threads that take a few elements each of the whole array."""
        return -(-self.channels * self.count // _RUN)

    def fields(self) -> dict[str, int]:
        """The structure of the same name in ``common.cuh``."""
        return {
            "channels": self.channels,
            "inner": self.inner,
            "count": self.count,
            "part_size": _PART_SIZE,
            "parts": self.parts,
        }
