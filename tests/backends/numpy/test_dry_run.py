"""The memory of a dry run follows the rules of the real pool and workspaces, and nobody else notices it."""

from __future__ import annotations

import threading
import tracemalloc
from typing import Any

import numpy as np
import pytest

from gpunet.backends.numpy import memory, parallel, windows
from gpunet.backends.numpy.dry_run import DryBackend, DryRun, dry_run
from gpunet.backends.numpy.phantom import Phantom
from gpunet.random import Stream


def held(pool: Any) -> int:
    """Bytes of the blocks of a real pool."""
    return sum(block.nbytes for blocks in pool._blocks.values() for block in blocks)


def blocks_of(run: DryRun) -> int:
    return sum(size * len(blocks) for size, blocks in run._blocks.items())


@pytest.mark.parametrize("seed", range(4))
def test_the_pool_gives_and_takes_as_the_real_one(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "KEPT_BYTES", 1 << 22)
    real = memory.Pool(kept_bytes=1 << 22)
    draw = Stream(seed, "requests")
    choices, sizes = draw.integers(3, (300,)), (draw.uniform(600) * (1 << 20)).astype(int)
    living: list[tuple[Any, Any]] = []
    with dry_run() as run:
        for step, choice in enumerate(choices):
            if choice == 0 and living:  # arrays go in another order than they came
                living.pop(int(sizes[300 + step]) % len(living))
            else:
                shape = (int(sizes[step]),)
                living.append((real.empty(shape, np.uint8), run.empty(shape, np.uint8)))
            assert blocks_of(run) == held(real)
        living.clear()


def test_workspaces_grow_and_stay() -> None:
    with dry_run() as run:
        before = run.current
        for size in (100, 50, 300, 200):
            memory.workspace("one", (size,), np.float32)
        memory.workspace("two", (10, 10), np.float64)
        assert run.workspaces == 1200 + 800 + 2 * memory.ALIGNMENT
        assert run.current - before == pytest.approx(run.workspaces, abs=20_000)  # Python's own, for the rest


def test_arrays_of_the_backend_are_phantoms_within_and_real_after() -> None:
    with dry_run() as run:
        x = run.array((2, 8, 9, 9), np.float32)
        y = DryBackend(run).relu(x)
        assert isinstance(y, Phantom)
        assert y.shape == x.shape
        assert isinstance(memory.workspace("some", (3,), np.float32), Phantom)
    assert type(memory.empty((1 << 20,), np.float32)) is np.ndarray
    assert type(memory.workspace("some", (3,), np.float32)) is np.ndarray


def test_all_is_put_back_after_an_error() -> None:
    before = (memory._pool, memory.workspace, parallel.run, windows.as_strided, tracemalloc.is_tracing())
    with pytest.raises(KeyError), dry_run():
        raise KeyError("stop")
    assert (memory._pool, memory.workspace, parallel.run, windows.as_strided, tracemalloc.is_tracing()) == before


def test_a_trace_of_the_users_goes_on() -> None:
    tracemalloc.start()
    try:
        with dry_run():
            pass
        assert tracemalloc.is_tracing()
    finally:
        tracemalloc.stop()


def test_other_threads_compute_meanwhile() -> None:
    x = np.arange(-(1 << 20), 1 << 20, dtype=np.float32).reshape(2, 4, 512, 512)
    results: list[Any] = []
    with dry_run() as run:
        backend = DryBackend(run)
        thread = threading.Thread(target=lambda: results.append(backend.relu(x)))
        thread.start()
        thread.join()
    assert type(results[0]) is np.ndarray
    np.testing.assert_array_equal(results[0], np.maximum(x, 0))


def test_large_arrays_that_numpy_makes_by_itself_are_counted() -> None:
    with dry_run() as run:
        run.reset_peak()
        before = run.current
        zeros = np.zeros(1 << 24, np.float32)
        run.array((1,), np.float32)
        assert run.peak - before == pytest.approx(zeros.nbytes, rel=0.01)
        del zeros
        assert run.current - before < 1 << 20


def test_the_array_module_of_layers() -> None:
    with dry_run() as run:
        xp = DryBackend(run).xp
        x = run.array((2, 3), np.float32)
        assert xp.zeros((4, 5), np.float32).shape == (4, 5)
        assert xp.ones(3).dtype == np.float64
        assert xp.full((2,), 1.5, np.float32).dtype == np.float32
        assert xp.asarray(x) is x
        assert xp.asarray(x, np.float64).dtype == np.float64
        assert type(xp.asarray([1, 2])) is np.ndarray
        assert xp.ascontiguousarray(x) is x
        assert xp.ascontiguousarray(x.T).flags.c_contiguous
        assert isinstance(xp.ascontiguousarray(x.T), Phantom)
        assert type(xp.ascontiguousarray([1])) is np.ndarray
        assert DryBackend(run).asarray(x) is x
        assert xp.exp is np.exp


def test_of_many_equal_pieces_the_first_and_the_last_are_enough() -> None:
    done: list[int] = []
    with dry_run():
        parallel.run(done.append, range(10), 1 << 30)
        assert done == [0, 1, 8, 9]
        done.clear()
        parallel.run(done.append, range(3), 1 << 30)
        assert done == [0, 1, 2]


def test_what_others_do_to_the_pool_is_done_to_the_real_one() -> None:
    real = memory._pool
    before = real.kept_bytes
    try:
        with dry_run():
            memory._pool.kept_bytes = 12345
            assert real.kept_bytes == memory._pool.kept_bytes == 12345
            assert memory.arena() is real.arena
    finally:
        real.kept_bytes = before
