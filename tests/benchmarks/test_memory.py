"""The peak of resident memory, as the system keeps it and as a thread finds it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmarks import timing
from benchmarks.peers import memory
from benchmarks.peers.memory import Peak, resident_bytes

SIZE = 1 << 26
pytestmark = pytest.mark.skipif(resident_bytes() is None, reason="the system does not tell the resident memory")


def use(size: int) -> None:
    np.ones(size, np.uint8).sum()


@pytest.fixture(params=["kept", "polled"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    if request.param == "polled":
        monkeypatch.setattr(memory, "CLEAR", tmp_path / "no folder" / "clear_refs")
    return request.param


def test_what_was_given_back_is_in_the_peak(way: str) -> None:
    with Peak() as peak:
        for _ in range(20 if way == "polled" else 1):  # a thread that looks now and then may miss one
            use(SIZE)
    assert peak.exact == (way == "kept")
    assert 0.8 * SIZE < peak.highest - peak.before < 3 * SIZE


def test_an_older_peak_is_forgotten(way: str) -> None:
    use(4 * SIZE)
    with Peak() as peak:
        use(SIZE)
    assert peak.highest - peak.before < 3 * SIZE


def test_a_system_that_does_not_tell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(memory, "STATUS", tmp_path / "absent")
    assert resident_bytes() is None
    with pytest.raises(OSError, match="does not tell the resident memory"), Peak():
        pass


@pytest.fixture
def helper() -> Iterator[subprocess.Popen[bytes]]:
    """A child that keeps 50 MB and has computed for a third of a second."""
    program = (
        "import sys, time; kept = bytearray(b'x' * 50_000_000)\n"
        "while time.process_time() < 0.3: pass\n"
        "print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        yield child


def test_memory_that_is_a_helpers_alone_counts(helper: subprocess.Popen[bytes]) -> None:
    with Peak() as beside:
        pass
    helper.communicate()
    with Peak() as alone:  # but for helpers that other tests have left
        pass
    assert 50_000_000 < (beside.highest - beside.before) - (alone.highest - alone.before) < 120_000_000


def test_a_helpers_time_counts_as_ones_own(helper: subprocess.Popen[bytes]) -> None:
    beside = timing.own_seconds() - time.process_time()
    helper.communicate()
    alone = timing.own_seconds() - time.process_time()
    assert 0.2 < beside - alone < 2
