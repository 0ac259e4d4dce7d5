"""Small files in the real formats of the data sets, written by the tests themselves."""

import gzip
import io
import struct
import tarfile
from pathlib import Path

import numpy as np

IDX_STEMS = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def idx_bytes(array: np.ndarray) -> bytes:
    """An IDX file of unsigned bytes."""
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


def pixels(count: int, *shape: int, start: int = 0) -> np.ndarray:
    """Images that differ from each other in every pixel."""
    return ((np.arange(count * int(np.prod(shape))) * 7 + start) % 251).astype(np.uint8).reshape(count, *shape)


def write_idx_set(folder: Path, train: int = 6, test: int = 4, size: int = 5, start: int = 0, gzipped: bool = True):
    """The four files of an MNIST-like set in ``folder``; returns the four arrays."""
    arrays = (
        pixels(train, size, size, start=start),
        (np.arange(train) % 10).astype(np.uint8),
        pixels(test, size, size, start=start + 50),
        (np.arange(test) % 10).astype(np.uint8),
    )
    folder.mkdir(parents=True, exist_ok=True)
    for stem, array in zip(IDX_STEMS, arrays, strict=True):
        content = idx_bytes(array)
        if gzipped:
            (folder / f"{stem}.gz").write_bytes(gzip.compress(content, mtime=0))
        else:
            (folder / stem).write_bytes(content)
    return arrays


def cifar_bytes(images: np.ndarray, *labels: np.ndarray) -> bytes:
    """Records of one byte from each array of labels, then the pixels."""
    rows = [column.astype(np.uint8)[:, None] for column in labels] + [images.reshape(len(images), -1)]
    return np.concatenate(rows, axis=1).tobytes()


def write_cifar10(folder: Path, count: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Five training files and the test file, ``count`` records each; returns all images and labels, the test last."""
    folder.mkdir(parents=True, exist_ok=True)
    images = pixels(6 * count, 3, 32, 32)
    labels = (np.arange(6 * count) * 3 % 10).astype(np.uint8)
    for number, name in enumerate([*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]):
        part = slice(number * count, (number + 1) * count)
        (folder / name).write_bytes(cifar_bytes(images[part], labels[part]))
    return images, labels


def write_cifar100(folder: Path, count: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """train.bin and test.bin with ``count`` records each; returns all images and fine labels, the test last."""
    folder.mkdir(parents=True, exist_ok=True)
    images = pixels(2 * count, 3, 32, 32, start=9)
    fine = (np.arange(2 * count) * 13 % 100).astype(np.uint8)
    coarse = (np.arange(2 * count) % 20).astype(np.uint8)
    for number, name in enumerate(["train.bin", "test.bin"]):
        part = slice(number * count, (number + 1) * count)
        (folder / name).write_bytes(cifar_bytes(images[part], coarse[part], fine[part]))
    return images, fine


def tar_bytes(members: dict[str, bytes]) -> bytes:
    """A gzipped tar archive, the same bytes for the same members."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return gzip.compress(raw.getvalue(), mtime=0)


def write_archive(path: Path, folder: Path, prefix: str) -> None:
    """Pack the files of ``folder`` as the published archives are: one folder named ``prefix``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(tar_bytes({f"{prefix}/{file.name}": file.read_bytes() for file in sorted(folder.iterdir())}))
