"""The first convolution's filters as a picture."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpunet.report.figures.text import DPI
from gpunet.training.drawing import LIGHT, Theme, picture

_PER_ROW = 16


def draw_filters(weights: NDArray[np.float32], theme: Theme = LIGHT) -> bytes:
    """A tile for each filter, all on one scale.

    Filters over three channels are shown in their colours, grey being 0. Others are shown from blue over white to red,
    below to above 0, with a tile for each channel where there are several.

    Args:
        weights: (F, C, kh, kw).
        theme: the colours.

    Returns:
        a PNG.
    """
    largest = float(np.nanmax(np.abs(weights), initial=0.0, where=np.isfinite(weights))) or 1.0
    colours = weights.shape[1] == 3
    if colours:
        tiles = [np.clip(0.5 + 0.5 * tile.transpose(1, 2, 0) / largest, 0, 1) for tile in weights]
    else:
        tiles = list(weights.reshape(-1, *weights.shape[2:]))
    columns = min(len(tiles), _PER_ROW if colours or weights.shape[1] == 1 else max(1, weights.shape[1]))
    columns = min(columns, 2 * _PER_ROW)
    rows = math.ceil(len(tiles) / columns)
    tiles = tiles[: rows * columns]

    def draw(figure: Any) -> None:
        axes = figure.subplots(rows, columns, squeeze=False)
        image = None
        for place, one in enumerate(axes.flat):
            one.axis("off")
            if place < len(tiles):
                image = one.imshow(tiles[place], cmap="RdBu_r", vmin=-largest, vmax=largest, interpolation="nearest")
        if image is not None and not colours:
            bar = figure.colorbar(image, ax=axes, fraction=0.03, aspect=12, pad=0.02)
            bar.outline.set_visible(False)
            bar.ax.tick_params(labelsize="small")

    width = max(2.6, min(8.5, 0.75 * columns + 1.0))
    height = max(1.1, (width - (0 if colours else 0.9)) / columns * rows * weights.shape[2] / weights.shape[3])
    return picture(draw, width, height, theme, DPI)
