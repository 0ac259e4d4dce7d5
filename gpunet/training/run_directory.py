"""The folder in which a training keeps what is needed to evaluate, resume and repeat it."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gpunet._version import __version__
from gpunet.errors import CheckpointError
from gpunet.training.atomic_file import remove_leftovers, write_atomically
from gpunet.training.curves import draw_curves
from gpunet.training.history import History
from gpunet.training.toml_file import read_toml, to_toml, write_toml


class RunDirectory:
    """Names and writing of the files of a run.

    Attributes:
        path: of the folder.
        config: config.toml, the settings, and with which versions the run began.
        metrics: metrics.jsonl, one line an epoch.
        last, best: checkpoints; ``last`` has all to go on from, ``best`` the weights alone.
        curves: curves.png.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.config = self.path / "config.toml"
        self.metrics = self.path / "metrics.jsonl"
        self.last = self.path / "last.safetensors"
        self.best = self.path / "best.safetensors"
        self.curves = self.path / "curves.png"
        self._lock: Any = None

    @property
    def used(self) -> bool:
        """Whether a run has left something here."""
        return any(file.exists() for file in (self.config, self.metrics, self.last, self.best, self.curves))

    def open(self, resume: bool) -> None:
        """Make the folder and take it for this process, until `close`.

        Raises:
            CheckpointError: it is used and ``resume`` is False, another process trains in it, or it cannot be made.
        """
        if self.path.exists() and not self.path.is_dir():
            raise CheckpointError(f"{self.path}: is a file, wanted a folder for the run.")
        if self.used and not resume:
            raise CheckpointError(
                f"{self.path}: holds a run already. Continue it with resume=True (--resume), or choose another folder."
            )
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = _lock(self.path)
            remove_leftovers(self.path)
        except OSError as error:
            raise CheckpointError(f"{self.path}: cannot be used for a run: {error.strerror or error}.") from error

    def close(self) -> None:
        """Let other processes train here."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def write_config(self, settings: Mapping[str, Any], backend: str) -> None:
        """Write config.toml: the settings, then the versions of what computes; not if it has these settings already."""
        if self.config.exists():
            stored = read_toml(self.config)
            stored.pop("versions", None)
            if to_toml(stored) == to_toml(settings):
                return
        versions = {
            "gpunet": __version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "backend": backend,
        }
        write_toml(self.config, {**settings, "versions": versions})

    def read_metrics(self) -> History:
        """What metrics.jsonl says; nothing if it is not there.

        Raises:
            CheckpointError: it cannot be read, or a line of it is no record of an epoch.
        """
        if not self.metrics.exists():
            return History()
        try:
            return History.from_json_lines(self.metrics.read_text(encoding="utf-8"), self.metrics)
        except (OSError, UnicodeDecodeError, CheckpointError) as error:
            what = error if isinstance(error, CheckpointError) else f"{self.metrics}: cannot be read: {error}."
            raise CheckpointError(
                f"{what} The last checkpoint holds the metrics too: remove the file, and `gpunet train --run-dir "
                f"{self.path} --resume` writes it anew."
            ) from None

    def write_metrics(self, history: History) -> None:
        """Make metrics.jsonl say what ``history`` says: also back to it, after a crash or when a run is resumed."""
        content = history.to_json_lines().encode()
        if not self.metrics.exists() or self.metrics.read_bytes() != content:
            write_atomically(self.metrics, content, flush=False)  # a checkpoint has it all

    def write_curves(self, history: History) -> None:
        """Draw curves.png, if matplotlib is there."""
        picture = draw_curves(history)
        if picture is not None:
            write_atomically(self.curves, picture, flush=False)


def _lock(folder: Path) -> int | None:
    """A descriptor that keeps other processes out until it is closed, also by the death of this one."""
    try:
        import fcntl
    except ImportError:  # Windows has no such lock
        return None
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise CheckpointError(f"{folder}: another process is training in this folder.") from None
    except OSError:
        pass  # a network file system without locks: go on without one
    return descriptor
