import gzip
import hashlib
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpunet.data import digits, load
from gpunet.errors import DataError

# The first line of the published optdigits.tes, a 0.
FIRST = """
     0  0  5 13  9  1  0  0
     0  0 13 15 10 15  5  0
     0  3 15  2  0 11  8  0
     0  4 12  0  0  8  8  0
     0  5  8  0  0  9  8  0
     0  4 11  0  1 12  7  0
     0  2 14  5 10 12  0  0
     0  0  6 13 10  0  0  0
"""
TEXT_SHA256 = "6ebb3d2fee246a4e99363262ddf8a00a3c41bee6014c373ed9d9216ba7f651b8"
TEST_SHA256 = "9f50c4cdb24ff033eb69c7a02b1eee81c0e370239be1c919594b1c7f8fd01174"
PER_CLASS = [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]  # as UCI's description counts them


def originals():
    train, test = digits.read((8, 8))
    return np.concatenate([train.images, test.images]), np.concatenate([train.labels, test.labels])


def test_the_bundled_files():
    files = sorted(digits.BUNDLED.iterdir())
    assert sum(file.stat().st_size for file in files) < 60_000
    text = (digits.BUNDLED / "digits.md").read_text(encoding="utf-8")
    for fact in ("Alpaydin", "Kaynak", "1998", "UCI", "CC BY 4.0", "https://doi.org/10.24432/C50P49", "Changes"):
        assert fact in text
    content = [gzip.decompress(file.read_bytes()) for file in files if file.suffix == ".gz"]
    rows = np.frombuffer(content[0], np.uint8, offset=16).reshape(1797, 64)
    labels = np.frombuffer(content[1], np.uint8, offset=8)
    assert rows[0].tolist() == [int(value) for value in FIRST.split()]
    assert labels[:12].tolist() == [*range(10), 0, 1]
    assert rows.max() == 16
    assert np.bincount(labels).tolist() == PER_CLASS
    # Written out again as UCI's text, one line a digit: the hash of scikit-learn's copy, uncompressed.
    lines = "".join(",".join(map(str, [*row, label])) + "\n" for row, label in zip(rows.tolist(), labels, strict=True))
    assert hashlib.sha256(lines.encode()).hexdigest() == TEXT_SHA256


def test_digits():
    train, test = load("digits")
    assert train.sample_shape == (1, 28, 28)
    assert train.images.dtype == np.uint8
    assert train.class_names == tuple("0123456789")
    assert train.name == "digits"
    assert (len(train), len(test)) == (1438, 359)
    assert np.bincount(train.labels).tolist() == [count - round(count / 5) for count in PER_CLASS]
    assert np.bincount(test.labels).tolist() == [round(count / 5) for count in PER_CLASS]
    assert np.array_equal(test.mean, train.mean)
    assert train.images.min() == 0
    assert train.images.max() == 255


def test_the_split_is_always_the_same_and_loses_nothing():
    first, second = load("digits"), load("digits")
    for one, other in zip(first, second, strict=True):
        assert np.array_equal(one.images, other.images)
        assert np.array_equal(one.labels, other.labels)
    # Pinned, because every accuracy in the README is measured on this very split.
    assert (
        hashlib.sha256(first[1].images.tobytes() + first[1].labels.astype(np.uint8).tobytes()).hexdigest()
        == TEST_SHA256
    )
    images, labels = originals()
    assert np.bincount(labels).tolist() == PER_CLASS
    assert len(np.unique(images.reshape(len(images), -1), axis=0)) > 1700


def test_at_its_own_size_only_the_scale_changes():
    images, _ = originals()
    sixteenths = set(np.unique(images).tolist())
    assert sixteenths == {(255 * level + 8) // 16 for level in range(17)}


@settings(max_examples=40)
@given(
    st.integers(1, 6),
    st.integers(1, 6),
    st.integers(0, 9),
    st.integers(0, 9),
    st.integers(0, 2**32 - 1),
)
def test_enlarging_is_bilinear_and_exact(height, width, more_rows, more_columns, seed):
    rows, columns = height + more_rows, width + more_columns
    pixels = np.random.default_rng(seed).integers(0, 17, (2, height, width), np.uint8)
    got = digits.enlarge(pixels, (rows, columns), 16)
    assert got.shape == (2, rows, columns)

    def neighbours(place, length, new_length):
        middle = Fraction(2 * place + 1, 2) * length / new_length - Fraction(1, 2)
        middle = min(max(middle, Fraction(0)), Fraction(length - 1))
        low = int(middle)
        return [(low, 1 - (middle - low)), (min(low + 1, length - 1), middle - low)]

    for row in range(rows):
        for column in range(columns):
            for sample in range(2):
                value = sum(
                    int(pixels[sample, r, c]) * row_weight * column_weight
                    for r, row_weight in neighbours(row, height, rows)
                    for c, column_weight in neighbours(column, width, columns)
                )
                assert got[sample, row, column] == int(value * 255 / 16 + Fraction(1, 2))


def test_a_flat_image_stays_flat():
    for level in range(17):
        got = digits.enlarge(np.full((1, 8, 8), level, np.uint8), (28, 28), 16)
        assert np.unique(got).tolist() == [(255 * level + 8) // 16]


def test_a_damaged_bundle_is_an_error(monkeypatch, tmp_path):
    monkeypatch.setattr(digits, "BUNDLED", tmp_path)
    with pytest.raises(DataError, match=r"digits-images-idx3-ubyte.gz: cannot be read"):
        digits.read()
