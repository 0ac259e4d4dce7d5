"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from gpunet.errors import CheckpointError

_SUFFIX = ".partial"


def write_atomically(
    path: str | os.PathLike[str], content: bytes, flush: bool = True, flush_folder: bool = True
) -> None:
    """Replace the file ``path`` by ``content`` so that a reader or a crash meets the old file or the new, never a part.

    The bytes go to a temporary file in the same folder, which is flushed to the disk and renamed; then the folder is
    flushed, so that the rename, too, outlives a power cut.

    Args:
        path: of the file; its folder must exist.
        content: all of it.
        flush: wait until the disk has the bytes. Without it a crash of the machine, though not of this process, may
            leave less: for files that can be made again.
        flush_folder: wait until the disk has the rename; else a crash of the machine may bring back the old file.

    Raises:
        CheckpointError: it could not be written, as on a full disk; what was there before is there still.
    """
    target = Path(os.path.realpath(path))  # through a symbolic link: the link stays one
    temporary = target.with_name(f".{target.name}.{os.getpid()}{_SUFFIX}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            if flush:
                os.fsync(file.fileno())
        temporary.replace(target)
        if flush and flush_folder:
            _flush_folder(target.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise CheckpointError(
            f"{path}: could not be written: {error.strerror or error}. What was there before is unchanged; "
            f"make room or choose another folder, and go on from there."
        ) from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files that killed processes left in ``folder``; only the folder's one user may call this."""
    for path in folder.glob(f".*{_SUFFIX}"):
        path.unlink(missing_ok=True)


def _flush_folder(folder: Path) -> None:
    if os.name == "nt":
        return  # Windows opens no folders; its file system keeps the order of renames itself
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
