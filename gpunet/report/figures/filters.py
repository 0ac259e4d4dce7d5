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
    down, across = height * (1 + _GAP), width * (1 + _GAP)

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        image = None
        for place, tile in enumerate(tiles):
            row, column = divmod(place, columns)
            left, top = column * across, row * down
            shown = np.clip(0.5 + 0.5 * tile / largest, 0, 1) if colours else tile[..., 0]
            extent = (left, left + width, top + height, top)
            image = axes.imshow(shown, extent=extent, cmap="RdBu_r", vmin=-largest, vmax=largest, interpolation="none")
        axes.set_xlim(-across / 20, columns * across)
        axes.set_ylim(rows * down, -down / 20)
        axes.axis("off")
        if image is not None and not colours:
            bar = figure.colorbar(image, ax=axes, fraction=0.03, aspect=12, pad=0.02)
            bar.outline.set_visible(False)
            bar.ax.tick_params(labelsize="small")

    wide = max(2.6, min(8.5, 0.85 * columns + 1.0))
    return picture(draw, wide, max(1.2, (wide - (0 if colours else 0.9)) / columns * rows * height / width), theme, DPI)
