"""Where the files of a published data set lie on this machine."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from gpunet.data import idx
from gpunet.data.catalog import Published
from gpunet.errors import DataError

SYSTEM_FOLDER = Path("/usr/share/datasets")  # Debian's packages put data sets there


def cache_folder() -> Path:
    """The folder of this user where downloaded data sets are kept; it need not exist yet."""
    try:
        import platformdirs
    except ImportError:
        # The same places, for those who put files there by hand and have no platformdirs.
        if sys.platform == "win32":
            base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
            return base / "gpunet" / "Cache" / "datasets"
        if sys.platform == "darwin":
            return Path.home() / "Library" / "Caches" / "gpunet" / "datasets"
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gpunet" / "datasets"
    return Path(platformdirs.user_cache_dir("gpunet", appauthor=False)) / "datasets"


def roots() -> list[Path]:
    """The folders of data sets, in the order in which they are searched.

    Raises:
        DataError: $GPUNET_DATA names something that is not a folder.
    """
    found = [cache_folder(), SYSTEM_FOLDER]
    own = os.environ.get("GPUNET_DATA")
    if own:
        path = Path(own).expanduser()
        if not path.is_dir():
            raise DataError(f"$GPUNET_DATA: {own} is not a folder. Create it, or unset the variable.")
        found.insert(0, path)
    return found


def missing_files(dataset: Published, folder: Path) -> list[str]:
    """Which files of ``dataset`` are not in ``folder``."""
    return idx.missing(folder) if dataset.layout is None else dataset.layout.missing(folder)


def in_folder(dataset: Published, folder: Path) -> Path:
    """The folder that holds the files: ``folder`` or one of the set's own sub-folders.

    Raises:
        DataError: with the files that are missing, or because only CIFAR's python version is there.
    """
    if not folder.is_dir():
        raise DataError(f"{dataset.name}: {folder} is not a folder, wanted the one that holds the data set.")
    candidates = [folder, *(folder / name for name in dataset.folders)]
    for candidate in candidates:
        if not missing_files(dataset, candidate):
            return candidate
    refuse_pickles(dataset, candidates)
    absent = missing_files(dataset, folder)
    first = dataset.files[0]
    raise DataError(
        f"{dataset.name}: {folder} has no {', no '.join(absent)}. Fetch {first.filename} from {first.urls[0]}, or leave"
        " the path out to search the usual places."
    )


def search(dataset: Published) -> tuple[Path | None, list[Path]]:
    """The first complete folder below `roots`, or None, and all folders that were looked into."""
    candidates = []
    for root in roots():
        candidates += [root / name for name in dataset.folders]
        if dataset.layout is not None:  # CIFAR's file names say which set they are, those of the IDX sets do not
            candidates.append(root)
    return next((place for place in candidates if not missing_files(dataset, place)), None), candidates


def refuse_pickles(dataset: Published, folders: list[Path]) -> None:
    """Raise `DataError` if one of ``folders`` holds CIFAR's python version instead of the binary one."""
    for folder in folders:
        pickled = dataset.layout.only_pickled(folder) if dataset.layout else None
        if pickled is not None:
            raise DataError(
                f"{folder / pickled}: is the python version of {dataset.name}, made of pickles, which are never loaded."
                f" Take the binary version, {dataset.files[0].urls[0]}"
            )
