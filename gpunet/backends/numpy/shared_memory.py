"""Memory that this process and its helper processes see at the same time.

A file that exists only in memory is mapped by all of them. It is far larger than any computer's memory: what is never
touched takes none. Ranges of it are handed out to `memory.Pool`, and those given back take no memory any more.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

RESERVED_BYTES = 1 << 38  # addresses, not memory
PAGE = mmap.PAGESIZE
# Linux's numbers, which Python does not name: in place of the mapping that is there; addresses, not memory.
_MAP_FIXED, _MAP_NORESERVE = 0x10, 0x4000


class Arena:
    """One mapping of the file.

    Args:
        descriptor: of the file, of which this arena becomes the owner; None makes a new, empty one.

    Attributes:
        descriptor: to be handed to helper processes.

    Raises:
        OSError: the system does not offer this, or not so many addresses.
    """

    def __init__(self, descriptor: int | None = None) -> None:
        if descriptor is None:
            descriptor = os.memfd_create("gpunet")
            os.ftruncate(descriptor, RESERVED_BYTES)
        self.descriptor = descriptor
        self.map = mmap.mmap(descriptor, RESERVED_BYTES)
        self._start = int(np.frombuffer(self.map, np.uint8, 1).__array_interface__["data"][0])
        self._lock = threading.Lock()
        self._free = {0: RESERVED_BYTES}  # start: size, neighbours joined
        self._used: dict[int, int] = {}

    def allocate(self, size: int) -> NDArray[np.uint8] | None:
        """``size`` bytes, with anything in them, at the start of a page; None if there is no room."""
        size = -(-size // PAGE) * PAGE
        with self._lock:
            for start, room in sorted(self._free.items()):
                if room >= size:
                    del self._free[start]
                    if room > size:
                        self._free[start + size] = room - size
                    self._used[start] = size
                    return np.frombuffer(self.map, np.uint8, size, start)
        return None

    def release(self, block: NDArray[np.uint8]) -> None:
        """Give the memory of an allocated block back to the system. Nobody may look at it any more."""
        start = self.offset(block)
        if start is None:
            raise ValueError("a block that is not of this arena")
        with self._lock:
            size = self._used.pop(start)
            self.map.madvise(mmap.MADV_REMOVE, start, size)
            self._free[start] = size
            self._join()

    def _join(self) -> None:
        joined: dict[int, int] = {}
        end = last = -1
        for start, size in sorted(self._free.items()):
            if start == end:
                joined[last] += size
            else:
                joined[start], last = size, start
            end = start + size
        self._free = joined

    def offset(self, array: NDArray[Any]) -> int | None:
        """Where the array's first element stands in the file; None if it stands elsewhere."""
        offset = int(array.__array_interface__["data"][0]) - self._start
        return offset if 0 <= offset < RESERVED_BYTES else None

    def array(self, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        """The array that stands there."""
        return np.ndarray(shape, dtype, self.map, offset, strides)

    def part(self) -> None:
        """In a forked child: keep what is in use as it is now, and share it no longer."""
        libc = ctypes.CDLL(None, use_errno=True)
        libc.mmap.restype = ctypes.c_void_p
        libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
        flags = mmap.MAP_PRIVATE | _MAP_FIXED | _MAP_NORESERVE
        protection = mmap.PROT_READ | mmap.PROT_WRITE
        where = libc.mmap(self._start, RESERVED_BYTES, protection, flags, self.descriptor, 0)
        if where != self._start:
            raise OSError(ctypes.get_errno(), "a forked process could not be given memory of its own")
        whole = np.frombuffer(self.map, np.uint8)
        for start, size in self._used.items():
            a_byte_of_each_page = whole[start : start + size : PAGE]
            a_byte_of_each_page |= 0  # what is written to is copied
        os.close(self.descriptor)
