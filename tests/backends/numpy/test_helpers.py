"""Helper processes: they share the work, and whatever happens to them or the caller, nothing is lost or left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from backends.numpy.helper_jobs import InHelper, RaisesInCaller, Twice, WhoWorks, WritesInput

from gpunet.backends.numpy import cutting, helpers, memory, parallel
from gpunet.backends.numpy.helpers import Helpers
from gpunet.backends.numpy.job import Job
from gpunet.errors import BackendError

pytestmark = [
    pytest.mark.numpy_only("tests NumPy's own helpers"),
    pytest.mark.skipif(parallel.helper_kind() != "processes", reason="no helper processes on this system"),
]

Cores = Callable[..., None]


@pytest.fixture
def two(cores: Cores) -> Helpers:
    """The caller and one helper."""
    cores(2, "processes")
    found = parallel._get_helpers()
    assert found is not None
    return found


def places(count: int) -> np.ndarray:
    array = memory.shared((count,), np.int64)
    array[...] = 0
    return array


def alive(process: int) -> bool:
    try:
        status = Path(f"/proc/{process}/stat").read_text("ascii")
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize("count", [2, 4])
def test_caller_and_helpers_share_the_pieces(cores: Cores, count: int) -> None:
    cores(count, "processes")
    workers: set[int] = set()
    for _ in range(20):  # a busy machine may leave one out
        who = places(32)
        parallel.run(WhoWorks(who), cutting.even(32, 1), 1 << 30)
        assert who.all()
        workers |= set(who.tolist())
        if len(workers) == count:
            break
    assert len(workers) == count
    assert os.getpid() in workers


def test_every_piece_is_done_exactly_once_however_often_one_asks(two: Helpers) -> None:
    for repeat in range(200):
        x, y = places(repeat + 1), places(repeat + 1)
        x[...] = np.arange(repeat + 1)
        assert two.run(Twice(x, y), cutting.even(repeat + 1, 1 + repeat % 5))
        np.testing.assert_array_equal(y, 2 * x)


def test_arrays_of_any_layout_and_place(two: Helpers) -> None:
    """Parts and strides of shared memory, small and large arrays of the caller's own, contiguous or channels-last."""
    whole = memory.shared((40, 30), np.float32)
    whole[...] = np.arange(1200).reshape(40, 30)
    last = np.arange(40 * 3 * 50 * 50, dtype=np.float32).reshape(40, 50, 50, 3).transpose(0, 3, 1, 2)
    for x in (whole[::2], whole[:, ::-1], whole.T, np.arange(40.0), np.ones((40, 30000)), last):
        y = memory.shared(x.shape, x.dtype)
        y[...] = -1
        assert two.run(Twice(x, y), cutting.even(len(x), 3))
        np.testing.assert_array_equal(y, 2 * x)


def test_what_cannot_be_shared_is_done_by_the_caller(two: Helpers) -> None:
    x = np.arange(24.0)
    broadcast = np.broadcast_to(x, (30_000, 24))  # large, and no copy lies as it does
    for array, y in ((x, np.zeros(24)), (broadcast, memory.shared(broadcast.shape, float))):
        job = Twice(array, y)
        assert not two.run(job, cutting.even(len(array), 3))
        parallel.run(job, cutting.even(len(array), 3), 1 << 30)
        np.testing.assert_array_equal(y, 2 * array)
    with np.errstate(call=lambda *_: None, over="call"):
        assert not two.run(Twice(x, memory.shared(x.shape, float)), cutting.even(24, 3))
    too_many = cutting.even(1_000_000, 1)
    assert not two.run(Twice(x, memory.shared(x.shape, float)), too_many)


def test_a_job_that_writes_to_an_input_is_found_out(two: Helpers) -> None:
    with pytest.raises(ValueError, match="read-only"):
        often(WritesInput(np.zeros(5), places(8), os.getpid()))


def often(job: Job) -> None:
    """Do a job on eight pieces until a helper was quick enough to take one."""
    for _ in range(10):
        parallel.run(job, cutting.even(8, 1), 1 << 30)


def in_helper(what: str) -> None:
    """Have a helper do something."""
    often(InHelper(places(8), os.getpid(), what))


def test_an_error_in_a_helper_reaches_the_caller(two: Helpers) -> None:
    with pytest.raises(ValueError, match="a piece that went wrong") as caught:
        in_helper("raise_value_error")
    assert "in a helper process" in "".join(caught.value.__notes__)
    assert "raise_value_error" in "".join(caught.value.__notes__)
    with pytest.raises(RuntimeError, match="Local: cannot be handed over"):
        in_helper("raise_unpicklable")
    test_every_piece_is_done_exactly_once_however_often_one_asks(two)


def test_warnings_in_a_helper_are_the_callers(two: Helpers) -> None:
    with pytest.warns(UserWarning, match="look here"):
        in_helper("warn")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning):
            in_helper("warn")


def test_helpers_have_the_callers_choice_of_floating_point_warnings(two: Helpers) -> None:
    with np.errstate(over="raise"), pytest.raises(FloatingPointError):
        in_helper("overflow")
    with np.errstate(over="ignore"), warnings.catch_warnings():
        warnings.simplefilter("error")
        in_helper("overflow")
    with np.errstate(over="warn"), pytest.warns(RuntimeWarning, match="overflow"):
        in_helper("overflow")


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_of_the_callers_leaves_nobody_writing(two: Helpers, error: type[BaseException]) -> None:
    done = places(100)
    with pytest.raises(error, match="the caller's own"):
        two.run(RaisesInCaller(done, os.getpid(), error), cutting.even(100, 1))
    before = done.copy()
    assert before.sum() < 100
    time.sleep(0.3)
    np.testing.assert_array_equal(done, before)
    assert two.gone is (error is KeyboardInterrupt)
    x, y = np.arange(24.0), memory.shared((24,), float)
    parallel.run(Twice(x, y), cutting.even(24, 3), 1 << 30)
    np.testing.assert_array_equal(y, 2 * x)


@pytest.mark.parametrize(("what", "cause"), [("die", "signal 9"), ("leave", "exit status 3")])
def test_a_helper_that_is_gone_is_named_and_replaced(two: Helpers, what: str, cause: str) -> None:
    with pytest.raises(BackendError, match=rf"helper process \d+.*ended with {cause}.*GPUNET_HELPERS=threads"):
        in_helper(what)
    again = parallel._get_helpers()
    assert again is not None
    assert again is not two
    wait_until(again.ready)
    test_every_piece_is_done_exactly_once_however_often_one_asks(again)


def test_another_thread_does_its_work_itself(two: Helpers) -> None:
    wrong: list[Any] = []

    def work() -> None:
        for _ in range(100):
            x, y = places(64), places(64)
            x[...] = np.arange(64)
            parallel.run(Twice(x, y), cutting.even(64, 4), 1 << 30)
            if (y != 2 * x).any():
                wrong.append(y)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_has_its_own_memory_and_its_own_helpers(two: Helpers) -> None:
    kept = places(100_000)
    kept[...] = 5
    child = os.fork()
    if child == 0:
        correct = (kept == 5).all()
        kept[...] = 7
        x, y = places(24), places(24)
        x[...] = 3
        parallel.run(Twice(x, y), cutting.even(24, 3), 1 << 30)  # starts helpers of its own
        parallel.dismiss_helpers()
        os._exit(0 if correct and (kept == 7).all() and (y == 6).all() else 1)
    kept[:10] = 6  # what the child does not see
    assert os.waitpid(child, 0)[1] == 0
    assert (kept[10:] == 5).all()
    assert not two.gone
    test_every_piece_is_done_exactly_once_however_often_one_asks(two)


SCRIPT = """
import os, signal, sys, time
import numpy as np
from gpunet.backends.numpy import parallel
helpers = parallel._get_helpers()
while not helpers.ready():
    time.sleep(0.01)
print(*(process.pid for process in helpers._processes), flush=True)
{end}
"""


@pytest.mark.parametrize(
    "end", ["", "os._exit(0)", "os.kill(os.getpid(), signal.SIGKILL)", "raise SystemExit(3)", "time.sleep(600)"]
)
def test_helpers_end_with_their_caller(end: str) -> None:
    environment = os.environ | {"GPUNET_NUM_THREADS": "3", "GPUNET_HELPERS": "processes"}
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(end=end)], stdout=subprocess.PIPE, text=True, env=environment
    ) as caller:
        assert caller.stdout is not None
        processes = list(map(int, caller.stdout.readline().split()))
        assert len(processes) == 2
        if "sleep" in end:
            caller.send_signal(signal.SIGTERM)
        caller.wait(timeout=20)
    wait_until(lambda: not any(map(alive, processes)))


def test_a_script_without_a_main_guard_and_with_closed_streams_works(tmp_path: Path) -> None:
    """Helpers do not run the caller's script, and do not hold on to its output."""
    script = tmp_path / "train.py"
    script.write_text(
        textwrap.dedent("""
            import time
            import numpy as np
            import gpunet as gn
            from gpunet.backends.numpy import parallel
            print("once", flush=True)
            net = gn.Sequential(gn.Conv2d(3, 32, 3, padding=1), gn.ReLU())
            x = np.ones((16, 3, 32, 32), np.float32)
            first = net.forward(x)
            helpers = parallel._get_helpers()
            while not helpers.ready():
                time.sleep(0.01)
            assert (net.forward(x) == first).all()
        """),
        encoding="utf-8",
    )
    environment = os.environ | {"GPUNET_NUM_THREADS": "2", "GPUNET_HELPERS": "processes"}
    done = subprocess.run(
        [sys.executable, str(script)], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "once\n"
    assert done.stderr == ""


@pytest.mark.parametrize("text", ["0", "process", ""])
def test_a_wrong_kind_of_helper_is_refused_by_name(cores: Cores, text: str) -> None:
    cores(2, text)
    with pytest.raises(BackendError, match="GPUNET_HELPERS must be one of processes, threads, got"):
        parallel.helper_kind()


@pytest.mark.parametrize("missing", ["memory", "process", "program"])
def test_where_there_can_be_no_helpers_threads_do_the_work(
    cores: Cores, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cores(2, "threads")

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError("not here")

    monkeypatch.setenv(parallel.HELPERS_VARIABLE, "processes")
    monkeypatch.setattr(parallel, "THREADS_BYTES", 0)
    if missing == "memory":
        monkeypatch.setattr(parallel, "Arena", refuse)
        memory.use(None)
    elif missing == "process":
        monkeypatch.setattr(helpers.subprocess, "Popen", refuse)
    else:
        monkeypatch.setattr(sys, "executable", "")
    x, y = np.arange(24.0), memory.shared((24,), float)
    parallel.run(Twice(x, y), cutting.even(24, 3), 1 << 30)
    np.testing.assert_array_equal(y, 2 * x)
    assert parallel._get_helpers() is None
