"""Fetching files with pooch, each checked against its SHA-256 before it gets its name."""

from __future__ import annotations

import sys
from pathlib import Path

from gpunet.data.catalog import Published, RemoteFile
from gpunet.errors import DataError
from gpunet.installation import install_command


def fetch(dataset: Published, folder: Path) -> None:
    """Fetch what ``folder`` lacks of ``dataset``; a file that is there and has the right hash is not fetched again.

    Raises:
        DataError: pooch is not installed, no address answered, the bytes were not the wanted ones, or the folder cannot
            be written. Nothing incomplete is left under a file's name.
    """
    for remote in dataset.files:
        fetch_file(remote, folder)


def fetch_file(remote: RemoteFile, folder: Path) -> Path:
    """Fetch one file into ``folder``, trying its addresses in order; see `fetch`."""
    try:
        import pooch
    except ImportError:
        raise DataError(
            f"{remote.filename}: downloading needs pooch. Install it with: {install_command('data')}, or fetch"
            f" {remote.urls[0]} into {folder} by hand."
        ) from None
    # A bar for people who wait; a log file does not want one.
    downloader = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), chunk_size=1 << 18)
    failures = []
    for url in remote.urls:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path = pooch.retrieve(
                url, known_hash=f"sha256:{remote.sha256}", fname=remote.filename, path=folder, downloader=downloader
            )
        except ValueError as error:  # pooch found another hash
            failures.append(f"{url}: {_one_line(error)}")
        except OSError as error:
            # What goes wrong on the wire is an OSError too, but only the file system gives it a number.
            if error.errno is None and not isinstance(error, PermissionError):
                failures.append(f"{url}: {_one_line(error)}")
                continue
            raise DataError(
                f"{remote.filename}: cannot be written to {folder} ({error.strerror or error})."
                " Make room or make it writable, or set $GPUNET_DATA to a folder that holds the data set."
            ) from None
        else:
            return Path(path)
    raise DataError(
        f"{remote.filename}: the download failed, wanted SHA-256 {remote.sha256} ({'; '.join(failures)})."
        f" Try again, or fetch the file by hand into {folder}."
    )


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
