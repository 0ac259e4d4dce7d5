"""Images with their labels, held in memory, and the split of one set in two."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from gpunet.errors import DataError
from gpunet.random import Stream

_ELEMENTS_AT_ONCE = 1 << 20  # statistics widen this many pixels at a time, so that no second copy of the set is made


class Dataset:
    """Labelled images on the host.

    The arrays are kept as given, never copied and never written to.

    Args:
        images: (N, C, H, W), uint8 in 0..255 or float32, by custom in 0..1. N may be 0; the rest is at least 1.
        labels: (N,) integers below the number of classes.
        class_names: one name for each label, in order.
        name: what messages and run directories call the set.
        mean, std: (C,) on the 0..1 scale, which a `DataLoader` subtracts and divides by. Without them they are
            computed from the images when first asked for.

    Raises:
        DataError: a wrong shape or dtype, NaN or infinity, a label out of range, or unequal counts.
    """

    def __init__(
        self,
        images: NDArray[Any],
        labels: Any,
        class_names: Sequence[str],
        name: str = "",
        mean: Any = None,
        std: Any = None,
    ) -> None:
        self.name = name
        self._title = f"dataset {name!r}" if name else "dataset"
        if isinstance(class_names, str) or len(class_names) == 0:
            raise DataError(f"{self._title}: class_names must be a list of at least one name, got {class_names!r}.")
        self.class_names = tuple(str(class_name) for class_name in class_names)
        self.images = self._checked_images(images)
        self.labels = self._checked_labels(labels)
        if (mean is None) != (std is None):
            raise DataError(f"{self._title}: mean and std come together, got only one of them. Give both or neither.")
        self._mean: NDArray[np.float64] | None = None
        self._std: NDArray[np.float64] | None = None
        if mean is not None:
            self._mean, self._std = checked_statistics(mean, std, self.images.shape[1], self._title)

    def _checked_images(self, images: Any) -> NDArray[Any]:
        if not isinstance(images, np.ndarray):
            raise DataError(
                f"{self._title}: images must be a NumPy array, got {type(images).__name__}. Use numpy.asarray."
            )
        if images.ndim != 4 or min(images.shape[1:]) < 1:
            raise DataError(
                f"{self._title}: images must have shape (N, C, H, W), got {images.shape}. Grey images want"
                " images[:, None], channels in the last place want images.transpose(0, 3, 1, 2)."
            )
        if images.dtype not in {np.dtype(np.uint8), np.dtype(np.float32)}:
            raise DataError(
                f'{self._title}: images must be uint8 or float32, got {images.dtype}. Use images.astype("float32").'
            )
        if images.dtype == np.float32:
            finite = np.isfinite(images).all(axis=(1, 2, 3))
            if not finite.all():
                raise DataError(
                    f"{self._title}: image {int(np.argmin(finite))} holds NaN or infinity, wanted finite numbers only."
                    " Repair or leave out such images."
                )
        return images

    def _checked_labels(self, labels: Any) -> NDArray[np.int64]:
        array = np.asarray(labels)
        if array.size == 0 and array.ndim == 1:
            array = array.astype(np.int64)  # an empty list has no dtype of its own
        if array.ndim != 1 or array.dtype.kind not in "iu":
            raise DataError(
                f"{self._title}: labels must be integers of shape (N,), got {array.dtype} of shape {array.shape}."
                " One-hot labels want labels.argmax(axis=1)."
            )
        if len(array) != len(self.images):
            raise DataError(
                f"{self._title}: {len(self.images)} images but {len(array)} labels, wanted one label for each image."
            )
        wrong = (array < 0) | (array >= len(self.class_names))
        if wrong.any():
            position = int(np.argmax(wrong))
            raise DataError(
                f"{self._title}: label {int(array[position])} of image {position} is out of range, wanted"
                f" 0 to {len(self.class_names) - 1} for {len(self.class_names)} class names."
            )
        return array.astype(np.int64, copy=False)

    @property
    def mean(self) -> NDArray[np.float64]:
        """(C,) mean of each channel on the 0..1 scale."""
        if self._mean is None:
            self._mean, self._std = self._statistics()
        return self._mean

    @property
    def std(self) -> NDArray[np.float64]:
        """(C,) standard deviation of each channel over all pixels, on the 0..1 scale; 1 where nothing varies."""
        if self._std is None:
            self._mean, self._std = self._statistics()
        return self._std

    @property
    def sample_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one image."""
        _, channels, height, width = self.images.shape
        return channels, height, width

    @property
    def num_classes(self) -> int:
        """Number of classes, with or without images."""
        return len(self.class_names)

    def __len__(self) -> int:
        return len(self.images)

    @overload
    def __getitem__(self, index: int) -> tuple[NDArray[Any], int]: ...

    @overload
    def __getitem__(self, index: slice | Sequence[int] | NDArray[Any]) -> Dataset: ...

    def __getitem__(self, index: Any) -> Dataset | tuple[NDArray[Any], int]:
        """One (image, label) for an integer; for a slice, indices or a mask, a `Dataset` with this one's mean and std.

        A part is normalised like the whole, so that parts of one set fit one net.
        """
        if hasattr(index, "__index__") and not isinstance(index, (bool, np.ndarray)):
            return self.images[index], int(self.labels[index])
        rows = index if isinstance(index, slice) else np.asarray(index)
        if not isinstance(rows, slice) and (rows.ndim != 1 or rows.dtype.kind not in "iub"):
            if rows.size:
                raise DataError(
                    f"{self._title}: an index must be an integer, a slice, integers of shape (M,) or a mask of shape"
                    f" ({len(self)},), got {rows.dtype} of shape {rows.shape}."
                )
            rows = np.empty(0, np.int64)
        try:
            images, labels = self.images[rows], self.labels[rows]
        except IndexError as error:
            raise DataError(f"{self._title}: an index does not fit {len(self)} images: {error}.") from None
        known = self._mean is not None or len(self) > 0
        return Dataset(
            images,
            labels,
            self.class_names,
            self.name,
            self.mean if known else None,
            self.std if known else None,
        )

    def __iter__(self) -> Iterator[tuple[NDArray[Any], int]]:
        return ((image, int(label)) for image, label in zip(self.images, self.labels, strict=True))

    def __repr__(self) -> str:
        shape = "x".join(str(size) for size in self.sample_shape)
        return f"Dataset({self.name!r}, {len(self)} images {shape} {self.images.dtype}, {self.num_classes} classes)"

    def _statistics(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        if len(self) == 0:
            raise DataError(f"{self._title}: an empty dataset has no mean, wanted at least one image or mean and std.")
        mean, variance = _exact_moments(self.images) if self.images.dtype == np.uint8 else _moments(self.images)
        std = np.sqrt(variance)
        std[std == 0] = 1.0  # a constant channel is only shifted: dividing by 0 would make it NaN
        return _read_only(mean), _read_only(std)


def checked_statistics(
    mean: Any, std: Any, channels: int, title: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """``mean`` and ``std`` as read-only arrays of shape (``channels``,); one number serves all channels.

    Raises:
        DataError: that begins with ``title``, on another shape, NaN or infinity, or a std that is not above 0.
    """
    arrays = []
    for what, value in (("mean", mean), ("std", std)):
        try:
            array = np.array(value, dtype=np.float64)
        except (TypeError, ValueError):
            raise DataError(f"{title}: {what} must be {channels} numbers, one a channel, got {value!r}.") from None
        if array.size == 1:
            array = np.full(channels, float(array.reshape(())))
        if array.shape != (channels,) or not np.isfinite(array).all():
            raise DataError(f"{title}: {what} must be {channels} finite numbers, one a channel, got {value!r}.")
        arrays.append(array)
    if (arrays[1] <= 0).any():
        raise DataError(f"{title}: std must be above 0 in every channel, got {std!r}.")
    return _read_only(arrays[0]), _read_only(arrays[1])


def stratified_split(dataset: Dataset, test_fraction: float = 0.2, seed: int = 0) -> tuple[Dataset, Dataset]:
    """Split every class in the same proportion, at random.

    Args:
        dataset: what to split; both parts keep its order.
        test_fraction: share of each class that goes to the test part, rounded to whole images; between 0 and 1.
        seed: the split is a function of this number and the labels alone.

    Returns:
        the training and the test part, both with the mean and std of the training part.

    Raises:
        DataError: a fraction out of range, or a part without a single image.
    """
    title = f"split of {dataset.name!r}"
    if not 0 < test_fraction < 1:
        raise DataError(f"{title}: test_fraction must be above 0 and below 1, got {test_fraction!r}.")
    chosen = np.zeros(len(dataset), bool)
    for label in range(dataset.num_classes):
        members = np.flatnonzero(dataset.labels == label)
        count = math.floor(test_fraction * len(members) + 0.5)
        chosen[members[Stream(seed, "split", step=label).permutation(len(members))[:count]]] = True
    if chosen.all() or not chosen.any():
        raise DataError(
            f"{title}: {len(dataset)} images cannot be split into a training and a test part of {test_fraction:g}."
            " Use more images or another test_fraction."
        )
    train = Dataset(dataset.images[~chosen], dataset.labels[~chosen], dataset.class_names, dataset.name)
    test = Dataset(
        dataset.images[chosen], dataset.labels[chosen], dataset.class_names, dataset.name, train.mean, train.std
    )
    return train, test


def _exact_moments(images: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and variance by integer sums: the same on every machine, whatever the order of summation."""
    total = np.zeros(images.shape[1], np.uint64)
    squares = np.zeros(images.shape[1], np.uint64)
    for block in _blocks(images):
        wide = block.astype(np.uint32)
        total += wide.sum(axis=(0, 2, 3), dtype=np.uint64)
        squares += (wide * wide).sum(axis=(0, 2, 3), dtype=np.uint64)
    count = images.shape[0] * images.shape[2] * images.shape[3]
    mean = [int(s) / (255 * count) for s in total]
    variance = [(count * int(q) - int(s) ** 2) / (255 * count) ** 2 for s, q in zip(total, squares, strict=True)]
    return np.array(mean), np.array(variance)


def _moments(images: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and variance in float64, in two passes so that a large mean does not cancel a small variance."""
    count = images.shape[0] * images.shape[2] * images.shape[3]
    mean = sum(block.sum(axis=(0, 2, 3), dtype=np.float64) for block in _blocks(images)) / count
    centre = mean[:, None, None]
    variance = sum(np.square(block - centre).sum(axis=(0, 2, 3)) for block in _blocks(images)) / count
    return mean, variance


def _blocks(images: NDArray[Any]) -> Iterator[NDArray[Any]]:
    step = max(1, _ELEMENTS_AT_ONCE // math.prod(images.shape[1:]))
    return (images[start : start + step] for start in range(0, len(images), step))


def _read_only(array: NDArray[np.float64]) -> NDArray[np.float64]:
    array.flags.writeable = False
    return array
