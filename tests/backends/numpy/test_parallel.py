import os
import threading
import time

import numpy as np
import pytest
from threadpoolctl import threadpool_info

import gpunet as gn
from gpunet.backends.numpy import parallel
from gpunet.errors import BackendError

pytestmark = pytest.mark.numpy_only("tests NumPy's own threads")


@pytest.fixture
def threads(monkeypatch):
    """Sets the number of threads, and gives this process its own back afterwards."""

    def reset():
        if parallel._crew.cache_info().currsize:
            parallel._crew().dismiss()
        parallel._crew.cache_clear()
        parallel.thread_count.cache_clear()

    def set_threads(count):
        reset()
        monkeypatch.setenv(parallel.THREADS_VARIABLE, str(count))

    yield set_threads
    reset()


def blas_threads():
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_results_come_in_the_order_of_the_pieces(threads, count):
    threads(count)

    def job(piece):
        time.sleep(0.002 * (5 - piece.start))  # the first piece is done last
        return piece.start

    assert parallel.run(job, parallel.pieces(5, 1)) == [0, 1, 2, 3, 4]


def test_pieces_run_side_by_side(threads):
    threads(2)
    meeting = threading.Barrier(2, timeout=20)  # breaks unless two threads stand here at once
    parallel.run(lambda _: meeting.wait(), parallel.pieces(2, 1))
    assert not meeting.broken


def test_no_pieces_give_no_results(threads):
    threads(2)
    assert parallel.run(lambda piece: piece, []) == []


@pytest.mark.parametrize("failing", range(4))
def test_an_error_in_any_piece_reaches_the_caller_after_all_workers_stopped(threads, failing):
    threads(2)
    running = []

    def job(piece):
        running.append(piece.start)
        try:
            time.sleep(0.002)
            if piece.start == failing:
                raise ValueError(f"piece {failing}")
        finally:
            running.remove(piece.start)

    with pytest.raises(ValueError, match=f"piece {failing}"):
        parallel.run(job, parallel.pieces(4, 1))
    assert not running
    assert parallel.run(lambda piece: piece.start, parallel.pieces(3, 1)) == [0, 1, 2]


def test_a_piece_that_is_cut_again_runs_in_its_own_thread(threads):
    threads(2)

    def outer(_):
        names = parallel.run(lambda _: threading.current_thread().name, parallel.pieces(4, 1))
        return set(names) == {threading.current_thread().name}

    assert parallel.run(outer, parallel.pieces(4, 1)) == [True] * 4


def test_blas_uses_one_thread_inside_and_what_it_was_set_to_outside(threads):
    threads(2)
    before = blas_threads()
    inside = parallel.run(lambda _: blas_threads(), parallel.pieces(2, 1))
    assert all(set(counts) == {1} for counts in inside)
    with parallel.single_threaded_blas(), parallel.single_threaded_blas():
        assert set(blas_threads()) == {1}
    assert blas_threads() == before


def test_workers_have_the_callers_choice_of_floating_point_warnings(threads):
    threads(2)
    meeting = threading.Barrier(2, timeout=20)

    def overflow(_):
        meeting.wait()
        return np.float32(3e38) * np.float32(10)

    with np.errstate(over="ignore"):
        assert parallel.run(overflow, parallel.pieces(2, 1)) == [np.inf, np.inf]
    meeting.reset()
    with np.errstate(over="raise"), pytest.raises(FloatingPointError):
        parallel.run(overflow, parallel.pieces(2, 1))


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", ""])
def test_a_wrong_number_of_threads_is_refused_by_name(threads, text):
    threads(text)
    with pytest.raises(BackendError, match=r"GPUNET_NUM_THREADS must be a positive integer, got"):
        parallel.thread_count()


def test_without_the_variable_every_core_of_this_process_is_used(threads, monkeypatch):
    threads(1)
    monkeypatch.delenv(parallel.THREADS_VARIABLE)
    assert 1 <= parallel.thread_count() <= os.cpu_count()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_makes_workers_of_its_own(threads):
    threads(2)
    parallel.run(lambda _: time.sleep(0.001), parallel.pieces(4, 1))
    child = os.fork()
    if child == 0:
        os._exit(0 if parallel.run(lambda piece: piece.start, parallel.pieces(2, 1)) == [0, 1] else 1)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize(("nbytes", "count"), [(1, 10), (10 * parallel.PIECE_BYTES, 10), (10**12, 3), (0, 0), (0, 4)])
def test_pieces_cover_everything_once(nbytes, count):
    covered = [index for piece in parallel.cache_sized(count, nbytes) for index in range(piece.start, piece.stop)]
    assert covered == list(range(count))


def test_a_training_step_gives_the_same_bits_on_any_number_of_threads(threads):
    images = np.random.default_rng(0).standard_normal((40, 3, 30, 30), dtype=np.float32)

    def step():
        with gn.random.seeded(0):
            net = gn.Sequential(
                gn.Conv2d(3, 16, 3, padding=1), gn.BatchNorm2d(16), gn.ReLU(), gn.MaxPool2d(3, 2),
                gn.Conv2d(16, 16, 3, groups=16), gn.Conv2d(16, 8, 1), gn.Dropout(0.3), gn.AvgPool2d(2),
                gn.Flatten(), gn.Linear(8 * 6 * 6, 10),
            )  # fmt: skip
        y = net.forward(images, training=True)
        grad_x = net.backward(np.ones_like(y))
        return [y, grad_x, *(parameter.grad for parameter in net.parameters())]

    results = []
    for count in (1, 2, 3):
        threads(count)
        results.append([array.tobytes() for array in step()])
    assert results[0] == results[1] == results[2]


def test_a_sum_of_squares_uses_one_blas_thread(threads, monkeypatch):
    threads(2)
    inside, vdot = [], np.vdot

    def watched(*arrays):
        inside.extend(blas_threads())
        return vdot(*arrays)

    monkeypatch.setattr(np, "vdot", watched)
    gn.Sequential().backend.sum_of_squares([np.ones(3), np.ones(2)])
    assert set(inside) == {1}
