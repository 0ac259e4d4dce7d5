"""The IDX format of MNIST and its relatives: a header that gives type and sizes, then the bytes, plain or gzipped.

Source: LeCun, Cortes and Burges, "The MNIST database of handwritten digits", section on file formats.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpunet.data.dataset import Dataset
from gpunet.errors import DataError

_UNSIGNED_BYTE = 0x08
_GZIP_MAGIC = b"\x1f\x8b"
STEMS = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def read_idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """An IDX file of unsigned bytes; whether it is gzipped is seen from its content, not its name.

    Args:
        path: the file.
        dimensions: how many it must have: 3 for images, 1 for labels.

    Returns:
        a read-only array of the shape that the header gives.

    Raises:
        DataError: unreadable, truncated, longer than its header says, or not such a file.
    """
    content = _read(path)
    wanted = f"wanted an IDX file of unsigned bytes with {dimensions} dimension{'s' if dimensions > 1 else ''}"
    if len(content) < 4:
        raise DataError(f"{path}: holds only {len(content)} bytes, {wanted}. Fetch it again.")
    if content[:2] != b"\0\0" or content[2] != _UNSIGNED_BYTE or content[3] != dimensions:
        raise DataError(f"{path}: begins with the bytes {content[:4].hex(' ')}, {wanted} (00 00 08 0{dimensions}).")
    header = 4 + 4 * dimensions
    if len(content) < header:
        raise DataError(f"{path}: truncated in its header, at {len(content)} of {header} bytes. Fetch it again.")
    shape = struct.unpack(f">{dimensions}I", content[4:header])
    size = header + math.prod(shape)
    if len(content) != size:
        problem = "truncated" if len(content) < size else "too long"
        raise DataError(
            f"{path}: {problem}: holds {len(content)} bytes, wanted {size} for the shape {shape} in its header."
            " Fetch it again."
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def missing(folder: Path) -> list[str]:
    """Which of the four files are not there, plain or gzipped."""
    return [stem for stem in STEMS if _find(folder, stem) is None]


def read(folder: Path, name: str, class_names: Sequence[str] | None) -> tuple[Dataset, Dataset]:
    """The training and the test set of a folder with the four files, grey images as (N, 1, H, W).

    Args:
        folder: where the files are; `missing` finds none missing.
        name: of the datasets.
        class_names: None numbers the classes from 0 to the largest label.

    Raises:
        DataError: a damaged or foreign file, no images, unequal counts, or a label out of range.
    """
    train_images, train_labels = _read_pair(folder, STEMS[0], STEMS[1])
    test_images, test_labels = _read_pair(folder, STEMS[2], STEMS[3])
    if train_images.shape[1:] != test_images.shape[1:]:
        raise DataError(
            f"{folder}: training images are {train_images.shape[1]}x{train_images.shape[2]} but test images"
            f" {test_images.shape[1]}x{test_images.shape[2]}, wanted one size. The files are of two data sets."
        )
    if class_names is None:
        class_names = [str(label) for label in range(int(max(train_labels.max(), test_labels.max())) + 1)]
    for stem, labels in ((STEMS[1], train_labels), (STEMS[3], test_labels)):
        check_labels(_find(folder, stem), labels, len(class_names))
    train = Dataset(train_images[:, None], train_labels, class_names, name)
    return train, Dataset(test_images[:, None], test_labels, class_names, name, train.mean, train.std)


def check_labels(source: Any, labels: NDArray[np.uint8], num_classes: int) -> None:
    """Raise `DataError` naming ``source`` if a label is not below ``num_classes``."""
    if labels.max() >= num_classes:
        position = int(np.argmax(labels >= num_classes))
        raise DataError(
            f"{source}: label {labels[position]} of image {position} is out of range, wanted 0 to {num_classes - 1}."
            " The file is damaged or of another data set."
        )


def _read_pair(folder: Path, images_stem: str, labels_stem: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    images_path, labels_path = _find(folder, images_stem), _find(folder, labels_stem)
    assert images_path is not None
    assert labels_path is not None
    images, labels = read_idx(images_path, 3), read_idx(labels_path, 1)
    if images.size == 0:
        raise DataError(f"{images_path}: holds no images (shape {images.shape}), wanted at least one.")
    if len(images) != len(labels):
        raise DataError(
            f"{images_path}: holds {len(images)} images but {labels_path.name} {len(labels)} labels,"
            " wanted one label for each image."
        )
    return images, labels


def _find(folder: Path, stem: str) -> Path | None:
    for spelling in (stem, stem.replace("-idx", ".idx")):  # some unpackers turn the last dash into a dot
        for suffix in ("", ".gz"):
            path = folder / f"{spelling}{suffix}"
            if path.is_file():
                return path
    return None


def _read(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if content[:2] == _GZIP_MAGIC else content
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: the gzip data are truncated or damaged ({error}). Fetch the file again.") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}).") from None
