"""Data sets by name or path."""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import Any

from gpunet.data import digits, download, folder, idx, locate
from gpunet.data.catalog import PUBLISHED, Published
from gpunet.data.dataset import Dataset
from gpunet.errors import DataError
from gpunet.geometry import Pair

_DIGITS = "digits"


def names() -> list[str]:
    """The names that `load` knows."""
    return [_DIGITS, *PUBLISHED]


def load(
    name_or_path: str | os.PathLike[str],
    path: str | os.PathLike[str] | None = None,
    *,
    image_size: int | Pair | None = None,
    channels: int | None = None,
    download: bool = True,
) -> tuple[Dataset, Dataset]:
    """The training and the test set of a data set, in memory.

    ``digits`` comes with gpunet. ``fashion-mnist``, ``mnist``, ``cifar10`` and ``cifar100`` are looked for in ``path``
    if it is given, else in ``$GPUNET_DATA``, the cache folder (`cache_folder`) and ``/usr/share/datasets``, each in a
    sub-folder of that name, and are then downloaded into the cache folder with pooch, checked by SHA-256. A path is a
    folder with IDX files, with CIFAR's binary files, or with one sub-folder of images a class, optionally under train/
    and test/; write ``./mnist`` for a folder that has the name of a set.

    Args:
        name_or_path: one of `names`, in any spelling with dashes, underscores or capitals, or a folder.
        path: of a named set, to look nowhere else.
        image_size: for a folder of images: resize to it; an int for a square, or rows and columns.
        channels: for a folder of images: 1 for grey, 3 for RGB; None takes 1 if all images are grey.
        download: False raises instead of fetching anything.

    Returns:
        two datasets; both carry the mean and std of the training set.

    Raises:
        DataError: an unknown name, files that are absent, damaged or foreign, or a failed download.
    """
    published = _named(name_or_path)
    if published is not None or _is_digits(name_or_path):
        if image_size is not None or channels is not None:
            raise DataError(
                f"{name_or_path}: image_size and channels are for a folder of images, not for a named data set."
            )
        if published is None:
            if path is not None:
                raise DataError(f"digits: is bundled with gpunet and takes no path, got {os.fspath(path)!r}.")
            return digits.read()
        return _read_published(published, _locate(published, path, download))
    if path is not None:
        raise DataError(f"{_unknown(name_or_path)} A path beside it needs one of these names.")
    return _read_folder(Path(name_or_path).expanduser(), image_size, channels)


def _key(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


def _is_digits(name: Any) -> bool:
    return isinstance(name, str) and _key(name) == _DIGITS


def _named(name: Any) -> Published | None:
    if not isinstance(name, str):
        return None
    return {_key(known): entry for known, entry in PUBLISHED.items()}.get(_key(name))


def _locate(dataset: Published, path: str | os.PathLike[str] | None, fetch: bool) -> Path:
    if path is not None:
        return locate.in_folder(dataset, Path(path).expanduser())
    found, searched = locate.search(dataset)
    if found is not None:
        return found
    cache = locate.cache_folder() / dataset.folders[0]
    places = ", ".join(str(root) for root in locate.roots())
    if not fetch:
        locate.refuse_pickles(dataset, searched)
        raise DataError(
            f"{dataset.name}: not in {places}, and download=False. Fetch {dataset.files[0].urls[0]}"
            f"{' and its companions' if len(dataset.files) > 1 else ''} into {cache}, or allow the download."
        )
    try:
        download.fetch(dataset, cache)
    except DataError as error:
        locate.refuse_pickles(dataset, searched)  # the likelier mistake, and one that the user can mend alone
        raise DataError(f"{dataset.name}: not in {places}. {error}") from None
    return cache


def _read_published(dataset: Published, place: Path) -> tuple[Dataset, Dataset]:
    if dataset.layout is None:
        return idx.read(place, dataset.name, dataset.class_names)
    return dataset.layout.read(place, dataset.name, dataset.class_names, published=True)


def _read_folder(place: Path, image_size: int | Pair | None, channels: int | None) -> tuple[Dataset, Dataset]:
    if not place.exists():
        raise DataError(_unknown(place))
    if not place.is_dir():
        raise DataError(f"{place}: is a file, wanted the folder that holds the data set.")
    name = place.resolve().name
    for entry in PUBLISHED.values():
        if locate.missing_files(entry, place):
            locate.refuse_pickles(entry, [place])
            continue
        if image_size is not None or channels is not None:
            raise DataError(f"{place}: image_size and channels are for a folder of images, and this one is not.")
        if entry.layout is None:
            return idx.read(place, name, None)
        return entry.layout.read(place, name, entry.class_names, published=False)
    present = [stem for stem in idx.STEMS if stem not in idx.missing(place)]
    if present:
        raise DataError(
            f"{place}: has {', '.join(present)} but no {', no '.join(idx.missing(place))}, wanted all four files."
        )
    return folder.read(place, name, image_size, channels)


def _unknown(name: Any) -> str:
    text = os.fspath(name)
    close = difflib.get_close_matches(str(text).lower(), names(), 1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return f"{text}: no such data set or folder, wanted a folder or one of {', '.join(names())}.{hint}"
