import dataclasses
import gzip
import io
import tarfile

import numpy as np
import pytest
from data_files import tar_bytes, write_archive, write_cifar10, write_cifar100

from gpunet.data.cifar import CIFAR10, CIFAR100
from gpunet.errors import DataError

TEN = [f"class {number}" for number in range(10)]
HUNDRED = [f"class {number}" for number in range(100)]


def read(layout, folder, published=False):
    return layout.read(folder, "set", HUNDRED if layout is CIFAR100 else TEN, published)


def places(tmp_path, write, layout):
    """The same files unpacked, in the sub-folder that the archive unpacks to, and as the archive."""
    loose, nested, packed = tmp_path / "loose", tmp_path / "nested", tmp_path / "packed"
    images, labels = write(loose)
    write(nested / layout.folder)
    write_archive(packed / layout.archive, loose, layout.folder)
    return images, labels, (loose, nested, packed)


def test_cifar10(tmp_path):
    images, labels, folders = places(tmp_path, write_cifar10, CIFAR10)
    for folder in folders:
        assert CIFAR10.missing(folder) == []
        train, test = read(CIFAR10, folder)
        assert np.array_equal(train.images, images[:15])
        assert np.array_equal(train.labels, labels[:15])
        assert np.array_equal(test.images, images[15:])
        assert np.array_equal(test.labels, labels[15:])
        assert train.sample_shape == (3, 32, 32)
        assert train.class_names == tuple(TEN)
        assert np.array_equal(test.mean, train.mean)


def test_cifar100_takes_the_fine_label(tmp_path):
    images, labels, folders = places(tmp_path, write_cifar100, CIFAR100)
    for folder in folders:
        train, test = read(CIFAR100, folder)
        assert np.array_equal(train.images, images[:4])
        assert np.array_equal(train.labels, labels[:4])
        assert np.array_equal(test.images, images[4:])
        assert np.array_equal(test.labels, labels[4:])


def test_unpacked_files_go_before_the_archive(tmp_path):
    _, labels = write_cifar100(tmp_path)
    (tmp_path / CIFAR100.archive).write_bytes(b"damaged")
    assert np.array_equal(read(CIFAR100, tmp_path)[0].labels, labels[:4])


@pytest.mark.parametrize("change", [-1, 1, -3073, 3072])
def test_a_file_of_another_length(tmp_path, change):
    write_cifar10(tmp_path, count=1)
    path = tmp_path / "data_batch_3.bin"
    content = path.read_bytes()
    path.write_bytes(content[:change] if change < 0 else content + bytes(change))
    with pytest.raises(
        DataError, match=r"holds \d+ bytes, which is \d records and \d+ bytes, wanted whole records of 3073"
    ):
        read(CIFAR10, tmp_path)


def test_a_published_set_has_its_number_of_records(tmp_path):
    write_cifar10(tmp_path, count=1)
    with pytest.raises(DataError, match=r"data_batch_1.bin: .* wanted 10000 records of 3073 bytes \(CIFAR-10, binary"):
        read(CIFAR10, tmp_path, published=True)
    write_cifar100(tmp_path, count=1)
    with pytest.raises(DataError, match=r"train.bin: .* wanted 50000 records of 3074 bytes \(CIFAR-100, binary"):
        read(CIFAR100, tmp_path, published=True)


def test_a_set_of_the_published_size(tmp_path):
    assert (sum(CIFAR10.records[:-1]), CIFAR10.records[-1]) == (50_000, 10_000)
    assert (sum(CIFAR100.records[:-1]), CIFAR100.records[-1]) == (50_000, 10_000)
    write_cifar10(tmp_path, count=2)
    train, test = read(dataclasses.replace(CIFAR10, records=(2,) * 6), tmp_path, published=True)
    assert (len(train), len(test)) == (10, 2)


def test_a_label_out_of_range_is_named_with_its_file(tmp_path):
    write_cifar10(tmp_path)
    path = tmp_path / "test_batch.bin"
    content = bytearray(path.read_bytes())
    content[3073] = 10
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"test_batch.bin: label 10 of image 1 is out of range, wanted 0 to 9"):
        read(CIFAR10, tmp_path)


def test_what_is_missing(tmp_path):
    assert CIFAR10.missing(tmp_path) == list(CIFAR10.files)
    write_cifar10(tmp_path / CIFAR10.folder)
    (tmp_path / CIFAR10.folder / "data_batch_2.bin").unlink()
    assert CIFAR10.missing(tmp_path) == ["data_batch_2.bin"]


def test_a_file_that_cannot_be_read(tmp_path, monkeypatch):
    write_cifar100(tmp_path)

    def fail(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.read_bytes", fail)
    with pytest.raises(DataError, match=r"train.bin: cannot be read \(Permission denied\)"):
        read(CIFAR100, tmp_path)


@pytest.mark.parametrize(
    ("layout", "name"),
    [
        (CIFAR10, "cifar-10-batches-py/"),
        (CIFAR10, "cifar-10-python.tar.gz"),
        (CIFAR10, "data_batch_1"),
        (CIFAR100, "cifar-100-python/"),
        (CIFAR100, "cifar-100-python.tar.gz"),
        (CIFAR100, "train"),
    ],
)
def test_the_python_version_is_recognised(tmp_path, layout, name):
    assert layout.only_pickled(tmp_path) is None
    path = tmp_path / name
    path.mkdir() if name.endswith("/") else path.write_bytes(b"\x80\x02}q\x01")
    assert layout.only_pickled(tmp_path) == name.rstrip("/")
    (write_cifar10 if layout is CIFAR10 else write_cifar100)(tmp_path)
    assert layout.only_pickled(tmp_path) is None


def test_every_truncation_of_the_archive_is_noticed(tmp_path):
    write_cifar100(tmp_path / "loose", count=1)
    whole = tmp_path / "whole.tar.gz"
    write_archive(whole, tmp_path / "loose", CIFAR100.folder)
    content = whole.read_bytes()
    archive = tmp_path / CIFAR100.archive
    for length in [*range(0, len(content) - 8, 211), len(content) // 2]:
        archive.write_bytes(content[:length])
        with pytest.raises(DataError) as caught:
            read(CIFAR100, tmp_path)
        assert str(archive) in str(caught.value)


def test_a_damaged_archive(tmp_path):
    write_cifar100(tmp_path / "loose", count=1)
    archive = tmp_path / CIFAR100.archive
    write_archive(archive, tmp_path / "loose", CIFAR100.folder)
    content = bytearray(archive.read_bytes())
    content[-6] ^= 0xFF  # gzip's checksum
    archive.write_bytes(content)
    with pytest.raises(DataError, match=r"cifar-100-binary.tar.gz: cannot be read \(CRC check failed"):
        read(CIFAR100, tmp_path)
    archive.write_bytes(gzip.compress(b"no archive" * 100))
    with pytest.raises(DataError, match=r"is truncated or no tar archive"):
        read(CIFAR100, tmp_path)
    archive.write_bytes(b"no archive at all")
    with pytest.raises(DataError, match=r"cannot be read \(Not a gzipped file"):
        read(CIFAR100, tmp_path)


def test_an_archive_without_the_files(tmp_path):
    (tmp_path / CIFAR10.archive).write_bytes(tar_bytes({"cifar-10-batches-py/data_batch_1": b"x"}))
    with pytest.raises(DataError, match=r"has no data_batch_1.bin, wanted the binary version of CIFAR-10"):
        read(CIFAR10, tmp_path)


def test_an_archive_cannot_write_or_link_anywhere(tmp_path):
    write_cifar100(tmp_path / "loose", count=1)
    inside = tmp_path / "inside"
    inside.mkdir()
    content = {f"../../{name}": (tmp_path / "loose" / name).read_bytes() for name in CIFAR100.files}
    (inside / CIFAR100.archive).write_bytes(tar_bytes(content))
    before = sorted(tmp_path.rglob("*"))
    assert len(read(CIFAR100, inside)[0]) == 1
    assert sorted(tmp_path.rglob("*")) == before

    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as tar:
        for name in CIFAR100.files:
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
            tar.addfile(link)
    (inside / CIFAR100.archive).write_bytes(raw.getvalue())
    with pytest.raises(DataError, match=r"has no train.bin"):
        read(CIFAR100, inside)
