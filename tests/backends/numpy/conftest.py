"""The backend that these tests judge."""

import time
from collections.abc import Callable, Iterator

import pytest

from gpunet.backends import Backend, numpy_backend
from gpunet.backends.numpy import parallel, threads


@pytest.fixture(scope="session")
def backend() -> Backend:
    return numpy_backend()


@pytest.fixture
def cores(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Sets how many cores to compute with, and how; the process has its own choice back afterwards."""

    def reset() -> None:
        parallel.dismiss_helpers()
        if threads._crew.cache_info().currsize:
            threads._crew().dismiss()
        threads._crew.cache_clear()
        threads.thread_count.cache_clear()

    def set_cores(count: int | str, kind: str = "threads") -> None:
        reset()
        monkeypatch.setenv(threads.THREADS_VARIABLE, str(count))
        monkeypatch.setenv(parallel.HELPERS_VARIABLE, kind)
        if kind == "processes":
            monkeypatch.setattr(parallel, "HELPED_BYTES", 0)
            helpers = parallel._get_helpers()
            assert helpers is not None
            end = time.monotonic() + 60
            while not helpers.ready():
                assert time.monotonic() < end, "the helper processes did not start"
                time.sleep(0.01)

    yield set_cores
    reset()
