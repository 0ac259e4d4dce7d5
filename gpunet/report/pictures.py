"""Images of a data set as PNGs, alone and with a map laid over them."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

SMALL, LARGE = 112, 160  # of what is drawn upon: smaller images are enlarged, larger ones shrunk


def displayed_size(rows: int, columns: int) -> tuple[int, int]:
    """Rows and columns in which an image with a map over it is drawn: a multiple of its own, unless it is large."""
    if max(rows, columns) > LARGE:
        factor = LARGE / max(rows, columns)
        return max(1, round(rows * factor)), max(1, round(columns * factor))
    times = max(1, round(SMALL / max(rows, columns)))
    return rows * times, columns * times


def as_rgb(image: NDArray[Any]) -> NDArray[np.uint8]:
    """An image as it is seen.

    Args:
        image: (C, H, W), uint8, or floating and then cut to 0..1. Three channels are colours; of any other number the
            mean is shown.

    Returns:
        (H, W, 3).
    """
    levels = image if image.dtype == np.uint8 else np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8)
    if len(levels) != 3:
        grey = levels[0] if len(levels) == 1 else np.rint(levels.mean(axis=0)).astype(np.uint8)
        levels = np.stack([grey] * 3)
    return np.ascontiguousarray(levels.transpose(1, 2, 0))


def resized(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """An (H, W, 3) image in another size: enlarged with its pixels to be seen, shrunk by averages."""
    from PIL import Image

    rows, columns = size
    if image.shape[:2] == size:
        return image
    larger = rows >= image.shape[0]
    how = Image.Resampling.NEAREST if larger else Image.Resampling.BOX
    return np.asarray(Image.fromarray(image).resize((columns, rows), how))


def overlaid(image: NDArray[np.uint8], strength: NDArray[np.float64]) -> NDArray[np.uint8]:
    """A map over an image: where it is strong, the image is tinted, from violet over red to yellow.

    Args:
        image: (H, W, 3).
        strength: (H, W) in 0..1.
    """
    from matplotlib import colormaps

    colours = 255 * colormaps["plasma"](strength)[..., :3]
    grey = image.mean(axis=2, keepdims=True)
    # In grey, so that colour means the map alone; under the strongest tint the image is still to be seen.
    share = 0.7 * strength[..., None] ** 0.7
    return np.rint((1 - share) * grey + share * colours).astype(np.uint8)


def as_png(image: NDArray[np.uint8]) -> bytes:
    """An (H, W, 3) image as a PNG, in grey where it is grey."""
    from PIL import Image

    grey = bool((image == image[..., :1]).all())
    content = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image[..., 0]) if grey else image).save(content, "png", optimize=True)
    return content.getvalue()


def data_uri(png: bytes) -> str:
    """A PNG as an address that holds it."""
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"
