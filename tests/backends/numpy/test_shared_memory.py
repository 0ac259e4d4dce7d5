"""Shared memory: ranges are handed out once, given back whole, and found again by where they stand."""

from __future__ import annotations

import os

import numpy as np
import pytest

from gpunet.backends.numpy import memory, parallel, sharing
from gpunet.backends.numpy.memory import SMALLEST, Pool
from gpunet.backends.numpy.shared_memory import PAGE, RESERVED_BYTES, Arena

pytestmark = [
    pytest.mark.numpy_only("tests NumPy's own memory"),
    pytest.mark.skipif(parallel.helper_kind() != "processes", reason="no shared memory on this system"),
]


@pytest.fixture
def arena() -> Arena:
    return Arena()


def resident(arena: Arena) -> int:
    """Bytes of memory that the arena's file takes."""
    return os.fstat(arena.descriptor).st_blocks * 512


def test_blocks_are_apart_and_memory_is_taken_when_it_is_touched(arena: Arena) -> None:
    blocks = [arena.allocate(size) for size in (1, PAGE, PAGE + 1, 10 * PAGE)]
    offsets = [arena.offset(block) for block in blocks]
    assert offsets == [0, PAGE, 2 * PAGE, 4 * PAGE]
    assert [len(block) for block in blocks] == [PAGE, PAGE, 2 * PAGE, 10 * PAGE]
    assert resident(arena) == 0
    for number, block in enumerate(blocks):
        block[...] = number
    assert [set(block.tolist()) for block in blocks] == [{0}, {1}, {2}, {3}]
    assert resident(arena) == 14 * PAGE


def test_what_is_given_back_takes_no_memory_and_is_handed_out_again(arena: Arena) -> None:
    first, second, third = (arena.allocate(4 * PAGE) for _ in range(3))
    for block in (first, second, third):
        block[...] = 1
    arena.release(first)
    arena.release(second)
    assert resident(arena) == 4 * PAGE
    again = arena.allocate(8 * PAGE)  # both together
    assert arena.offset(again) == 0
    assert not again.any()
    assert (third == 1).all()


def test_no_room_and_blocks_of_others(arena: Arena) -> None:
    assert arena.allocate(RESERVED_BYTES + 1) is None
    assert arena.allocate(RESERVED_BYTES) is not None
    assert arena.allocate(1) is None
    assert arena.offset(np.zeros(3)) is None
    with pytest.raises(ValueError, match="not of this arena"):
        arena.release(np.zeros(PAGE, np.uint8))


def test_another_mapping_of_the_file_sees_the_same(arena: Arena) -> None:
    block = arena.allocate(PAGE)
    other = Arena(os.dup(arena.descriptor))
    numbers = block.view(np.float32).reshape(32, -1)[::2, ::-1]
    offset = arena.offset(numbers)
    assert offset is not None
    seen = other.array(offset, numbers.shape, numbers.strides, "<f4")
    numbers[...] = np.arange(numbers.size).reshape(numbers.shape)
    np.testing.assert_array_equal(seen, numbers)


def test_a_pool_takes_from_an_arena_and_gives_back(arena: Arena) -> None:
    pool = Pool(kept_bytes=0)
    pool.arena = arena
    array = pool.empty((SMALLEST,), np.uint8)
    array[...] = 1
    assert arena.offset(array) is not None
    taken = resident(arena)
    assert taken >= SMALLEST
    del array
    pool.empty((2 * SMALLEST,), np.uint8)  # a size that is not there makes room
    assert resident(arena) < taken


def test_arrays_that_are_written_must_be_shared(arena: Arena) -> None:
    with pytest.raises(sharing.NotShareableError):
        sharing.to_bytes((), [np.zeros(3)], arena)
    data, copies = sharing.to_bytes(("x", 3), [arena.allocate(8)], arena)
    assert sharing.from_bytes(data) == ("x", 3)
    assert copies == []


def test_arrays_that_are_read_are_copied_if_they_must(arena: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "_arena", arena)
    monkeypatch.setattr(memory, "_pool", Pool())
    memory.use(arena)
    shared = arena.allocate(PAGE).view(np.float32).reshape(4, -1)[1:3]
    shared[...] = 3
    small, large = np.arange(5), np.arange(100_000.0)
    data, copies = sharing.to_bytes([shared, small, large], [], arena)
    assert len(copies) == 1
    assert len(data) < 1000
    found = sharing.from_bytes(data)
    for got, wanted in zip(found, (shared, small, large), strict=True):
        np.testing.assert_array_equal(got, wanted)
    assert [array.flags.writeable for array in found] == [True, False, False]
    assert np.shares_memory(found[0], shared)


@pytest.mark.parametrize("piece", [3, slice(2, 5), (slice(1, 2), 7), [slice(0, 1)], ((), [3, (slice(4, 9),)])])
def test_pieces_are_what_they_were(piece: object) -> None:
    assert sharing.unpacked(sharing.packed(piece)) == piece
