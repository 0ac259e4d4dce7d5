"""Contact sheets: images with a line or two below each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpunet.report.contents import Contents, Example
from gpunet.report.figures.text import DPI, shortened
from gpunet.report.mistakes import Answer
from gpunet.report.pictures import as_rgb, displayed_size, overlaid, resized
from gpunet.training.drawing import LIGHT, Theme, picture

_PER_ROW = 8
_SIDE = 1.15  # inches

Tile = tuple[NDArray[np.uint8], str]


def draw_mistakes(contents: Contents, theme: Theme = LIGHT) -> bytes:
    """The worst mistakes: truth, then what the net said and how sure it was.

    Args:
        contents: with at least one mistake.
        theme: the colours.

    Returns:
        a PNG.
    """
    tiles = [(as_rgb(contents.test.images[answer.index]), _words(contents, answer)) for answer in contents.mistakes]
    return _sheet(tiles, _PER_ROW, theme)


def draw_explanation(contents: Contents, theme: Theme = LIGHT) -> bytes:
    """Grad-CAM: a right answer a tile; then a mistake a row, with the map of what was said and that of the truth.

    Args:
        contents: with an explanation.
        theme: the colours.

    Returns:
        a PNG.
    """
    assert contents.explanation is not None
    tiles = []
    for example in (*contents.explanation.right, *contents.explanation.wrong):
        for label, image in tinted(contents, example):
            tiles.append((image, _words(contents, example.answer, None if example.answer.right else label)))
    return _sheet(tiles, _PER_ROW, theme)


def tinted(contents: Contents, example: Example) -> Sequence[tuple[int, NDArray[np.uint8]]]:
    """(class, (H, W, 3)) of each of an example's maps, laid over its image."""
    image = contents.test.images[example.answer.index]
    large = resized(as_rgb(image), displayed_size(*image.shape[1:]))
    return [(label, overlaid(large, strength)) for label, strength in example.maps]


def _words(contents: Contents, answer: Answer, map_of: int | None = None) -> str:
    """Below an image: its class, what was said, and the class that a map over it speaks for."""
    said = f"{shortened(contents.name(answer.predicted), 14)} {100 * answer.confidence:.0f} %"
    lines = [f"is {shortened(contents.name(answer.truth), 16)}", f"said {said}"]
    if map_of is not None:
        lines.append(f"map: {shortened(contents.name(map_of), 14)}")
    return "\n".join(lines)


def _sheet(tiles: Sequence[Tile], per_row: int, theme: Theme) -> bytes:
    columns = min(per_row, max(len(tiles), 1))
    rows = max(1, math.ceil(len(tiles) / columns))

    def draw(figure: Any) -> None:
        for place, axes in enumerate(figure.subplots(rows, columns, squeeze=False).flat):
            if place >= len(tiles):
                axes.axis("off")
                continue
            image, words = tiles[place]
            axes.imshow(image, interpolation="nearest")
            axes.set_xlabel(words, size=7)
            axes.set_xticks([])
            axes.set_yticks([])
            for spine in axes.spines.values():
                spine.set_visible(False)

    return picture(draw, _SIDE * columns, (_SIDE + 0.42) * rows, theme, DPI)
