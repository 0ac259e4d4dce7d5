"""The cache of the emulator stays below a size, and what a running program may need stays in it."""

import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gpunet.emulator.pruning import DEFAULT_LIMIT, cache_limit, lock_file, prune
from gpunet.errors import BackendError

NOW = time.time()
HOUR = 3600


def kept(path: Path, size: int, hours: float) -> Path:
    """A file of this many bytes that was used so many hours ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    os.utime(path, (NOW, NOW - hours * HOUR))
    return path


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """Four kernels, a precompiled header and a runtime, of 100 bytes each; the first was used last."""
    for number, name in enumerate(("aa/one", "aa/two", "bb/three", "bb/four"), 1):
        kept(tmp_path / "compiled" / "key" / "kernels" / f"{name}.so", 100, number)
    kept(tmp_path / "compiled" / "key" / "headers" / "old" / "prefix.h", 10, 500)
    kept(tmp_path / "compiled" / "key" / "headers" / "old" / "prefix.h.gch", 90, 2.5)  # is what is marked as used
    kept(tmp_path / "runtime" / "key" / "lib" / "runtime.so", 100, 700)
    os.utime(tmp_path / "runtime" / "key", (NOW, NOW - 3.5 * HOUR))
    return tmp_path


def names(removed: list[Path]) -> list[str]:
    return [path.stem for path in removed]


@pytest.mark.parametrize(
    ("limit", "wanted"),
    [
        (600, []),
        (599, ["four"]),
        (500, ["four"]),
        (450, ["four", "key"]),
        (300, ["four", "key", "three"]),
        (200, ["four", "key", "three", "old"]),
        (1, ["four", "key", "three", "old", "two", "one"]),
    ],
)
def test_what_was_not_used_for_longest_goes_first(cache: Path, limit: int, wanted: list[str]) -> None:
    removed = prune(cache, limit)
    assert names(removed) == wanted
    assert not any(path.exists() for path in removed)
    left = sum(path.stat().st_size for path in cache.rglob("*") if path.is_file())
    assert left == 600 - 100 * len(wanted)
    assert prune(cache, limit) == []


def test_what_was_used_a_moment_ago_stays(cache: Path) -> None:
    for path in (cache / "runtime" / "key", cache / "compiled" / "key" / "kernels" / "bb" / "four.so"):
        os.utime(path)
    assert names(prune(cache, 1)) == ["three", "old", "two", "one"]


def test_nothing_goes_while_a_program_runs(cache: Path) -> None:
    with lock_file(cache).open("a") as running:
        fcntl.flock(running, fcntl.LOCK_SH)
        assert prune(cache, 1) == []
    assert len(prune(cache, 1)) == 6


def test_many_processes_at_once(cache: Path) -> None:
    """One prunes, the others find the lock taken or nothing left to do."""
    program = "import sys, pathlib, gpunet.emulator.pruning as p; print(len(p.prune(pathlib.Path(sys.argv[1]), 300)))"
    root = str(Path(__file__).resolve().parents[2])
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, cache], env={**os.environ, "PYTHONPATH": root}, stdout=subprocess.PIPE
        )
        for _ in range(4)
    ]
    counts = [int(process.communicate()[0]) for process in processes]
    assert sorted(counts) == [0, 0, 0, 3]


def test_what_killed_processes_left_behind_goes(cache: Path) -> None:
    old = [
        kept(cache / "compiled" / "key" / "kernels" / "aa" / "one.so.7.0.tmp", 5, 30),
        kept(cache / "compiled" / "key" / "kernels" / "aa" / "one.so.7.0.tmp.cpp", 5, 30),
        kept(cache / "runtime" / ".building-x" / "a.o", 5, 30).parent,
    ]
    os.utime(old[2], (NOW, NOW - 30 * HOUR))
    new = kept(cache / "compiled" / "key" / "kernels" / "aa" / "two.so.8.0.tmp", 5, 1)
    assert prune(cache, 1000) == []
    assert not any(path.exists() for path in old)
    assert new.exists()


def test_a_cache_that_is_not_there(tmp_path: Path) -> None:
    assert prune(tmp_path / "absent", 1) == []


def test_the_limit() -> None:
    assert cache_limit({}) == cache_limit({"GPUNET_EMULATOR_CACHE_LIMIT": ""}) == DEFAULT_LIMIT == 2 * 2**30
    assert cache_limit({"GPUNET_EMULATOR_CACHE_LIMIT": "512M"}) == 512 * 2**20
    for text in ("much", "0", "-1G", "1.5G"):
        with pytest.raises(BackendError, match="GPUNET_EMULATOR_CACHE_LIMIT: wanted a size such as 512M or 8G, got"):
            cache_limit({"GPUNET_EMULATOR_CACHE_LIMIT": text})
