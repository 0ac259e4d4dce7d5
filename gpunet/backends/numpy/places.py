"""The places of a sliding window, one at a time: which outputs and which pixels meet there, in either layout.

What is done with strided pixels is done to a copy without gaps: NumPy copies them quickly, but computes with them at a
quarter of its speed.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpunet.backends.numpy import cutting
from gpunet.backends.numpy.layout import channels_last, is_channels_last
from gpunet.geometry import Pair, Window

ELEMENT_BYTES = 256  # up to this size the channels of a pixel are copied as one element


class Place(NamedTuple):
    """One place of the window.

    Attributes:
        number: i * kw + j.
        outputs: index of the outputs that see a real pixel there, in an `image_view`.
        pixels: index of those pixels, in another.
    """

    number: int
    outputs: tuple[Any, ...]
    pixels: tuple[Any, ...]


class Images:
    """How (N, C, H, W) arrays are indexed in the order of memory of ``x``.

    Args:
        x: decides on the layout; channels-first unless it is channels-last.
    """

    def __init__(self, x: NDArray[Any]) -> None:
        self.last = is_channels_last(x)
        self._before = 1 if self.last else 2  # axes before the rows

    def view(self, x: NDArray[Any]) -> NDArray[Any]:
        """An array (N, C, H, W) as (N, H, W, C), or as it is."""
        return channels_last(x) if self.last else x

    def rows(self, rows: slice) -> tuple[Any, ...]:
        """The index of some rows in a view."""
        return (*(slice(None),) * self._before, rows)

    def spread(self, plane: NDArray[Any]) -> NDArray[Any]:
        """An array (H, W), so that it can be broadcast against a view."""
        return plane[:, :, None] if self.last else plane

    def places(self, window: Window, size: Pair, rows: slice, cols: int) -> list[Place]:
        """The places in row-major order.

        Args:
            size: rows and columns of the image.
            rows: of the outputs; the index of outputs counts from its start.
            cols: columns of the outputs.
        """
        return _places(window, size, rows.start, rows.stop, cols, self._before)

    def copy(self, source: NDArray[Any], target: NDArray[Any]) -> None:
        """Copy between views; few channels at once, as one element."""
        nbytes = source.shape[-1] * source.itemsize
        if self.last and nbytes <= ELEMENT_BYTES and source.strides[-1] == target.strides[-1] == source.itemsize:
            pixel = np.dtype((np.void, nbytes))
            source, target = source.view(pixel), target.view(pixel)
        np.copyto(target, source)

    def pieces(self, x: NDArray[Any], out_rows: int) -> list[tuple[slice, slice]]:
        """Images and rows of the output to work on at a time, about as many in each piece."""
        images = image_pieces(x)
        count = -(-x.nbytes // max(1, len(images) * cutting.PIECE_BYTES))  # of parts of a piece of one image
        rows = cutting.even(out_rows, -(-out_rows // count) if len(images) == len(x) and count else out_rows)
        return [(some, part) for some in images for part in rows]


def image_pieces(x: NDArray[Any]) -> list[slice]:
    """Images of x to work on at a time: pieces of like size, of about a core's cache, and no fewer than one image."""
    count = max(1, -(-x.nbytes // cutting.PIECE_BYTES))
    return cutting.even(len(x), -(-len(x) // count))


@lru_cache(maxsize=1024)
def _places(window: Window, size: Pair, start: int, stop: int, cols: int, before: int) -> list[Place]:
    places, everything = [], (slice(None),) * before
    for i in range(window.kernel[0]):
        output_rows, pixel_rows = _meeting(window, 0, i, size[0], slice(start, stop))
        for j in range(window.kernel[1]):
            output_cols, pixel_cols = _meeting(window, 1, j, size[1], slice(0, cols))
            outputs, pixels = (*everything, output_rows, output_cols), (*everything, pixel_rows, pixel_cols)
            places.append(Place(i * window.kernel[1] + j, outputs, pixels))
    return places


def _meeting(window: Window, axis: int, place: int, size: int, outputs: slice) -> tuple[slice, slice]:
    """Along one axis: outputs, counted from ``outputs.start``, whose element ``place`` is real, and those elements."""
    stride = window.stride[axis]
    first = place * window.dilation[axis] - window.padding[axis][0]  # the element of output 0
    start = max(outputs.start, -(first // stride))
    stop = max(start, min(outputs.stop, (size - 1 - first) // stride + 1))
    pixel = first + start * stride
    return (
        slice(start - outputs.start, stop - outputs.start),
        slice(pixel, pixel + (stop - start - 1) * stride + 1 if stop > start else pixel, stride),
    )
