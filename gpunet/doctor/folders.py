"""Folders in which compiled kernels are kept."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class CacheFolder:
    """The state of a folder that may not exist yet.

    Attributes:
        path: of the folder.
        files, size: how many files it holds, and their bytes.
        refusal: why nothing can be written there; empty if it can.
    """

    path: Path
    files: int
    size: int
    refusal: str

    @classmethod
    def at(cls, path: Path) -> CacheFolder:
        """Look at a folder without creating it."""
        files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else []
        return cls(path, len(files), sum(_size(file) for file in files), _refusal(path))

    def __str__(self) -> str:
        content = f"{self.files} files, {self.size / 2**20:.1f} MiB" if self.files else "empty"
        return f"{self.path}: {content}"


def _refusal(path: Path) -> str:
    """Try to write into the folder, or into the one that it would be created in."""
    nearest = next((folder for folder in (path, *path.parents) if folder.exists()), path)
    if not nearest.is_dir():
        return f"{nearest} is no folder"
    try:
        with tempfile.TemporaryFile(dir=nearest):
            return ""
    except OSError as error:
        return f"{nearest}: {error.strerror or error}"


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:  # deleted meanwhile
        return 0
