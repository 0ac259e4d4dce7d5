"""The binary version of CIFAR-10 and CIFAR-100: records of label bytes and 3072 pixel bytes, nothing between them.

The files are read from a folder or straight from the archive as downloaded. The "python version" holds pickles, which
can run any code when loaded, so it is refused.

Source: Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009; https://www.cs.toronto.edu/~kriz/cifar.html
"""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from gpunet.data.dataset import Dataset
from gpunet.data.idx import check_labels
from gpunet.errors import DataError

_PIXELS = 3 * 32 * 32


@dataclass(frozen=True, slots=True)
class CifarLayout:
    """Where the files of one of the two sets are and what a record looks like.

    Attributes:
        name: of the set.
        archive: of the binary version, as downloaded.
        folder: that the archive unpacks to.
        train_files, test_file: in that folder.
        label_bytes: before the pixels; the last of them is the class (in CIFAR-100 the first is the coarse class).
        records: how many a file of the published set holds, by its place in ``train_files + test_file``.
        pickled_folder, pickled_files: what shows that the python version lies there instead.
    """

    name: str
    archive: str
    folder: str
    train_files: tuple[str, ...]
    test_file: str
    label_bytes: int
    records: tuple[int, ...]
    pickled_folder: str
    pickled_files: tuple[str, ...]

    @property
    def files(self) -> tuple[str, ...]:
        """All files, the test file last."""
        return (*self.train_files, self.test_file)

    def missing(self, folder: Path) -> list[str]:
        """Which files are neither in ``folder``, nor in its sub-folder, nor there as the archive."""
        if self._archive_in(folder) is not None:
            return []
        lists = [[name for name in self.files if not (place / name).is_file()] for place in self._places(folder)]
        return min(lists, key=len)

    def only_pickled(self, folder: Path) -> str | None:
        """What of the python version lies in ``folder``, if the binary version does not."""
        if not self.missing(folder):
            return None
        if (folder / self.pickled_folder).is_dir():
            return self.pickled_folder
        return next((name for name in self.pickled_files if (folder / name).is_file()), None)

    def read(self, folder: Path, name: str, class_names: Sequence[str], published: bool) -> tuple[Dataset, Dataset]:
        """The training and the test set, images (N, 3, 32, 32).

        Args:
            folder: `missing` finds nothing missing in it.
            name, class_names: of the datasets.
            published: demand the number of records that the published files have, which finds a file cut between two
                records.

        Raises:
            DataError: a damaged or foreign file, or a label out of range.
        """
        contents, sources = self._contents(folder)
        parts = []
        for file, records in zip(self.files, self.records, strict=True):
            parts.append(self._parse(contents[file], sources[file], len(class_names), records if published else None))
        images = np.concatenate([part[0] for part in parts[:-1]])
        labels = np.concatenate([part[1] for part in parts[:-1]])
        train = Dataset(images, labels, class_names, name)
        test_images, test_labels = parts[-1]
        return train, Dataset(test_images, test_labels, class_names, name, train.mean, train.std)

    def _parse(
        self, content: bytes, source: str, num_classes: int, records: int | None
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        record = self.label_bytes + _PIXELS
        count, rest = divmod(len(content), record)
        wanted = f"{records} records of {record} bytes" if records else f"whole records of {record} bytes"
        if rest or count == 0 or (records is not None and count != records):
            raise DataError(
                f"{source}: holds {len(content)} bytes, which is {count} records and {rest} bytes, wanted {wanted}"
                f" ({self.name}, binary version). The file is truncated or foreign; fetch it again."
            )
        rows = np.frombuffer(content, np.uint8).reshape(count, record)
        labels = rows[:, self.label_bytes - 1]
        check_labels(source, labels, num_classes)
        return rows[:, self.label_bytes :].reshape(count, 3, 32, 32), labels

    def _places(self, folder: Path) -> tuple[Path, Path]:
        return folder, folder / self.folder

    def _archive_in(self, folder: Path) -> Path | None:
        path = folder / self.archive
        return path if path.is_file() else None

    def _contents(self, folder: Path) -> tuple[dict[str, bytes], dict[str, str]]:
        """Bytes and printable origin of each file; unpacked files go before the archive."""
        for place in self._places(folder):
            paths = {name: place / name for name in self.files}
            if all(path.is_file() for path in paths.values()):
                return {name: _read(path) for name, path in paths.items()}, {n: str(p) for n, p in paths.items()}
        archive = self._archive_in(folder)
        assert archive is not None
        contents = self._unpacked(archive)
        return contents, {name: f"{name} in {archive}" for name in contents}

    def _unpacked(self, archive: Path) -> dict[str, bytes]:
        """The files of an archive, read into memory: nothing is written, so no member can choose a path."""
        contents: dict[str, bytes] = {}
        try:
            with gzip.open(archive) as unzipped:
                with tarfile.open(fileobj=unzipped, mode="r|") as tar:
                    for member in tar:
                        name = PurePosixPath(member.name).name
                        stream = tar.extractfile(member) if name in self.files and member.isfile() else None
                        if stream is not None:
                            contents[name] = stream.read()
                unzipped.read()  # to the very end, where gzip compares its checksum
        except (tarfile.TarError, EOFError, zlib.error) as error:
            raise DataError(f"{archive}: is truncated or no tar archive ({error}). Fetch it again.") from None
        except OSError as error:  # BadGzipFile is one
            raise DataError(f"{archive}: cannot be read ({error.strerror or error}). Fetch it again.") from None
        absent = [name for name in self.files if name not in contents]
        if absent:
            raise DataError(f"{archive}: has no {absent[0]}, wanted the binary version of {self.name}.")
        return contents


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}).") from None


CIFAR10 = CifarLayout(
    name="CIFAR-10",
    archive="cifar-10-binary.tar.gz",
    folder="cifar-10-batches-bin",
    train_files=tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
    test_file="test_batch.bin",
    label_bytes=1,
    records=(10_000,) * 6,
    pickled_folder="cifar-10-batches-py",
    pickled_files=("cifar-10-python.tar.gz", "data_batch_1"),
)
CIFAR100 = CifarLayout(
    name="CIFAR-100",
    archive="cifar-100-binary.tar.gz",
    folder="cifar-100-binary",
    train_files=("train.bin",),
    test_file="test.bin",
    label_bytes=2,
    records=(50_000, 10_000),
    pickled_folder="cifar-100-python",
    pickled_files=("cifar-100-python.tar.gz", "train"),
)
