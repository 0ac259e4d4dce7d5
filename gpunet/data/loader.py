"""Batches of a dataset, shuffled, augmented, normalised and brought to a backend ahead of their use."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpunet.data.checks import as_integer
from gpunet.data.dataset import Dataset
from gpunet.data.prefetch import prefetched
from gpunet.data.preprocessing import as_float_dtype, prepare_images
from gpunet.errors import DataError
from gpunet.random import Stream
from gpunet.state import Array

Augmentation = Callable[[NDArray[Any], Stream], NDArray[Any]]


class DataLoader:
    """Yields (images, labels) of a `Dataset` in batches.

    Each ``iter(loader)`` is the next epoch: 0, 1, ... The order and the augmentation of a batch are functions of
    (seed, epoch, batch) alone, so `batches` gives any part of any epoch with the same bits.

    Args:
        dataset: the images.
        batch_size: samples a batch; at most ``len(dataset)``.
        shuffle: a new order in every epoch, drawn from ``Stream(seed, "shuffle", epoch)``.
        seed: of the order and the augmentation.
        drop_last: leave out a last batch that is smaller than the others.
        augment: called as ``augment(images, stream)`` with (N, C, H, W) images as the dataset holds them, before they
            are normalised, and ``Stream(seed, "augment", epoch, batch)``. It returns as many images, uint8 or floating
            on the 0..1 scale, and may change their size, but never writes into what it got (which is read-only).
        backend: what brings the arrays to their place by ``backend.asarray``; NumPy arrays without it.
        prefetch: how many batches a background thread prepares ahead; 0 works without a thread.
        dtype: of the images: "float32", "float64" or "float16".
        normalize: subtract the dataset's mean and divide by its std; False leaves the 0..1 scale.

    Raises:
        DataError: an empty dataset, a batch larger than it, or a wrong argument.
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int = 64,
        shuffle: bool = False,
        seed: int = 0,
        drop_last: bool = False,
        augment: Augmentation | None = None,
        backend: Any = None,
        prefetch: int = 2,
        dtype: Any = "float32",
        normalize: bool = True,
    ) -> None:
        if not isinstance(dataset, Dataset):
            raise DataError(
                f"DataLoader: wanted a Dataset, got {type(dataset).__name__}. Use"
                " gpunet.data.Dataset(images, labels, class_names)."
            )
        title = f"DataLoader of {dataset.name!r}" if dataset.name else "DataLoader"
        self._title = title
        if len(dataset) == 0:
            raise DataError(f"{title}: the dataset is empty, wanted at least one image.")
        self.dataset = dataset
        self.batch_size = as_integer(batch_size, f"{title}: batch_size", 1)
        if self.batch_size > len(dataset):
            raise DataError(
                f"{title}: batch_size {self.batch_size} is larger than the {len(dataset)} images of the dataset."
                f" Use batch_size {len(dataset)} or less."
            )
        if augment is not None and not callable(augment):
            raise DataError(
                f"{title}: augment must be called as augment(images, stream), got {augment!r}. A text such as"
                ' "crop:2,flip" wants gpunet.data.augmentation.from_spec.'
            )
        self.shuffle = bool(shuffle)
        self.seed = as_integer(seed, f"{title}: seed")
        self.drop_last = bool(drop_last)
        self.augment = augment
        self.backend = backend
        self.prefetch = as_integer(prefetch, f"{title}: prefetch", 0)
        self.dtype = as_float_dtype(dtype, title)
        self.normalize = bool(normalize)
        self.epoch = 0  # of the next iter(); may be set

    def __len__(self) -> int:
        """Batches an epoch."""
        whole, rest = divmod(len(self.dataset), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    @property
    def num_samples(self) -> int:
        """Samples that one epoch yields: all, or those in whole batches with drop_last."""
        return len(self) * self.batch_size if self.drop_last else len(self.dataset)

    def __iter__(self) -> Iterator[tuple[Array, Array]]:
        batches = self.batches(self.epoch)
        self.epoch += 1
        return batches

    def batches(self, epoch: int, start: int = 0) -> Generator[tuple[Array, Array], None, None]:
        """The batches of one epoch from number ``start`` on, the same bits as if the epoch had run through.

        Args:
            epoch: 0 or more; `iter` is left where it is.
            start: 0 to ``len(self)``; the latter yields nothing.

        Yields:
            images (N, C, H, W) of ``dtype`` and labels (N,) int64, arrays of the backend, N at least 1.
        """
        epoch = as_integer(epoch, f"{self._title}: epoch", 0)
        start = as_integer(start, f"{self._title}: start", 0)
        if start > len(self):
            raise DataError(f"{self._title}: start must be at most {len(self)}, the batches an epoch, got {start}.")
        source = self._prepare(epoch, start)
        return prefetched(source, self.prefetch) if self.prefetch else source

    def _prepare(self, epoch: int, start: int) -> Generator[tuple[Array, Array], None, None]:
        dataset, size = self.dataset, self.batch_size
        order = Stream(self.seed, "shuffle", epoch=epoch).permutation(len(dataset)) if self.shuffle else None
        for number in range(start, len(self)):
            rows: Any = slice(number * size, (number + 1) * size)
            if order is not None:
                rows = order[rows]
            images = dataset.images[rows]
            if self.augment is not None:
                images = self._augmented(images, Stream(self.seed, "augment", epoch=epoch, step=number))
            mean, std = (dataset.mean, dataset.std) if self.normalize else (0.0, 1.0)
            prepared = prepare_images(images, mean, std, self.dtype)
            labels = np.array(dataset.labels[rows])  # a copy, so that no consumer can write into the dataset
            if self.backend is not None:
                yield self.backend.asarray(prepared), self.backend.asarray(labels)
            else:
                yield prepared, labels

    def _augmented(self, images: NDArray[Any], stream: Stream) -> NDArray[Any]:
        assert self.augment is not None
        images = images.view()
        images.flags.writeable = False  # without shuffling this is the dataset's own memory
        result: Any = self.augment(images, stream)
        wanted = images.shape[:2]
        if not isinstance(result, np.ndarray) or result.ndim != 4 or result.shape[:2] != wanted:
            got = f"an array of shape {result.shape}" if isinstance(result, np.ndarray) else type(result).__name__
            raise DataError(
                f"{self._title}: augment {self.augment!r} returned {got}, wanted a NumPy array"
                f" of shape ({wanted[0]}, {wanted[1]}, height, width)."
            )
        if result.dtype != np.uint8 and result.dtype.kind != "f":
            raise DataError(
                f"{self._title}: augment {self.augment!r} returned {result.dtype}, wanted uint8 or a floating dtype."
            )
        return result
