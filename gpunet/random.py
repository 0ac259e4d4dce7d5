"""Random numbers that are addressed, never advanced: Philox 4x32-10.

A counter-based generator turns (key, counter) into random bits with no state, so the same numbers come out on every
backend, in any order, from any number of threads. A `Stream` is addressed by (seed, name, epoch, step): the key is made
of seed and name, the upper half of the counter is (step, epoch), and its lower half counts blocks of four words.

Source: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from gpunet.errors import DataError

_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_KEY_INCREMENTS = (0x9E3779B9, 0xBB67AE85)
_ROUNDS = 10
_LOW = np.uint64(0xFFFFFFFF)
_32 = np.uint64(32)
_BLOCKS_AT_ONCE = 1 << 14  # temporaries of this many blocks stay in the cache
_NUMBERS_AT_ONCE = 1 << 18  # bounds the memory beside the result


def philox(counter: tuple[Any, Any, Any, Any], key: tuple[int, int]) -> tuple[NDArray[np.uint32], ...]:
    """Four 32-bit words for each counter.

    Args:
        counter: four words, least significant first; each an int below 2**32 or an array of them.
        key: two 32-bit words.

    Returns:
        four uint32 arrays of the counters' broadcast shape.
    """
    words = np.broadcast_arrays(*(np.asarray(word, dtype=np.uint64) for word in counter))
    c0, c1, c2, c3 = words
    key0, key1 = key
    for _ in range(_ROUNDS):
        product0 = _MULTIPLIERS[0] * c0
        product1 = _MULTIPLIERS[1] * c2
        c0, c1, c2, c3 = (
            (product1 >> _32) ^ c1 ^ np.uint64(key0),
            product1 & _LOW,
            (product0 >> _32) ^ c3 ^ np.uint64(key1),
            product0 & _LOW,
        )
        key0 = (key0 + _KEY_INCREMENTS[0]) & 0xFFFFFFFF
        key1 = (key1 + _KEY_INCREMENTS[1]) & 0xFFFFFFFF
    return tuple(word.astype(np.uint32) for word in (c0, c1, c2, c3))


class Stream:
    """An endless sequence of random 32-bit words with an address.

    Every method starts at the stream's first word, so calling it twice gives the same numbers twice: take another
    name, epoch or step for other numbers.

    Args:
        seed: any integer.
        name: what the numbers are for, such as "shuffle" or "features.3".
        epoch, step: position in the training; 0 or more, below 2**32.
    """

    def __init__(self, seed: int, name: str, epoch: int = 0, step: int = 0) -> None:
        for label, value in (("epoch", epoch), ("step", step)):
            if not 0 <= value < 1 << 32:
                raise DataError(f"random stream {name!r}: {label} must be in [0, 2**32), got {value}.")
        self.seed, self.name, self.epoch, self.step = int(seed), name, int(epoch), int(step)
        digest = hashlib.blake2b(f"{self.seed}:{name}".encode(), digest_size=8).digest()
        self.key = (int.from_bytes(digest[:4], "little"), int.from_bytes(digest[4:], "little"))

    def at(self, epoch: int, step: int) -> Stream:
        """The stream of the same seed and name at another position."""
        return Stream(self.seed, self.name, epoch, step)

    def bits(self, count: int, start: int = 0) -> NDArray[np.uint32]:
        """``count`` words from word ``start`` on: word *i* is word *i* mod 4 of counter *i* // 4.

        Args:
            count: how many.
            start: where to begin; below 2**66, where the counter ends.
        """
        first, last = start // 4, -(-(start + count) // 4)
        words = np.empty((last - first, 4), np.uint32)
        for low in range(first, last, _BLOCKS_AT_ONCE):
            high = min(low + _BLOCKS_AT_ONCE, last)
            index = np.arange(low, high, dtype=np.uint64)
            block = philox((index & _LOW, index >> _32, self.step, self.epoch), self.key)
            for position, word in enumerate(block):
                words[low - first : high - first, position] = word
        return words.reshape(-1)[start - 4 * first :][:count]

    def bits64(self, count: int, start: int = 0) -> NDArray[np.uint64]:
        """``count`` pairs of words from pair ``start`` on, the first of each pair being the low half."""
        pairs = self.bits(2 * count, 2 * start).astype(np.uint64)
        return pairs[0::2] | (pairs[1::2] << _32)

    def _unit(self, count: int, start: int) -> NDArray[np.float64]:
        """Numbers ``start`` to ``start + count`` of the uniform ones in [0, 1), 53 random bits each."""
        return np.asarray((self.bits64(count, start) >> np.uint64(11)) * 2.0**-53, np.float64)

    def uniform(
        self, shape: int | tuple[int, ...] = (), low: float = 0.0, high: float = 1.0, dtype: DTypeLike = np.float64
    ) -> NDArray[np.floating]:
        """Uniform numbers in [low, high), 53 random bits each, rounded to ``dtype``.

        With limits other than 0 and 1, or in float32, rounding may lead to ``high`` itself.
        """
        values = np.empty(_size(shape), dtype)
        for start in range(0, len(values), _NUMBERS_AT_ONCE):
            part = values[start : start + _NUMBERS_AT_ONCE]
            part[:] = low + (high - low) * self._unit(len(part), start)
        return values.reshape(shape)

    def normal(
        self, shape: int | tuple[int, ...] = (), mean: float = 0.0, std: float = 1.0, dtype: DTypeLike = np.float64
    ) -> NDArray[np.floating]:
        """Normal numbers, by Box and Muller's transform, rounded to ``dtype``.

        The first half of the uniform numbers gives the radii, the second the angles; the cosines come first.
        """
        count = _size(shape)
        pairs = -(-count // 2)
        values = np.empty(count, dtype)
        for start in range(0, pairs, _NUMBERS_AT_ONCE):
            stop = min(start + _NUMBERS_AT_ONCE, pairs)
            radius = std * np.sqrt(-2.0 * np.log1p(-self._unit(stop - start, start)))
            angle = 2.0 * math.pi * self._unit(stop - start, pairs + start)
            values[start:stop] = mean + radius * np.cos(angle)
            sines = values[pairs + start : pairs + stop]  # one fewer than cosines at the end of an odd count
            sines[:] = mean + (radius * np.sin(angle))[: len(sines)]
        return values.reshape(shape)

    def integers(self, high: int, shape: int | tuple[int, ...] = ()) -> NDArray[np.int64]:
        """Integers in [0, high), for ``high`` up to 2**32; the bias is below ``high`` / 2**53."""
        if not 1 <= high <= 1 << 32:
            raise DataError(f"random stream {self.name!r}: high must be in [1, 2**32], got {high}.")
        return np.floor(self.uniform(shape) * high).astype(np.int64)

    def permutation(self, count: int) -> NDArray[np.int64]:
        """The integers below ``count`` in random order."""
        return np.argsort(self.bits64(count), kind="stable").astype(np.int64)


def _size(shape: int | tuple[int, ...]) -> int:
    return math.prod(shape) if isinstance(shape, tuple) else int(shape)


class _Initialization:
    """Where the initial weights of the layers come from: each array takes the next step of one stream."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.step = 0

    def next_stream(self) -> Stream:
        stream = Stream(self.seed, "initial weights", step=self.step)
        self.step += 1
        return stream


_initialization = _Initialization(0)
_seeded: ContextVar[_Initialization | None] = ContextVar("seeded", default=None)  # what `seeded` put before it


def seed(value: int) -> None:
    """Start the stream of initial weights anew: layers made after this call are a function of ``value``."""
    global _initialization
    if _seeded.get() is not None:  # inside `seeded`, until its end
        _seeded.set(_Initialization(int(value)))
    else:
        _initialization = _Initialization(int(value))


@contextmanager
def seeded(value: int | None) -> Iterator[None]:
    """Make layers of this thread with ``value`` as seed, leaving the stream outside as it was; None changes nothing."""
    if value is None:
        yield
        return
    token = _seeded.set(_Initialization(int(value)))
    try:
        yield
    finally:
        _seeded.reset(token)


def initialization_stream() -> Stream:
    """The next stream for an array of initial weights."""
    return (_seeded.get() or _initialization).next_stream()
