"""A folder of images, one sub-folder a class, read with Pillow."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpunet.data.checks import as_integer
from gpunet.data.dataset import Dataset, stratified_split
from gpunet.errors import DataError
from gpunet.geometry import Pair
from gpunet.installation import install_command

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm")
SPLIT_SEED = 0  # of the split of a folder without train/ and test/: fixed, so that all runs are judged alike
_GREY_MODES = {"1", "L", "LA", "La"}
_DEEP_MODES = ("I", "F")  # Pillow clips these to 255 on conversion instead of scaling them


def read(
    folder: Path, name: str, image_size: int | Pair | None = None, channels: int | None = None
) -> tuple[Dataset, Dataset]:
    """The training and the test set of a folder, all images in memory as uint8.

    With sub-folders train/ and test/ (or val/) these hold the classes; else the classes are split, a stratified 80 to
    20 by a fixed seed. Classes are sorted by name; hidden entries and files that are no images by their suffix are
    passed by.

    Args:
        folder: holds the sub-folders.
        name: of the datasets.
        image_size: every image is resized to it (an int for a square, or rows and columns), by bilinear interpolation
            and without regard to its proportions. None demands that all have one size.
        channels: 1 for grey, 3 for RGB; None takes 1 if every image is grey.

    Raises:
        DataError: no classes, a class without images, an image that cannot be read or has another size, a class that
            only the test set has, or Pillow is not installed.
    """
    _pillow()
    size = _as_size(image_size)
    if channels not in {None, 1, 3}:
        raise DataError(f"{folder}: channels must be 1 (grey), 3 (RGB) or None, got {channels!r}.")
    train_folder = folder / "train"
    if not train_folder.is_dir():
        return stratified_split(_read_split(folder, name, _classes(folder), size, channels), 0.2, SPLIT_SEED)
    classes = _classes(train_folder)
    test_folder = next((path for path in (folder / "test", folder / "val") if path.is_dir()), None)
    if test_folder is None:
        return stratified_split(_read_split(train_folder, name, classes, size, channels), 0.2, SPLIT_SEED)
    strange = [path.name for path in _sub_folders(test_folder) if path.name not in classes]
    if strange:
        raise DataError(
            f"{test_folder / strange[0]}: a class that {train_folder} does not have, wanted the same classes."
        )
    train = _read_split(train_folder, name, classes, size, channels)
    test = _read_split(test_folder, name, classes, size or train.sample_shape[1:], train.sample_shape[0], bool(size))
    if len(test) == 0:
        raise DataError(f"{test_folder}: holds no images, wanted at least one. Remove it to split the training images.")
    return train, Dataset(test.images, test.labels, classes, name, train.mean, train.std)


def read_image(path: Any, image_size: int | Pair | None = None, channels: int = 3) -> NDArray[np.uint8]:
    """One image file, turned upright as its EXIF data say.

    Args:
        path: of the file.
        image_size: rows and columns to resize to, or an int for a square; None keeps the size.
        channels: 1 for grey, 3 for RGB.

    Returns:
        (channels, H, W).

    Raises:
        DataError: not an image, truncated, more than 8 bits a channel, or Pillow is not installed.
    """
    size = _as_size(image_size)
    with _opened(Path(path)) as image:
        upright = _pillow().ImageOps.exif_transpose(image).convert("L" if channels == 1 else "RGB")
        if size is not None and upright.size != (size[1], size[0]):
            upright = upright.resize((size[1], size[0]), _pillow().Image.Resampling.BILINEAR)
        pixels = np.asarray(upright, np.uint8)
    return pixels[None] if channels == 1 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _read_split(
    folder: Path, name: str, classes: list[str], size: Pair | None, channels: int | None, resize: bool = True
) -> Dataset:
    """All images below ``folder``; with ``resize`` False an image of another ``size`` is an error."""
    files = [(path, label) for label, class_name in enumerate(classes) for path in _images(folder / class_name)]
    if channels is None:
        channels = 1 if all(_is_grey(path) for path, _ in files) else 3
    stack: NDArray[np.uint8] | None = None
    for position, (path, _) in enumerate(files):
        pixels = read_image(path, size if resize else None, channels)
        if stack is None:
            height, width = size or (pixels.shape[1], pixels.shape[2])
            stack = np.empty((len(files), channels, height, width), np.uint8)
        if pixels.shape[1:] != stack.shape[2:]:
            raise DataError(
                f"{path}: is {pixels.shape[1]}x{pixels.shape[2]} but the images before it are"
                f" {stack.shape[2]}x{stack.shape[3]}, wanted one size. Give image_size to resize them all."
            )
        stack[position] = pixels
    if stack is None:
        stack = np.empty((0, channels, *(size or (1, 1))), np.uint8)
    return Dataset(stack, np.array([label for _, label in files], np.int64), classes, name)


def _classes(folder: Path) -> list[str]:
    sub_folders = _sub_folders(folder)
    if len(sub_folders) < 2:
        found = ", ".join(path.name for path in sub_folders) or "none"
        raise DataError(
            f"{folder}: wanted one sub-folder of images for each class, at least two, found {found}."
            " Point at the folder that holds the class folders."
        )
    for path in sub_folders:
        if not _images(path):
            raise DataError(
                f"{path}: holds no images ({', '.join(SUFFIXES)}), wanted at least one a class. Fill it or remove it."
            )
    return [path.name for path in sub_folders]


def _sub_folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _images(folder: Path) -> list[Path]:
    """Image files at any depth, in an order that does not depend on the file system."""
    found = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(place, name) for name in files if name.lower().endswith(SUFFIXES) and not name.startswith(".")]
    return sorted(found, key=lambda path: path.relative_to(folder).parts)


def _is_grey(path: Path) -> bool:
    with _opened(path) as image:
        return image.mode in _GREY_MODES


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """An open Pillow image; what goes wrong inside the block is a `DataError` that names the file."""
    library = _pillow()
    try:
        with library.Image.open(path) as image:
            if image.mode.startswith(_DEEP_MODES):
                raise DataError(f"{path}: has more than 8 bits a channel (mode {image.mode}). Convert it to 8 bits.")
            yield image
    except DataError:
        raise
    except FileNotFoundError:
        raise DataError(f"{path}: no such file.") from None
    # Pillow's readers raise whatever their parsing of a damaged file runs into.
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, OverflowError) as error:
        raise DataError(
            f"{path}: cannot be read as an image ({type(error).__name__}: {error}). Repair it or remove it."
        ) from None
    except library.Image.DecompressionBombError as error:
        raise DataError(f"{path}: {error} Make it smaller.") from None


def _as_size(image_size: Any) -> Pair | None:
    if image_size is None:
        return None
    sizes = tuple(image_size) if isinstance(image_size, (tuple, list)) else (image_size, image_size)
    if len(sizes) != 2:
        raise DataError(f"image_size must be an integer or (rows, columns), got {image_size!r}.")
    return as_integer(sizes[0], "image_size", 1), as_integer(sizes[1], "image_size", 1)


def _pillow() -> Any:
    """Pillow, with the two modules used here loaded."""
    try:
        import PIL
        import PIL.Image
        import PIL.ImageOps
    except ImportError:
        raise DataError(f"reading images needs Pillow. Install it with: {install_command('data')}") from None
    return PIL
