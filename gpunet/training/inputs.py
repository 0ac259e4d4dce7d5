"""What `Trainer` takes as data, made one thing."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpunet.data.dataset import Dataset
from gpunet.data.loader import DataLoader
from gpunet.errors import DataError

Data = Dataset | DataLoader | tuple[Any, Any]


def as_dataset(data: Data, what: str) -> Dataset:
    """A `Dataset`: itself, that of a loader, or one made of host arrays (images, labels).

    Raises:
        DataError: it is none of these, or empty.
    """
    if isinstance(data, DataLoader):
        data = data.dataset
    if isinstance(data, tuple) and len(data) == 2:
        images, labels = data
        # Labels that are no integers are refused by Dataset, in its own words.
        count = max(1, int(np.max(labels)) + 1) if np.size(labels) and np.asarray(labels).dtype.kind in "iu" else 1
        data = Dataset(images, labels, tuple(str(label) for label in range(count)), name=what)
    if not isinstance(data, Dataset):
        raise DataError(f"{what}: got a {type(data).__name__}, wanted a Dataset, a DataLoader or (images, labels).")
    if len(data) == 0:
        raise DataError(f"{what}: the dataset is empty, wanted at least one image.")
    return data


def normalisation_of(loader: DataLoader) -> tuple[NDArray[Any], NDArray[Any]]:
    """(C,) mean and (C,) std that the loader's images are normalised with."""
    if loader.normalize:
        return loader.dataset.mean, loader.dataset.std
    channels = loader.dataset.sample_shape[0]
    return np.zeros(channels), np.ones(channels)


def like_training(dataset: Dataset, mean: Any, std: Any) -> Dataset:
    """``dataset`` normalised as the training images were, whatever its own mean and std."""
    return Dataset(dataset.images, dataset.labels, dataset.class_names, dataset.name, mean, std)
