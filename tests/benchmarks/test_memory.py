"""The peak of resident memory, as the system keeps it and as a thread finds it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

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
