"""A task that is learned in a second, for the tests of the training and of the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from data_files import idx_bytes

import gpunet as gn
from gpunet.data import Dataset
from gpunet.random import Stream, seeded


def stripes(count: int = 48, seed: int = 0) -> Dataset:
    """Noisy 6x6 images of three classes: upright stripes, level stripes, neither."""
    labels = np.arange(count) % 3
    noise = Stream(seed, "noise").integers(80, (count, 1, 6, 6))
    pattern = np.zeros((3, 6, 6), np.int64)
    pattern[0, :, ::2] = 150
    pattern[1, ::2, :] = 150
    images = (noise + pattern[labels][:, None]).astype(np.uint8)
    return Dataset(images, labels, ("upright", "level", "neither"), name="stripes")


def small_net(seed: int = 0, dropout: float = 0.2) -> gn.Sequential:
    """A convolution with batch norm and dropout: parameters, buffers and random numbers."""
    with seeded(seed):
        return gn.Sequential(
            gn.Conv2d(1, 4, 3),
            gn.BatchNorm2d(4),
            gn.ReLU(),
            gn.Dropout(dropout),
            gn.Flatten(),
            gn.Linear(64, 3),
        )


def trainer(net: gn.Module | None = None, **settings: object) -> gn.Trainer:
    """A trainer of `small_net` with momentum, silent unless asked."""
    net = net or small_net()
    settings.setdefault("progress", False)
    settings.setdefault("batch_size", 8)
    optimizer = gn.SGD(net.parameters(), lr=0.05, momentum=0.9)
    return gn.Trainer(net, optimizer, gn.CrossEntropyLoss(), **settings)  # type: ignore[arg-type]


def write_stripes(folder: Path, train: int = 48, test: int = 15) -> Path:
    """`stripes` as a folder of IDX files, which the command line takes as data."""
    folder.mkdir(parents=True, exist_ok=True)
    for part, (stem, count) in enumerate((("train", train), ("t10k", test))):
        data = stripes(count, seed=part)
        (folder / f"{stem}-images-idx3-ubyte").write_bytes(idx_bytes(data.images[:, 0]))
        (folder / f"{stem}-labels-idx1-ubyte").write_bytes(idx_bytes(data.labels))
    return folder
