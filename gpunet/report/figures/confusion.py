"""The confusion matrix as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpunet.report.figures.text import DPI, shortened
from gpunet.training.drawing import LIGHT, Theme, picture

_NUMBERED = 20  # classes; with more of them, numbers would be too small to read
NAMED = 40  # with more, their numbers are


def draw_confusion(confusion: NDArray[np.int64], names: Sequence[str], theme: Theme = LIGHT) -> bytes:
    """Rows of truth, columns of predictions: right answers in one colour, mistakes in another.

    Each colour has a scale of its own, or a good net's few mistakes would not be seen beside its right answers. Both
    are shares of the row, so that a rare class is as visible as a frequent one.

    Args:
        confusion: (K, K).
        names: of the classes.
        theme: the colours.

    Returns:
        a PNG.
    """
    count = len(confusion)

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        right, wrong = _shares(confusion)
        cells = _coloured(right, wrong, theme)
        axes.imshow(cells, interpolation="nearest")
        if count <= _NUMBERED:
            for row, column in zip(*np.nonzero(confusion), strict=True):
                colour = "#ffffff" if _luminance(cells[row, column]) < 0.45 else "#111111"
                size = "small" if count <= 10 else "x-small"
                axes.text(column, row, f"{confusion[row, column]}", ha="center", va="center", color=colour, size=size)
        if count <= NAMED:
            labels = [shortened(name) for name in names]
            size = "medium" if count <= _NUMBERED else "x-small"
            slanted = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if max(map(len, labels)) > 3 else {}
            axes.set_xticks(range(count), labels, size=size, **slanted)
            axes.set_yticks(range(count), labels, size=size)
        axes.tick_params(length=0)
        axes.set_xlabel("predicted class")
        axes.set_ylabel("true class")
        axes.set_xticks(np.arange(count + 1) - 0.5, minor=True)
        axes.set_yticks(np.arange(count + 1) - 0.5, minor=True)
        if count <= NAMED:
            axes.grid(which="minor", color=theme.ground, linewidth=1.5)
        axes.tick_params(which="minor", length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)

    side = min(9.0, max(3.6, 2.6 + 0.42 * min(count, 16)))
    return picture(draw, side, side * 0.94, theme, DPI)


def _shares(confusion: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Right answers and mistakes as shares of their rows."""
    support = np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    shares = confusion / support
    right = np.diag(shares.diagonal())
    return right, shares - right


def _coloured(right: NDArray[np.float64], wrong: NDArray[np.float64], theme: Theme) -> NDArray[np.float64]:
    """(K, K, 3) colours: from the ground to full strength at a share of 1, and at the most frequent mistake."""
    from matplotlib.colors import to_rgb

    ground = np.array(to_rgb(theme.grid))
    strongest = max(float(wrong.max()), 1e-9)
    cells = np.broadcast_to(ground, (*right.shape, 3)).copy()
    for shares, colour in ((right, theme.accent), (wrong / strongest, theme.warm)):
        strength = np.where(shares > 0, 0.15 + 0.85 * shares, 0)[..., None]
        cells += strength * (np.array(to_rgb(colour)) - cells)
    return cells


def _luminance(colour: NDArray[np.float64]) -> float:
    return float(colour @ np.array([0.299, 0.587, 0.114]))
