"""Arrays (N, C, ...) as flat runs of numbers in tiles that fit the cache, in either layout.

Element i of the flat array belongs to channel ``i // run % C``: ``run`` is 1 channels-last, and the size of one plane
channels-first. What is done to each channel is therefore done to flat tiles, with parameters that are spread over one
tile beforehand: NumPy adds two flat arrays a third quicker than an array and a row.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpunet.backends.numpy import cutting, memory, parallel
from gpunet.backends.numpy.job import Job
from gpunet.backends.numpy.layout import is_channels_last
from gpunet.backends.numpy.windows import Floats

TILES_IN_CACHE = 1
ROW = 512  # about as many numbers stand in a row of which matrix products take sums
SAMPLES = 256  # about as many values of each channel are looked at to guess where its mean lies


class Tile(NamedTuple):
    """A part of the flat array.

    Attributes:
        part: of the flat array.
        spread: the same part of spread parameters.
        sums: where its sums stand among the partial sums, (row, columns).
    """

    part: slice
    spread: slice
    sums: tuple[int, slice]


class Channels:
    """The tiles of arrays (N, C, ...) of one shape and layout.

    Args:
        size: numbers in all.
        channels: C.
        run: neighbours in memory that belong to one channel.
        room: numbers that a tile may have, unless a run is longer.

    Attributes:
        count: values of each channel.
        tiles: in the order of memory.
    """

    def __init__(self, size: int, channels: int, run: int, room: int) -> None:
        self._arguments = (size, channels, run, room)
        self.count = size // max(1, channels)
        self._channels, self._run = channels, run
        # Sums over (a, b) numbers: channels-last over a of b columns, channels-first over b of a rows.
        self._row = run // math.gcd(run, _power_of_two(run // ROW))
        period = channels * run
        if size == 0:
            self.tiles, self._sums_shape = [], (0, period)
        elif period <= room:
            self.tiles = self._whole_periods(size, room // period)
            self._sums_shape = (len(self.tiles), max(tile.sums[1].stop for tile in self.tiles))
        else:
            self.tiles = self._parts_of_periods(size, max(1, room // run))
            self._sums_shape = (size // period, self._sums_of(period))
        self._spread_size = max((tile.spread.stop for tile in self.tiles), default=0)

    def _whole_periods(self, size: int, periods: int) -> list[Tile]:
        period = self._channels * self._run
        if self._run == 1:  # so many that they make rows
            periods -= periods % min(_power_of_two(ROW // period), periods)
        parts = cutting.even(size, periods * period)
        lengths = [part.stop - part.start for part in parts]
        return [
            Tile(part, slice(0, length), (row, slice(0, self._sums_of(length))))
            for row, (part, length) in enumerate(zip(parts, lengths, strict=True))
        ]

    def _parts_of_periods(self, size: int, runs: int) -> list[Tile]:
        period = self._channels * self._run
        parts = cutting.even(period, runs * self._run)
        return [
            Tile(
                slice(start + part.start, start + part.stop),
                part,
                (row, slice(self._sums_of(part.start), self._sums_of(part.stop))),
            )
            for row, start in enumerate(range(0, size, period))
            for part in parts
        ]

    def _sums_of(self, length: int) -> int:
        """How many sums `sum_up` writes for a tile of ``length``."""
        if self._run > 1:
            return length // self._row
        return length if length < self._channels else self._channels * _repeats(length, self._channels)

    def __reduce__(self) -> tuple[Any, ...]:
        return _channels, self._arguments  # of which a helper process has it already, the second time

    def run(self, job: TileJob) -> None:
        """Each tile, on all cores."""
        itemsize = 4  # at least; it is about whether there is much to do
        parallel.run(job, range(len(self.tiles)), 2 * self._arguments[0] * itemsize)

    def spread(self, values: NDArray[Any], dtype: Any) -> Floats:
        """One of ``values`` (C,) for each element of a tile: take `Tile.spread` of it."""
        whole = memory.empty((self._spread_size,), dtype)
        if whole.size == 0:
            return whole
        if self._run > 1:
            whole.reshape(-1, len(values), self._run)[...] = values[:, None]
        else:  # by way of a row, since copies of few numbers each are slow
            row = np.empty((_repeats(whole.size, len(values)), len(values)), dtype)
            row[...] = values
            whole.reshape(-1, row.size)[...] = row.reshape(-1)
        return whole

    def partial_sums(self, dtype: Any) -> Floats:
        """Zeros with a place for the sums of every tile; `total` adds them up."""
        sums = memory.shared(self._sums_shape, dtype)
        sums[...] = 0
        return sums

    def sum_up(self, tile: Tile, values: Floats, sums: Floats) -> None:
        """Write sums of up to some hundred of the tile's ``values`` each to the tile's place in ``sums``."""
        place = sums[tile.sums]
        if self._run > 1:
            np.matmul(values.reshape(-1, self._row), _ones(self._row, values.dtype), out=place)
        else:
            rows = values.reshape(-1, len(place))
            np.matmul(_ones(len(rows), values.dtype), rows, out=place)

    def no_sums(self) -> NDArray[np.float64]:
        """Sums (C,) over nothing."""
        return np.zeros(self._channels)

    def total(self, sums: Floats) -> NDArray[np.float64]:
        """Sums (C,) over all tiles, added in float64 so that those of a large batch lose nothing."""
        if self.count == 0:
            return self.no_sums()
        columns = sums.sum(axis=0, dtype=np.float64)
        each = self._run // self._row
        return np.asarray(columns.reshape(-1, self._channels, each).sum(axis=(0, 2)))

    def sample(self, x: Floats) -> Floats:
        """Some values (samples, C) of each channel of a flat array that is not empty, taken evenly from all of it."""
        planes = x.reshape(-1, self._channels, self._run)
        step = max(1, self.count // SAMPLES)
        if self._run == 1:
            return np.ascontiguousarray(planes[::step, :, 0])
        return planes[:, :, ::step].transpose(0, 2, 1).reshape(-1, self._channels)


@dataclass(frozen=True)
class TileJob(Job):
    """A job whose pieces are tiles."""

    channels: Channels

    def __call__(self, piece: int) -> None:
        """Do the tile of that number."""
        self.do(self.channels.tiles[piece])

    @abstractmethod
    def do(self, tile: Tile) -> None:
        """Do the part of the work that lies in this tile."""


def channels_of(x: Floats) -> Channels:
    """The tiles of arrays that lie in memory as ``x`` does, which is contiguous or channels-last."""
    run = 1 if is_channels_last(x) else math.prod(x.shape[2:])
    return _channels(x.size, x.shape[1], run, max(1, cutting.PIECE_BYTES // (TILES_IN_CACHE * x.itemsize)))


@lru_cache(maxsize=256)
def _channels(size: int, channels: int, run: int, room: int) -> Channels:
    return Channels(size, channels, run, room)


def _repeats(size: int, channels: int) -> int:
    """How often the channels of ``size`` channels-last numbers stand in a row of about `ROW` numbers."""
    return math.gcd(size // channels, _power_of_two(ROW // channels))


def _power_of_two(limit: int) -> int:
    """The largest power of two up to ``limit``, at least 1."""
    return 1 << max(0, limit.bit_length() - 1)


@cache
def _ones(count: int, dtype: Any) -> Floats:
    return np.ones(count, dtype)
