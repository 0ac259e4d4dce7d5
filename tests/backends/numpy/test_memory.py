"""Memory that is kept: when it is used again, when it must not be, and how much of it stays."""

import threading

import numpy as np
import pytest

from gpunet.backends.numpy import memory
from gpunet.backends.numpy.layout import is_channels_last
from gpunet.backends.numpy.memory import ALIGNMENT, SMALLEST, Pool

pytestmark = pytest.mark.numpy_only("tests NumPy's own memory")


def address(array):
    return array.__array_interface__["data"][0]


def taken(pool, *shapes):
    """Addresses of arrays that exist at once and are dropped on return."""
    arrays = [pool.empty(shape, np.uint8) for shape in shapes]
    return {address(array) for array in arrays}


def test_memory_that_nobody_uses_is_handed_out_again():
    pool = Pool()
    first = taken(pool, (SMALLEST,), (SMALLEST,))
    assert len(first) == 2
    assert taken(pool, (SMALLEST,), (SMALLEST,)) == first


@pytest.mark.parametrize("kept", ["array", "view", "view of a view", "other dtype", "buffer"])
def test_memory_stays_with_whatever_still_sees_it(kept):
    pool = Pool()
    array = pool.empty((2, SMALLEST), np.uint8)
    view = {
        "array": lambda array: array,
        "view": lambda array: array[1:],
        "view of a view": lambda array: array[1:].reshape(2, -1)[:, ::2].T,
        "other dtype": lambda array: array.view(np.float32)[1],
        "buffer": memoryview,
    }[kept](array)
    view_of = np.asarray(view)
    del array
    view_of[...] = 7
    for _ in range(3):
        pool.empty((2, SMALLEST), np.uint8)[...] = 1
    assert (view_of == 7).all()


def test_like_sizes_share_memory_and_small_arrays_are_left_to_the_system():
    pool = Pool()
    first = taken(pool, (10 * SMALLEST - 5,))
    assert taken(pool, (10 * SMALLEST,)) == first
    assert taken(pool, (20 * SMALLEST,)) != first
    pool.empty((SMALLEST - 1,), np.uint8)
    assert sum(map(len, pool._blocks.values())) == 2


@pytest.mark.parametrize("shape", [(SMALLEST,), (3 * SMALLEST + 1,), (7, SMALLEST // 3)])
def test_memory_starts_at_a_cache_line(shape):
    pool = Pool()
    arrays = [pool.empty(shape, dtype) for dtype in (np.float32, np.float64, np.uint8) for _ in range(3)]
    assert {address(array) % ALIGNMENT for array in arrays} == {0}
    assert address(memory.workspace("test", shape, np.float32)) % ALIGNMENT == 0


def test_unused_memory_beyond_the_bound_is_given_back():
    pool = Pool(kept_bytes=4 * SMALLEST)
    arrays = [pool.empty((SMALLEST + step * 4096,), np.uint8) for step in range(0, 256, 16)]
    arrays += [pool.empty((2 * SMALLEST,), np.uint8) for _ in range(20)]
    held = sum(size * len(blocks) for size, blocks in pool._blocks.items())
    assert held > 20 * SMALLEST
    arrays.clear()
    pool.empty((64 * SMALLEST,), np.uint8)  # a size that is not there makes room
    held = sum(size * len(blocks) for size, blocks in pool._blocks.items() if size < 64 * SMALLEST)
    assert 0 < held <= 4 * SMALLEST


def test_giving_back_leaves_what_is_used():
    pool = Pool(kept_bytes=0)
    array = pool.empty((2 * SMALLEST,), np.uint8)
    array[...] = 3
    pool.empty((3 * SMALLEST,), np.uint8)
    pool.empty((5 * SMALLEST,), np.uint8)[...] = 1
    assert (array == 3).all()
    assert len(taken(pool, (2 * SMALLEST,)) | {address(array)}) == 2


def test_threads_never_get_the_same_memory():
    pool, wrong = Pool(), []

    def work(number):
        for _ in range(200):
            array = pool.empty((SMALLEST,), np.uint8)
            array[...] = number
            if (array != number).any():
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert sum(map(len, pool._blocks.values())) <= 8  # each thread holds its last array while it asks for the next


def test_a_workspace_is_the_same_memory_by_name_and_grows():
    small = memory.workspace("test memory", (10,), np.float32)
    assert np.shares_memory(small, memory.workspace("test memory", (5,), np.float64))
    large = memory.workspace("test memory", (1000, 3), np.float32)
    assert large.shape == (1000, 3)
    assert not np.shares_memory(small, large)
    assert not np.shares_memory(large, memory.workspace("test other memory", (1000, 3), np.float32))
    assert memory.workspace("test memory", (0, 3), np.float32).shape == (0, 3)


def test_each_thread_has_workspaces_of_its_own():
    here, there = memory.workspace("test memory", (100,), np.uint8), []
    thread = threading.Thread(target=lambda: there.append(memory.workspace("test memory", (100,), np.uint8)))
    thread.start()
    thread.join()
    assert not np.shares_memory(here, there[0])


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (64, 16, 16, 16), (2, 3, 7), (4, 3), (5,), (0, 3, 2, 2)])
def test_results_lie_as_their_input_does(shape):
    x = np.zeros(shape, np.float32)
    assert memory.empty_like(x).flags.c_contiguous
    assert memory.empty_like(x, np.uint8).dtype == np.uint8
    last = memory.empty_channels_last(shape, np.float32) if len(shape) > 1 else x
    like = memory.empty_like(last)
    assert like.shape == last.shape == shape
    assert like.strides == last.strides
    odd = memory.empty_like(np.zeros((*shape, 2), np.float32)[..., 0])  # neither: plain
    assert odd.flags.c_contiguous


def test_flat_numbers_come_in_the_order_of_the_other_array():
    x = np.arange(24).reshape(1, 2, 3, 4)
    last = memory.empty_channels_last(x.shape, x.dtype)
    last[...] = x
    assert is_channels_last(last)
    np.testing.assert_array_equal(memory.flat(x, like=x), np.arange(24))
    np.testing.assert_array_equal(memory.flat(last, like=x), np.arange(24))
    np.testing.assert_array_equal(memory.flat(x, like=last), x.transpose(0, 2, 3, 1).ravel())
    assert np.shares_memory(memory.flat(x, like=x), x)
    assert np.shares_memory(memory.flat(last, like=last), last)
    assert not np.shares_memory(memory.flat(x, like=last), x)
    np.testing.assert_array_equal(memory.flat(np.broadcast_to(5, x.shape), like=last), np.full(24, 5))
