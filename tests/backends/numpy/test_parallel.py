import os
import threading
import time

import numpy as np
import pytest
from threadpoolctl import threadpool_info

import gpunet as gn
from gpunet.backends.numpy import cutting, parallel, threads
from gpunet.backends.numpy.blas import single_threaded_blas
from gpunet.errors import BackendError

pytestmark = pytest.mark.numpy_only("tests NumPy's own threads")


def blas_threads():
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


def everything(job, count):
    """Run a job on ``range(count)`` that is worth sharing out."""
    parallel.run(job, range(count), 1 << 30)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_every_piece_is_done_once(cores, count):
    cores(count)
    done = []

    def job(piece):
        time.sleep(0.002 * (5 - piece))  # the first piece is done last
        done.append(piece)

    everything(job, 5)
    assert sorted(done) == [0, 1, 2, 3, 4]
    everything(job, 0)
    assert len(done) == 5


def test_pieces_run_side_by_side(cores):
    cores(2)
    meeting = threading.Barrier(2, timeout=20)  # breaks unless two threads stand here at once
    everything(lambda _: meeting.wait(), 2)
    assert not meeting.broken


def test_little_work_is_done_by_the_caller(cores):
    cores(2)
    names = set()
    parallel.run(lambda _: names.add(threading.current_thread().name), range(20), parallel.THREADS_BYTES - 1)
    assert names == {threading.current_thread().name}


@pytest.mark.parametrize("failing", range(4))
def test_an_error_in_any_piece_reaches_the_caller_after_all_workers_stopped(cores, failing):
    cores(2)
    running = []

    def job(piece):
        running.append(piece)
        try:
            time.sleep(0.002)
            if piece == failing:
                raise ValueError(f"piece {failing}")
        finally:
            running.remove(piece)

    with pytest.raises(ValueError, match=f"piece {failing}"):
        everything(job, 4)
    assert not running
    everything(running.append, 3)
    assert sorted(running) == [0, 1, 2]


def test_a_piece_that_is_cut_again_runs_in_its_own_thread(cores):
    cores(2)
    same = []

    def outer(_):
        names = set()
        everything(lambda _: names.add(threading.current_thread().name), 4)
        same.append(names == {threading.current_thread().name})

    everything(outer, 4)
    assert same == [True] * 4


def test_blas_uses_one_thread_inside_and_what_it_was_set_to_outside(cores):
    cores(2)
    before, inside = blas_threads(), []
    everything(lambda _: inside.append(blas_threads()), 2)
    assert all(set(counts) == {1} for counts in inside)
    with single_threaded_blas(), single_threaded_blas():
        assert set(blas_threads()) == {1}
    assert blas_threads() == before


def test_workers_have_the_callers_choice_of_floating_point_warnings(cores):
    cores(2)
    meeting = threading.Barrier(2, timeout=20)
    found = []

    def overflow(_):
        meeting.wait()
        found.append(np.float32(3e38) * np.float32(10))

    with np.errstate(over="ignore"):
        everything(overflow, 2)
    assert found == [np.inf, np.inf]
    meeting.reset()
    with np.errstate(over="raise"), pytest.raises(FloatingPointError):
        everything(overflow, 2)


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", ""])
def test_a_wrong_number_of_threads_is_refused_by_name(cores, text):
    cores(text)
    with pytest.raises(BackendError, match=r"GPUNET_NUM_THREADS must be a positive integer, got"):
        threads.thread_count()


def test_without_the_variable_every_core_of_this_process_is_used(cores, monkeypatch):
    cores(1)
    monkeypatch.delenv(threads.THREADS_VARIABLE)
    assert 1 <= threads.thread_count() <= os.cpu_count()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_makes_workers_of_its_own(cores):
    cores(2)
    everything(lambda _: time.sleep(0.001), 4)
    child = os.fork()
    if child == 0:
        done = []
        everything(done.append, 2)
        os._exit(0 if sorted(done) == [0, 1] else 1)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize(("nbytes", "count"), [(1, 10), (10 * cutting.PIECE_BYTES, 10), (10**12, 3), (0, 0), (0, 4)])
def test_pieces_cover_everything_once(nbytes, count):
    covered = [index for piece in cutting.cache_sized(count, nbytes) for index in range(piece.start, piece.stop)]
    assert covered == list(range(count))


def test_a_training_step_gives_the_same_bits_on_any_number_of_threads(cores):
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
    for count, kind in ((1, "threads"), (2, "threads"), (3, "threads"), (2, "processes"), (3, "processes")):
        cores(count, kind)
        results.append([array.tobytes() for array in step()])
    assert results.count(results[0]) == len(results)


def test_a_sum_of_squares_uses_one_blas_thread(cores, monkeypatch):
    cores(2)
    inside, vdot = [], np.vdot

    def watched(*arrays):
        inside.extend(blas_threads())
        return vdot(*arrays)

    monkeypatch.setattr(np, "vdot", watched)
    gn.Sequential().backend.sum_of_squares([np.ones(3), np.ones(2)])
    assert set(inside) == {1}
