import gzip
import struct

import numpy as np
import pytest
from data_files import IDX_STEMS, idx_bytes, pixels, write_idx_set
from hypothesis import given
from hypothesis import strategies as st

from gpunet.data import idx
from gpunet.errors import DataError

DIGITS = [str(digit) for digit in range(10)]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("idx")


@given(st.lists(st.integers(0, 5), min_size=1, max_size=3), st.booleans(), st.integers(0, 100))
def test_what_is_written_is_read(place, shape, gzipped, seed):
    array = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    path = place / "anything"  # the name says nothing about the content
    path.write_bytes(gzip.compress(idx_bytes(array)) if gzipped else idx_bytes(array))
    got = idx.read_idx(path, len(shape))
    assert got.dtype == np.uint8
    assert np.array_equal(got, array)
    assert got.shape == array.shape


@pytest.mark.parametrize("gzipped", [False, True])
def test_every_truncation_is_noticed(place, gzipped):
    whole = idx_bytes(pixels(2, 3, 3))
    content = gzip.compress(whole, mtime=0) if gzipped else whole
    path = place / "cut"
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(DataError) as caught:
            idx.read_idx(path, 3)
        assert str(caught.value).startswith(f"{path}: ")
        assert "\n" not in str(caught.value)


def test_every_flipped_byte_of_a_gzip_file_is_noticed_or_harmless(place):
    array = pixels(2, 3, 3)
    content = gzip.compress(idx_bytes(array), mtime=0)
    path = place / "flipped"
    noticed = 0
    for position in range(len(content)):
        damaged = bytearray(content)
        damaged[position] ^= 0xFF
        path.write_bytes(damaged)
        try:
            got = idx.read_idx(path, 3)
        except DataError:
            noticed += 1
        else:
            assert np.array_equal(got, array), position  # the time or the system in gzip's own header
    assert noticed > len(content) - 10


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", r"holds only 0 bytes, wanted an IDX file of unsigned bytes with 3 dimensions"),
        (idx_bytes(pixels(2, 3, 3)) + b"x", r"too long: holds 35 bytes, wanted 34 for the shape \(2, 3, 3\)"),
        (idx_bytes(pixels(4, 3)), r"begins with the bytes 00 00 08 02, wanted .* \(00 00 08 03\)"),
        (struct.pack(">BBBBIII", 0, 0, 0x0D, 3, 1, 1, 1) + bytes(4), r"00 00 0d 03"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), r"begins with the bytes 89 50 4e 47"),
        (b"<html><body>404</body></html>", r"begins with the bytes 3c 68 74 6d"),
        (struct.pack(">BBBBIII", 0, 0, 8, 3, 2**32 - 1, 2**32 - 1, 2**32 - 1), r"truncated: holds 16 bytes"),
        (b"\x1f\x8bnot gzip at all", r"gzip data are truncated or damaged"),
    ],
)
def test_foreign_files(place, content, said):
    path = place / "foreign"
    path.write_bytes(content)
    with pytest.raises(DataError, match=said):
        idx.read_idx(path, 3)


def test_labels_are_asked_for_with_one_dimension(place):
    path = place / "images"
    path.write_bytes(idx_bytes(pixels(2, 3, 3)))
    with pytest.raises(DataError, match=r"unsigned bytes with 1 dimension \(00 00 08 01\)"):
        idx.read_idx(path, 1)


def test_a_file_that_cannot_be_read(place):
    with pytest.raises(DataError, match=r"cannot be read \(No such file"):
        idx.read_idx(place / "absent", 1)
    with pytest.raises(DataError, match=r"cannot be read \(Is a directory"):
        idx.read_idx(place, 1)


@pytest.mark.parametrize("gzipped", [False, True])
def test_a_whole_set(tmp_path, gzipped):
    train_images, train_labels, test_images, test_labels = write_idx_set(tmp_path, gzipped=gzipped)
    assert idx.missing(tmp_path) == []
    train, test = idx.read(tmp_path, "some", DIGITS)
    assert np.array_equal(train.images, train_images[:, None])
    assert np.array_equal(train.labels, train_labels)
    assert np.array_equal(test.images, test_images[:, None])
    assert np.array_equal(test.labels, test_labels)
    assert train.class_names == test.class_names == tuple(DIGITS)
    assert (train.name, test.name) == ("some", "some")
    assert np.array_equal(test.mean, train.mean)
    assert np.array_equal(test.std, train.std)


def test_files_unpacked_with_a_dot_in_the_name(tmp_path):
    write_idx_set(tmp_path, gzipped=False)
    for stem in IDX_STEMS:
        (tmp_path / stem).rename(tmp_path / stem.replace("-idx", ".idx"))
    assert idx.missing(tmp_path) == []
    assert len(idx.read(tmp_path, "some", DIGITS)[0]) == 6


def test_classes_without_names_are_numbered(tmp_path):
    write_idx_set(tmp_path, train=3, test=7)
    train, test = idx.read(tmp_path, "some", None)
    assert train.class_names == test.class_names == ("0", "1", "2", "3", "4", "5", "6")


def test_missing_files_are_named(tmp_path):
    write_idx_set(tmp_path)
    (tmp_path / f"{IDX_STEMS[1]}.gz").unlink()
    assert idx.missing(tmp_path) == [IDX_STEMS[1]]


def spoil(folder, stem, array):
    (folder / f"{stem}.gz").write_bytes(gzip.compress(idx_bytes(array)))


@pytest.mark.parametrize(
    ("stem", "array", "said"),
    [
        (IDX_STEMS[1], np.zeros(5, np.uint8), r"holds 6 images but train-labels-idx1-ubyte.gz 5 labels"),
        (IDX_STEMS[3], np.zeros(40, np.uint8), r"t10k-images-idx3-ubyte.gz: holds 4 images .* 40 labels"),
        (IDX_STEMS[0], np.zeros((0, 5, 5), np.uint8), r"holds no images \(shape \(0, 5, 5\)\)"),
        (IDX_STEMS[0], np.zeros((6, 0, 5), np.uint8), r"holds no images"),
        (IDX_STEMS[2], np.zeros((4, 5, 6), np.uint8), r"training images are 5x5 but test images 5x6"),
        (IDX_STEMS[3], np.array([0, 1, 10, 3]), r"t10k-labels-idx1-ubyte.gz: label 10 of image 2 .* wanted 0 to 9"),
        (IDX_STEMS[1], np.array([0, 1, 2, 3, 4, 255]), r"train-labels-idx1-ubyte.gz: label 255 of image 5"),
        (IDX_STEMS[1], np.zeros((6, 1, 1)), r"train-labels-idx1-ubyte.gz: begins with the bytes 00 00 08 03"),
    ],
)
def test_files_that_do_not_fit_each_other(tmp_path, stem, array, said):
    write_idx_set(tmp_path)
    spoil(tmp_path, stem, array)
    with pytest.raises(DataError, match=said):
        idx.read(tmp_path, "some", DIGITS)
