"""The first convolution's filters as a picture."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpunet.report.figures.text import DPI
from gpunet.training.drawing import LIGHT, Theme, picture

_PER_ROW = 16
_ROWS, _CHANNELS = 16, 32  # of filters over neither grey nor colours, which have a tile for each channel
_GAP = 0.2  # of a tile's side
_FINE = 8  # pixels of the mosaic for one of a filter, so that gaps can be finer than these


def shown_filters(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """The filters and channels that the picture shows."""
    return weights if weights.shape[1] in {1, 3} else weights[:_ROWS, :_CHANNELS]


def draw_filters(weights: NDArray[np.float32], theme: Theme = LIGHT) -> bytes:
    """A tile for each filter, all on one scale.

    Filters over three channels are shown in their colours, grey being 0. Others are shown from blue over white to red,
    below to above 0; where there are several channels, each filter is a row with a tile for each of them.

    Args:
        weights: (F, C, kh, kw).
        theme: the colours.

    Returns:
        a PNG.
    """
    weights = shown_filters(weights)
    channels, height, width = weights.shape[1:]
    largest = float(np.abs(weights[np.isfinite(weights)]).max(initial=0.0)) or 1.0
    colours = channels == 3
    tiles = weights.transpose(0, 2, 3, 1) if colours else weights.reshape(-1, height, width, 1)
    columns = min(len(tiles), _PER_ROW if channels in {1, 3} else channels)
    rows = math.ceil(len(tiles) / columns)
    mosaic = _mosaic(np.clip(0.5 + 0.5 * tiles / largest, 0, 1) if colours else tiles, rows, columns)

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        image = axes.imshow(mosaic, cmap="RdBu_r", vmin=-largest, vmax=largest, interpolation="nearest")
        axes.axis("off")
        if not colours:
            bar = figure.colorbar(image, ax=axes, fraction=0.03, aspect=12, pad=0.02)
            bar.outline.set_visible(False)
            bar.ax.tick_params(labelsize="small")

    wide = max(2.6, min(8.5, 0.85 * columns + 1.0))
    return picture(draw, wide, max(1.2, (wide - (0 if colours else 0.9)) / columns * rows * height / width), theme, DPI)


def _mosaic(tiles: NDArray[np.float32], rows: int, columns: int) -> NDArray[np.float32]:
    """The tiles in rows, with gaps through which the ground is seen: (height, width), or with colours and opacity."""
    count, height, width, channels = tiles.shape
    gap = max(1, round(_GAP * _FINE * min(height, width)))
    down, across = _FINE * height + gap, _FINE * width + gap
    canvas = np.full((rows * down - gap, columns * across - gap, channels), np.nan, np.float32)
    for place in range(count):
        top, left = place // columns * down, place % columns * across
        fine = tiles[place].repeat(_FINE, axis=0).repeat(_FINE, axis=1)
        canvas[top : top + _FINE * height, left : left + _FINE * width] = fine
    if channels == 1:
        return canvas[..., 0]
    opaque = np.isfinite(canvas).all(axis=2, keepdims=True)
    return np.concatenate([np.where(opaque, canvas, 0), opaque.astype(np.float32)], axis=2)
