import gc
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpunet.data import DataLoader, Dataset, augmentation, prepare_images
from gpunet.errors import DataError
from gpunet.random import Stream


def make(count=10, channels=1, size=4, dtype="uint8"):
    images = (np.arange(count * channels * size * size) * 3 % 256).reshape(count, channels, size, size)
    return Dataset(images.astype(dtype), np.arange(count) % 3, ["a", "b", "c"], "small")


def rows_of(loader, epoch=0, start=0):
    return [(images.tobytes(), labels.tobytes()) for images, labels in loader.batches(epoch, start)]


def threads() -> int:
    gc.collect()
    return sum(thread.name == "gpunet-prefetch" for thread in threading.enumerate())


def test_batches_in_order():
    dataset = make()
    loader = DataLoader(dataset, 4)
    batches = list(loader)
    assert len(loader) == len(batches) == 3
    assert [len(images) for images, _ in batches] == [4, 4, 2]
    assert loader.num_samples == 10
    images, labels = (np.concatenate(part) for part in zip(*batches, strict=True))
    assert np.array_equal(images, prepare_images(dataset.images, dataset.mean, dataset.std))
    assert images.dtype == np.float32
    assert np.array_equal(labels, dataset.labels)
    assert labels.dtype == np.int64


@pytest.mark.parametrize(
    ("count", "batch_size", "batches", "samples"),
    [(10, 4, 2, 8), (12, 4, 3, 12), (5, 5, 1, 5), (5, 3, 1, 3), (7, 1, 7, 7)],
)
def test_drop_last(count, batch_size, batches, samples):
    loader = DataLoader(make(count), batch_size, drop_last=True)
    assert len(loader) == batches
    assert loader.num_samples == samples
    assert [len(labels) for _, labels in loader] == [batch_size] * batches


def test_shuffling_is_the_permutation_of_the_epoch():
    dataset = make(20)
    loader = DataLoader(dataset, 6, shuffle=True, seed=11, normalize=False)
    for epoch in range(3):
        images = np.concatenate([images for images, _ in loader])
        order = Stream(11, "shuffle", epoch=epoch).permutation(20)
        assert np.array_equal(images, prepare_images(dataset.images[order]))
    assert loader.epoch == 3


def test_each_iter_is_the_next_epoch_even_unfinished():
    loader = DataLoader(make(20), 6, shuffle=True)
    next(iter(loader))
    second = [images.tobytes() for images, _ in loader]
    assert second == [images for images, _ in rows_of(loader, 1)]
    loader.epoch = 1
    assert [images.tobytes() for images, _ in loader] == second


@settings(max_examples=40)
@given(
    count=st.integers(1, 25),
    batch_size=st.integers(1, 25),
    shuffle=st.booleans(),
    drop_last=st.booleans(),
    epoch=st.integers(0, 5),
    prefetch=st.integers(0, 3),
    start=st.floats(0, 1),
)
def test_any_part_of_an_epoch_has_the_bits_of_the_whole(count, batch_size, shuffle, drop_last, epoch, prefetch, start):
    batch_size = min(batch_size, count)
    spec = augmentation.from_spec("crop:1,flip,cutout:2")
    whole = rows_of(DataLoader(make(count), batch_size, shuffle, 3, drop_last, spec, prefetch=0), epoch)
    loader = DataLoader(make(count), batch_size, shuffle, 3, drop_last, spec, prefetch=prefetch)
    assert len(whole) == len(loader) > 0
    first = int(start * len(loader))
    assert rows_of(loader, epoch, first) == whole[first:]


def test_a_start_at_the_end_yields_nothing():
    loader = DataLoader(make(), 4)
    assert rows_of(loader, start=3) == []


def test_augmentation_gets_the_stored_images_and_the_stream_of_its_batch():
    dataset, seen = make(), []

    def look(images, stream):
        seen.append((images.dtype, stream.seed, stream.name, stream.epoch, stream.step))
        return images[..., :2]

    loader = DataLoader(dataset, 4, seed=5, augment=look, normalize=False)
    images = np.concatenate([images for images, _ in loader.batches(2)])
    assert seen == [(np.uint8, 5, "augment", 2, number) for number in range(3)]
    assert np.array_equal(images, prepare_images(dataset.images[..., :2]))


@pytest.mark.parametrize("shuffle", [False, True])
def test_augmentation_cannot_write_into_the_dataset(shuffle):
    def darken(images, stream):
        images *= 0
        return images

    with pytest.raises(ValueError, match="read-only"):
        list(DataLoader(make(), 4, shuffle, augment=darken))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_floating_images_and_floating_augmentation_are_on_the_0_to_1_scale(dtype):
    stored = make(dtype="float32")
    images, _ = next(iter(DataLoader(stored, 10, dtype=dtype)))
    assert images.dtype == np.dtype(dtype)
    assert np.array_equal(images, prepare_images(stored.images, stored.mean, stored.std, dtype))
    loader = DataLoader(make(), 10, augment=lambda images, stream: images / np.float32(255), normalize=False)
    assert np.array_equal(next(iter(loader))[0], prepare_images(make().images))


def test_what_a_consumer_writes_does_not_reach_the_dataset():
    dataset = make(dtype="float32")
    images, labels = dataset.images.copy(), dataset.labels.copy()
    for batch, batch_labels in DataLoader(dataset, 3, normalize=False):
        batch[:] = -1
        batch_labels[:] = -1
    assert np.array_equal(dataset.images, images)
    assert np.array_equal(dataset.labels, labels)


@pytest.mark.parametrize("prefetch", [0, 2])
def test_arrays_of_a_backend(prefetch):
    class Backend:
        def asarray(self, array):
            return ("on the device", array.dtype.name, array.shape)

    batches = list(DataLoader(make(), 10, backend=Backend(), prefetch=prefetch))
    assert batches == [(("on the device", "float32", (10, 1, 4, 4)), ("on the device", "int64", (10,)))]


@pytest.mark.parametrize("prefetch", [0, 1, 2])
def test_an_error_in_augmentation_reaches_the_loop_after_the_batches_before_it(prefetch):
    def fail(images, stream):
        if stream.step == 2:
            raise LookupError("third batch")
        return images

    got = []
    with pytest.raises(LookupError, match="third batch"):
        got.extend(len(labels) for _, labels in DataLoader(make(), 2, augment=fail, prefetch=prefetch))
    assert threads() == 0


def test_leaving_the_loop_leaves_no_thread():
    loader = DataLoader(make(100), 2, shuffle=True)
    for _ in loader:
        break
    assert threads() == 0
    pending = [iter(loader) for _ in range(5)]
    for batches in pending:
        next(batches)
    del pending, batches
    assert threads() == 0


def test_two_epochs_at_once():
    loader = DataLoader(make(12), 4, shuffle=True)
    pairs = list(zip(loader, loader, strict=True))
    assert [first[0].tobytes() for first, _ in pairs] == [images for images, _ in rows_of(loader, 0)]
    assert [second[0].tobytes() for _, second in pairs] == [images for images, _ in rows_of(loader, 1)]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"batch_size": 11}, r"batch_size 11 is larger than the 10 images.*Use batch_size 10 or less"),
        ({"batch_size": 11, "drop_last": True}, r"Use batch_size 10 or less"),
        ({"batch_size": 0}, r"batch_size must be at least 1, got 0"),
        ({"batch_size": 2.0}, r"batch_size must be an integer, got 2.0"),
        ({"batch_size": True}, r"batch_size must be an integer"),
        ({"prefetch": -1}, r"prefetch must be at least 0"),
        ({"seed": "x"}, r"seed must be an integer, got 'x'"),
        ({"dtype": "int32"}, r"dtype must be a floating one"),
        ({"augment": "crop:2"}, r"augment must be called.*from_spec"),
    ],
)
def test_wrong_arguments(settings, said):
    with pytest.raises(DataError, match=said) as caught:
        DataLoader(make(), **{"batch_size": 4, **settings})
    assert "DataLoader of 'small'" in str(caught.value)


def test_nothing_to_load():
    with pytest.raises(DataError, match=r"the dataset is empty, wanted at least one image"):
        DataLoader(make()[:0], 1)
    with pytest.raises(DataError, match=r"wanted a Dataset, got tuple"):
        DataLoader((make().images, make().labels))


def test_places_that_do_not_exist():
    loader = DataLoader(make(), 4)
    with pytest.raises(DataError, match=r"start must be at most 3, the batches an epoch, got 4"):
        loader.batches(0, 4)
    with pytest.raises(DataError, match=r"start must be at least 0"):
        loader.batches(0, -1)
    with pytest.raises(DataError, match=r"epoch must be at least 0"):
        loader.batches(-1)


@pytest.mark.parametrize(
    ("augment", "said"),
    [
        (lambda images, stream: None, r"returned NoneType, wanted a NumPy array of shape \(4, 1, height, width\)"),
        (lambda images, stream: images[:2], r"returned an array of shape \(2, 1, 4, 4\)"),
        (lambda images, stream: images[:, 0], r"returned an array of shape \(4, 4, 4\)"),
        (lambda images, stream: images.astype(int), r"returned int64, wanted uint8 or a floating dtype"),
    ],
)
def test_an_augmentation_that_returns_something_else(augment, said):
    with pytest.raises(DataError, match=said):
        list(DataLoader(make(), 4, augment=augment))
