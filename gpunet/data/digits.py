"""The bundled set: 1,797 handwritten digits of 8x8 pixels from the UCI repository, enlarged.

Origin and licence stand in bundled/digits.md.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gpunet.data.dataset import Dataset, stratified_split
from gpunet.data.idx import read_idx
from gpunet.geometry import Pair

BUNDLED = Path(__file__).parent / "bundled"
LEVELS = 16  # a pixel counts the dark ones among the 4x4 of the original scan
SPLIT_SEED = 0  # fixed, so that every run is judged on the same images


def read(image_size: Pair = (28, 28)) -> tuple[Dataset, Dataset]:
    """The training and the test set, a stratified 80 to 20 by a fixed seed.

    Args:
        image_size: rows and columns, at least 8 each; 28x28 is what LeNet takes.

    Returns:
        two datasets of uint8 images (N, 1, rows, columns), 0 is paper and 255 ink.
    """
    pixels = read_idx(BUNDLED / "digits-images-idx3-ubyte.gz", 3)
    labels = read_idx(BUNDLED / "digits-labels-idx1-ubyte.gz", 1)
    images = enlarge(pixels, image_size, LEVELS)[:, None]
    return stratified_split(Dataset(images, labels, [str(digit) for digit in range(10)], "digits"), 0.2, SPLIT_SEED)


def enlarge(pixels: NDArray[np.uint8], size: Pair, levels: int) -> NDArray[np.uint8]:
    """Bilinear interpolation in integers, so that every machine gets the same bytes.

    Args:
        pixels: (N, H, W) in 0..levels.
        size: rows and columns of the result, at least H and W.
        levels: the value that becomes 255.

    Returns:
        (N, rows, columns), rounded to the nearest, halves up.
    """
    _, height, width = pixels.shape
    rows, columns = _weights(height, size[0]), _weights(width, size[1])
    total = rows @ pixels.astype(np.int64) @ columns.T
    unit = levels * (2 * size[0]) * (2 * size[1])
    return ((255 * total + unit // 2) // unit).astype(np.uint8)


def _weights(length: int, new_length: int) -> NDArray[np.int64]:
    """(new_length, length) weights in units of 1 / (2 * new_length); each row sums to 2 * new_length.

    The middle of new pixel i lies at (i + 1/2) * length / new_length - 1/2 on the old scale, which is an integer in
    those units. Beyond the outermost middles the edge is continued.
    """
    unit = 2 * new_length
    place = np.clip((2 * np.arange(new_length) + 1) * length - new_length, 0, unit * (length - 1))
    distance = np.abs(place[:, None] - unit * np.arange(length))
    return np.maximum(unit - distance, 0)
