import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpunet.data import Dataset, stratified_split
from gpunet.errors import DataError


def make(count=6, channels=1, size=4, dtype="uint8", classes=3, **settings):
    images = (np.arange(count * channels * size * size) * 5 % 256).reshape(count, channels, size, size)
    return Dataset(images.astype(dtype), np.arange(count) % classes, [f"c{i}" for i in range(classes)], **settings)


def test_attributes():
    dataset = make(6, 2, 4, name="some")
    assert len(dataset) == 6
    assert dataset.sample_shape == (2, 4, 4)
    assert dataset.num_classes == 3
    assert dataset.class_names == ("c0", "c1", "c2")
    assert dataset.name == "some"
    assert dataset.labels.dtype == np.int64
    assert repr(dataset) == "Dataset('some', 6 images 2x4x4 uint8, 3 classes)"


def test_arrays_are_kept_without_copy():
    images, labels = np.zeros((2, 1, 3, 3), np.uint8), np.array([0, 1])
    dataset = Dataset(images, labels, "a b".split())
    assert dataset.images is images
    assert dataset.labels is labels


def test_one_image_and_iteration():
    dataset = make()
    image, label = dataset[4]
    assert np.array_equal(image, dataset.images[4])
    assert label == 1
    assert isinstance(label, int)
    assert dataset[-1][1] == 2
    assert dataset[np.int64(1)][1] == 1
    assert [label for _, label in dataset] == dataset.labels.tolist()
    with pytest.raises(IndexError):
        dataset[6]


@pytest.mark.parametrize(
    "index",
    [
        slice(1, 4),
        slice(None, None, -2),
        [3, 0, 3],
        np.array([5, 1]),
        np.array([True, False, True, False, False, True]),
        [],
    ],
)
def test_parts(index):
    dataset = make(name="whole")
    part = dataset[index]
    rows = np.arange(6)[index if len(np.atleast_1d(index)) else slice(0)]
    assert np.array_equal(part.images, dataset.images[rows])
    assert np.array_equal(part.labels, dataset.labels[rows])
    assert part.class_names == dataset.class_names
    assert part.name == "whole"
    assert np.array_equal(part.mean, dataset.mean)
    assert np.array_equal(part.std, dataset.std)


def test_a_part_of_nothing():
    empty = make()[:0]
    assert len(empty) == 0
    again = Dataset(empty.images, [], ["a"])[:0]
    assert len(again) == 0
    with pytest.raises(DataError, match=r"empty dataset has no mean"):
        again.mean  # noqa: B018
    with pytest.raises(DataError, match=r"empty dataset has no mean"):
        again.std  # noqa: B018


@pytest.mark.parametrize("index", [[6], [0, -7], np.ones(5, bool), np.array(3), [0.5], [[0, 1]], "x", True])
def test_an_index_that_does_not_fit(index):
    with pytest.raises(DataError, match=r"dataset 'six'.*index"):
        make(name="six")[index]


@given(
    st.integers(1, 40),
    st.integers(1, 3),
    st.integers(0, 2**32 - 1),
)
def test_statistics_of_uint8_are_exact(count, channels, seed):
    images = np.random.default_rng(seed).integers(0, 256, (count, channels, 3, 5), np.uint8)
    dataset = Dataset(images, np.zeros(count, int), ["one"])
    for channel in range(channels):
        values = [int(value) for value in images[:, channel].ravel()]
        mean = Fraction(sum(values), len(values) * 255)
        variance = Fraction(sum(v * v for v in values), len(values) * 255**2) - mean**2
        assert dataset.mean[channel] == float(mean)
        assert dataset.std[channel] == (math.sqrt(float(variance)) or 1.0)


def test_statistics_do_not_depend_on_blocks(monkeypatch):
    dataset = make(50, 3, 8)
    images = np.concatenate([dataset.images.astype("float32") / 8])
    whole, whole_float = dataset.mean, Dataset(images, dataset.labels, dataset.class_names)
    assert np.array_equal(whole_float.mean, images.astype("float64").mean(axis=(0, 2, 3)))  # eighths add up exactly
    monkeypatch.setattr("gpunet.data.dataset._ELEMENTS_AT_ONCE", 200)
    blocks = make(50, 3, 8)
    assert np.array_equal(blocks.mean, whole)
    assert np.array_equal(blocks.std, dataset.std)
    assert np.array_equal(Dataset(images, dataset.labels, dataset.class_names).mean, whole_float.mean)


def test_statistics_of_floats_survive_a_large_mean():
    images = np.full((4, 1, 2, 2), 10_000, np.float32)
    images[::2] += 1
    images[1::2] -= 1
    dataset = Dataset(images, [0, 0, 0, 0], ["one"])
    assert dataset.mean.tolist() == [10_000.0]
    assert dataset.std.tolist() == [1.0]


def test_std_can_be_asked_for_first_and_a_constant_channel_has_1():
    images = np.zeros((2, 2, 1, 1), np.uint8)
    images[1, 0] = 255
    dataset = Dataset(images, [0, 0], ["one"])
    assert dataset.std.tolist() == [0.5, 1.0]
    assert dataset.mean.tolist() == [0.5, 0.0]
    with pytest.raises(ValueError, match="read-only"):
        dataset.mean[0] = 1


def test_given_statistics_are_used():
    dataset = make(channels=3, mean=[0.1, 0.2, 0.3], std=0.5)
    assert dataset.mean.tolist() == [0.1, 0.2, 0.3]
    assert dataset.std.tolist() == [0.5, 0.5, 0.5]


@pytest.mark.parametrize(
    ("mean", "std", "said"),
    [
        ([0.1, 0.2], 1, r"mean must be 3 finite numbers"),
        (0, [1, 1], r"std must be 3 finite"),
        (math.nan, 1, r"mean must be 3 finite"),
        (0, math.inf, r"std must be 3 finite"),
        (0, [1, 0, 1], r"std must be above 0"),
        (0, -1, r"std must be above 0"),
        ("x", 1, r"mean must be 3 numbers"),
        (0.1, None, r"only one of them"),
        (None, 0.1, r"only one of them"),
    ],
)
def test_statistics_that_cannot_be(mean, std, said):
    with pytest.raises(DataError, match=said):
        make(channels=3, mean=mean, std=std)


GOOD = np.zeros((3, 1, 2, 2), np.uint8)


@pytest.mark.parametrize(
    ("images", "labels", "names", "said"),
    [
        (GOOD.tolist(), [0, 0, 0], ["a"], r"must be a NumPy array, got list"),
        (GOOD[:, 0], [0, 0, 0], ["a"], r"\(N, C, H, W\), got \(3, 2, 2\).*images\[:, None\]"),
        (GOOD[:, :, :0], [0, 0, 0], ["a"], r"got \(3, 1, 0, 2\)"),
        (GOOD.astype("float64"), [0, 0, 0], ["a"], r"uint8 or float32, got float64"),
        (GOOD.astype("int64"), [0, 0, 0], ["a"], r"uint8 or float32, got int64"),
        (GOOD, [0, 0], ["a"], r"3 images but 2 labels"),
        (GOOD, [0, 2, 3], ["a", "b"], r"label 2 of image 1 is out of range, wanted 0 to 1"),
        (GOOD, [0, 0, -1], ["a", "b"], r"label -1 of image 2"),
        (GOOD, [0.0, 1.0, 0.0], ["a", "b"], r"must be integers of shape \(N,\), got float64"),
        (GOOD, np.eye(3, dtype=int), ["a", "b", "c"], r"shape \(3, 3\).*argmax"),
        (GOOD, [0, 0, 0], [], r"at least one name"),
        (GOOD, [0, 0, 0], "abc", r"class_names must be a list"),
        (np.zeros((3, 1, 2, 2), "float32") + [[[[math.nan]]]], [0, 0, 0], ["a"], r"uint8 or float32"),
    ],
)
def test_bad_input(images, labels, names, said):
    with pytest.raises(DataError, match=said) as caught:
        Dataset(images, labels, names, name="bad")
    assert str(caught.value).startswith("dataset 'bad': ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_images_that_are_not_finite(value):
    images = np.zeros((3, 1, 2, 2), np.float32)
    images[1, 0, 1, 0] = value
    with pytest.raises(DataError, match="dataset: image 1 holds NaN or infinity"):
        Dataset(images, [0, 0, 0], ["a"])


@given(
    labels=st.lists(st.integers(0, 4), min_size=1, max_size=80),
    fraction=st.floats(0.05, 0.95),
    seed=st.integers(-5, 5),
)
def test_a_stratified_split_is_a_partition(labels, fraction, seed):
    labels = np.array(labels)
    images = np.arange(len(labels), dtype=np.float32).reshape(-1, 1, 1, 1)
    dataset = Dataset(images, labels, list("abcde"), "set")
    counts = [math.floor(fraction * int((labels == label).sum()) + 0.5) for label in range(5)]
    if sum(counts) in {0, len(labels)}:
        with pytest.raises(DataError, match=r"cannot be split"):
            stratified_split(dataset, fraction, seed)
        return
    train, test = stratified_split(dataset, fraction, seed)
    rows = [part.images.ravel().astype(int).tolist() for part in (train, test)]
    assert sorted(rows[0] + rows[1]) == list(range(len(labels)))
    assert rows == [sorted(part) for part in rows]
    assert np.array_equal(train.labels, labels[rows[0]])
    assert np.array_equal(test.labels, labels[rows[1]])
    assert [int((test.labels == label).sum()) for label in range(5)] == counts
    assert np.array_equal(test.mean, train.mean)
    assert np.array_equal(train.mean, Dataset(train.images, train.labels, list("abcde")).mean)
    again = stratified_split(dataset, fraction, seed)[1]
    assert np.array_equal(again.images, test.images)


def test_another_seed_gives_another_split():
    dataset = make(60)
    assert not np.array_equal(stratified_split(dataset, 0.5, 0)[1].images, stratified_split(dataset, 0.5, 1)[1].images)


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 1.5, math.nan])
def test_a_fraction_out_of_range(fraction):
    with pytest.raises(DataError, match=r"test_fraction must be above 0 and below 1"):
        stratified_split(make(), fraction)
