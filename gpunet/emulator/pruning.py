"""Keeps the cache of runtimes and compiled kernels below a size, by giving up what was not used for longest.

Every emulated process holds a shared lock on the cache from the time when it loads the runtime to its end
(``cache_is_kept`` in ``runtime/compilation.cpp``): what it has found there it may load at any time. Pruning wants the
lock for itself alone and otherwise leaves the cache as it is, until a run that begins when no other is under way. A run
that has looked for its runtime and not loaded it yet is protected by the age that entries must have.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gpunet.emulator.sizes import number_of_bytes
from gpunet.errors import BackendError

LIMIT_VARIABLE = "GPUNET_EMULATOR_CACHE_LIMIT"
DEFAULT_LIMIT = 2 * 1024**3  # bytes: some twenty versions of gpunet's own kernels, each with its checks
_YOUNG = 600  # seconds since its last use in which an entry is never given up; a run takes a few to begin
_ABANDONED = 86400  # seconds after which what was being written is taken for left behind


@dataclass(frozen=True)
class Entry:
    """What is given up as a whole: a kernel, a folder with a precompiled header, or a runtime.

    path: the file or folder. size: in bytes. used: when it was used last, in seconds as `time.time` counts.
    """

    path: Path
    size: int
    used: float


def lock_file(cache: Path) -> Path:
    """What running programs share a lock on."""
    return cache / "in-use.lock"


def cache_limit(environment: Mapping[str, str] = os.environ) -> int:
    """The bytes that the cache may have.

    Raises:
        BackendError: the variable for it is no size.
    """
    text = environment.get(LIMIT_VARIABLE)
    if not text:
        return DEFAULT_LIMIT
    try:
        return number_of_bytes(text)
    except ValueError as error:
        raise BackendError(f"{LIMIT_VARIABLE}: {error}. Set another, or unset it") from None


def prune(cache: Path, limit: int) -> list[Path]:
    """Give up the entries that were not used for longest, until the rest has at most ``limit`` bytes.

    Args:
        cache: the folder of the cache.
        limit: in bytes.

    Returns:
        what was given up; nothing while an emulated program runs, or where the lock cannot be had for another reason.
    """
    try:
        with lock_file(cache).open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return _prune_alone(cache, limit, time.time())
    except OSError:  # held by a running program; or the file system has no locks, or nothing can be deleted
        return []


def _prune_alone(cache: Path, limit: int, now: float) -> list[Path]:
    for left in _abandoned(cache, now):
        _remove(left)
    entries = sorted(_entries(cache), key=lambda entry: entry.used)
    total = sum(entry.size for entry in entries)
    removed = []
    for entry in entries:
        if total <= limit or now - entry.used < _YOUNG:
            break
        _remove(entry.path)
        removed.append(entry.path)
        total -= entry.size
    return removed


def _entries(cache: Path) -> Iterator[Entry]:
    for kernel in cache.glob("compiled/*/kernels/*/*.so"):
        with suppress(FileNotFoundError):
            status = kernel.stat()
            yield Entry(kernel, status.st_size, status.st_mtime)
    for header in cache.glob("compiled/*/headers/*/"):
        # The runtime marks the compiled header, which is what it reads; a folder without one was left by a failure.
        with suppress(FileNotFoundError):
            compiled = header / "prefix.h.gch"
            used = (compiled if compiled.exists() else header).stat().st_mtime
            yield Entry(header, _size(header), used)
    for runtime in cache.glob("runtime/[!.]*/"):
        with suppress(FileNotFoundError):
            yield Entry(runtime, _size(runtime), runtime.stat().st_mtime)


def _abandoned(cache: Path, now: float) -> Iterator[Path]:
    """What processes that were killed have left half written."""
    for pattern in ("compiled/**/*.tmp", "compiled/**/*.tmp.cpp", "runtime/.building-*"):
        for path in cache.glob(pattern):
            with suppress(FileNotFoundError):
                if now - path.stat().st_mtime > _ABANDONED:
                    yield path


def _size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
