import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpunet.data import Compose, Cutout, Normalize, RandomCrop, RandomHorizontalFlip, prepare_images
from gpunet.data.augmentation import from_spec
from gpunet.errors import DataError
from gpunet.random import Stream

DTYPES = ["uint8", "float32", "float64"]
STREAM = Stream(7, "augment", epoch=3, step=5)


def batch(count=4, channels=2, height=5, width=6, dtype="uint8"):
    """Images without a zero and with no two pixels alike, read-only."""
    images = (np.arange(count * channels * height * width) % 255 + 1).reshape(count, channels, height, width)
    images = images.astype(dtype)
    images.flags.writeable = False
    return images


sizes = st.tuples(st.integers(0, 5), st.integers(1, 3), st.integers(1, 8), st.integers(1, 8))


@given(
    sizes, st.integers(0, 4), st.sampled_from(["zero", "edge", "reflect"]), st.sampled_from(DTYPES), st.integers(0, 9)
)
def test_crop_cuts_each_sample_out_of_its_padded_image(shape, padding, mode, dtype, seed):
    images, stream = batch(*shape, dtype), Stream(seed, "crop")
    if mode == "reflect" and padding >= min(shape[2:]):
        with pytest.raises(DataError, match=r"reflects more than"):
            RandomCrop(padding, mode)(images, stream)
        return
    got = RandomCrop(padding, mode)(images, stream)
    assert got.shape == images.shape
    assert got.dtype == images.dtype
    rows, columns = stream.integers(2 * padding + 1, (2, shape[0]))
    for sample in range(shape[0]):
        for row in range(shape[2]):
            for column in range(shape[3]):
                source = []
                for place, length in ((row + rows[sample], shape[2]), (column + columns[sample], shape[3])):
                    old = place - padding
                    if not 0 <= old < length:
                        beyond = -old if old < 0 else 2 * (length - 1) - old
                        old = {"zero": None, "edge": min(max(old, 0), length - 1), "reflect": beyond}[mode]
                    source.append(old)
                expected = 0 if None in source else images[sample, :, source[0], source[1]]
                assert np.array_equal(got[sample, :, row, column], np.broadcast_to(expected, shape[1]))


def test_crop_reaches_every_place():
    image = np.zeros((400, 1, 5, 5), np.uint8)
    image[:, :, 2, 2] = 1
    _, _, rows, columns = np.nonzero(RandomCrop(2)(image, STREAM))
    assert {*zip(rows.tolist(), columns.tolist(), strict=True)} == {(r, c) for r in range(5) for c in range(5)}


@pytest.mark.parametrize("dtype", DTYPES)
def test_flip_mirrors_or_leaves(dtype):
    images = batch(200, dtype=dtype)
    got = RandomHorizontalFlip(0.3)(images, STREAM)
    assert got.dtype == images.dtype
    flipped = STREAM.uniform(200) < 0.3
    assert 30 < flipped.sum() < 90
    assert np.array_equal(got[flipped], images[flipped][..., ::-1])
    assert np.array_equal(got[~flipped], images[~flipped])


def test_flip_never_and_always():
    images = batch()
    assert np.array_equal(RandomHorizontalFlip(0)(images, STREAM), images)
    assert np.array_equal(RandomHorizontalFlip(1)(images, STREAM), images[..., ::-1])
    assert np.array_equal(RandomHorizontalFlip()(images, STREAM), RandomHorizontalFlip(0.5)(images, STREAM))


@given(sizes, st.integers(1, 8), st.sampled_from(DTYPES), st.integers(0, 9))
def test_cutout_blackens_the_square_around_its_centre(shape, size, dtype, seed):
    count, _, height, width = shape
    images, stream = batch(*shape, dtype), Stream(seed, "cutout")
    if size > min(height, width):
        with pytest.raises(DataError, match=rf"{size} pixels does not fit a {height}x{width} image"):
            Cutout(size)(images, stream)
        return
    got = Cutout(size)(images, stream)
    assert got.dtype == images.dtype
    unit = stream.uniform((2, count))
    for sample in range(count):
        top, left = int(unit[0, sample] * height) - size // 2, int(unit[1, sample] * width) - size // 2
        expected = images[sample].copy()
        expected[:, max(top, 0) : max(top + size, 0), max(left, 0) : max(left + size, 0)] = 0
        assert np.array_equal(got[sample], expected)
        assert 1 <= (got[sample, 0] == 0).sum() <= size * size


def test_normalize():
    images = batch(channels=3)
    mean, std = [0.1, 0.2, 0.3], [0.5, 0.6, 0.7]
    assert np.array_equal(Normalize(mean, std)(images, STREAM), prepare_images(images, mean, std))
    assert Normalize(mean, std)(images).dtype == np.float32
    doubles = batch(channels=3, dtype="float64")
    assert np.array_equal(Normalize(1, 2)(doubles), (doubles - 1) / 2)
    assert Normalize(mean, 0.5).std.tolist() == [0.5] * 3
    with pytest.raises(DataError, match=r"for 3 channels, got images of 2"):
        Normalize(mean, std)(batch(channels=2))
    with pytest.raises(DataError, match=r"Normalize: std must be above 0"):
        Normalize(0, 0)


def test_compose_gives_each_step_random_numbers_of_its_own():
    seen = []

    def look(images, stream):
        seen.append((stream.seed, stream.name, stream.epoch, stream.step))
        return images + 1

    images = batch(100)
    assert np.array_equal(Compose([look, look])(images, STREAM), images + 2)
    assert seen == [(7, "augment.0", 3, 5), (7, "augment.1", 3, 5)]
    once = RandomHorizontalFlip()(images, Stream(7, "augment.0", 3, 5))
    twice = Compose([RandomHorizontalFlip(), RandomHorizontalFlip()])(images, STREAM)
    assert not np.array_equal(once, images)
    assert not np.array_equal(twice, images)  # the same numbers again would have undone the first flip
    assert np.array_equal(Compose([])(images, STREAM), images)
    with pytest.raises(DataError, match=r"Compose: a step must be called"):
        Compose([RandomCrop(1), "flip"])


def test_randomness_is_a_function_of_the_stream_alone():
    images, augment = batch(50), from_spec("crop:2,flip,cutout:3")
    first = augment(images, STREAM)
    augment(images, STREAM.at(0, 0))
    assert np.array_equal(augment(images, STREAM), first)
    for other in (STREAM.at(3, 6), STREAM.at(4, 5), Stream(8, "augment", 3, 5)):
        assert not np.array_equal(augment(images, other), first)


@pytest.mark.parametrize(
    ("spec", "meaning"),
    [
        ("crop:2,flip,cutout:8", "Compose([RandomCrop(2, mode='zero'), RandomHorizontalFlip(0.5), Cutout(8)])"),
        (" crop : 4 : reflect ", "Compose([RandomCrop(4, mode='reflect')])"),
        ("flip:0.25", "Compose([RandomHorizontalFlip(0.25)])"),
        ("cutout:3,crop:0", "Compose([Cutout(3), RandomCrop(0, mode='zero')])"),
        ("", "Compose([])"),
        ("none", "Compose([])"),
    ],
)
def test_spec(spec, meaning):
    assert repr(from_spec(spec)) == meaning


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("rotate:5", r"augmentation 'rotate:5' in 'rotate:5' is unknown, wanted crop:PIXELS"),
        ("crop:2,,flip", r"augmentation '' in 'crop:2,,flip' is unknown"),
        ("crop", r"'crop' takes other values|'crop' in 'crop' takes other values"),
        ("crop:1:zero:2", r"takes other values"),
        ("crop:two", r"wanted a number of pixels, got 'two'"),
        ("crop:1.5", r"wanted a number of pixels, got '1.5'"),
        ("crop:-1", r"padding must be at least 0, got -1"),
        ("crop:2:wrap", r"mode must be one of zero, edge, reflect, got 'wrap'"),
        ("flip:2", r"probability must be in \[0, 1\]"),
        ("flip:often", r"wanted a number, got 'often'"),
        ("flip:nan", r"wanted a number, got 'nan'"),
        ("flip:0.1:0.2", r"takes other values"),
        ("cutout", r"takes other values"),
        ("cutout:0", r"size must be at least 1, got 0"),
        (None, r"wanted a text"),
    ],
)
def test_bad_spec(spec, said):
    with pytest.raises(DataError, match=said):
        from_spec(spec)


@pytest.mark.parametrize("value", [True, 1.5, "2", None])
def test_values_of_the_wrong_kind(value):
    with pytest.raises(DataError, match=r"RandomCrop: padding must be an integer"):
        RandomCrop(value)
    with pytest.raises(DataError, match=r"Cutout: size must be an integer"):
        Cutout(value)


def test_a_probability_that_is_none():
    for value in (None, math.nan, "x"):
        with pytest.raises(DataError, match=r"probability: wanted a number"):
            RandomHorizontalFlip(value)


@pytest.mark.parametrize(
    "augment", [RandomCrop(1), RandomHorizontalFlip(), Cutout(1), Normalize([0.5], [0.5])], ids=repr
)
def test_images_must_have_four_axes(augment):
    with pytest.raises(DataError, match=r"must have shape \(N, C, H, W\), got \(4, 5, 6\)"):
        augment(np.zeros((4, 5, 6), np.uint8), STREAM)
