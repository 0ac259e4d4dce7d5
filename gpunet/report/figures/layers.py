"""Activations and gradients of the layers as a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from gpunet.report.figures.text import DPI, shortened
from gpunet.report.layer_statistics import EXPLODING, VANISHING, LayerStatistics
from gpunet.training.drawing import LIGHT, Theme, picture, plain_axes

MANY = 48  # layers; of more, those without weights are left out of the picture

_FARTHEST = (1e-12, 1e12)  # gradients, that at the output being 1


def drawn_layers(statistics: Sequence[LayerStatistics]) -> tuple[LayerStatistics, ...]:
    """The layers that the picture shows."""
    if len(statistics) <= MANY:
        return tuple(statistics)
    return tuple(layer for layer in statistics if layer.weight is not None or layer.problems)


def draw_layers(statistics: Sequence[LayerStatistics], theme: Theme = LIGHT) -> bytes:
    """Side by side for each layer: the spread of its outputs, how many of them are 0, and the gradient that reaches it.

    Args:
        statistics: in the order of the layers.
        theme: the colours.

    Returns:
        a PNG.
    """
    layers = drawn_layers(statistics)

    def draw(figure: Any) -> None:
        spread, zeros, gradient = figure.subplots(1, 3, sharey=True)
        places = range(len(layers))
        colours = [theme.warm if layer.problems else theme.accent for layer in layers]
        marks = {"color": colours, "height": 0.62}
        spread.barh(places, [_finite(layer.std) for layer in layers], **marks)
        spread.set_title("standard deviation of outputs")
        zeros.barh(places, [100 * layer.zeros for layer in layers], **marks)
        zeros.set_title("outputs that are 0 (%)")
        zeros.set_xlim(0, 100)
        _gradients(gradient, layers, colours, theme)
        spread.set_yticks(places, [shortened(layer.label, 30) for layer in layers])
        spread.set_ylim(len(layers) - 0.4, -0.6)
        for axes in (spread, zeros, gradient):
            plain_axes(axes)
            axes.grid(visible=False, axis="y")
            axes.tick_params(axis="y", length=0)

    return picture(draw, 9.0, 1.1 + 0.24 * max(len(layers), 3), theme, DPI)


def _gradients(axes: Any, layers: Sequence[LayerStatistics], colours: Sequence[str], theme: Theme) -> None:
    """Points on a logarithmic scale, which has no 0: what is 0 or not finite has none; the farthest are at its ends."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    shown = [
        (place, min(max(layer.relative_gradient, _FARTHEST[0]), _FARTHEST[1]), colour)
        for place, (layer, colour) in enumerate(zip(layers, colours, strict=True))
        if layer.relative_gradient and math.isfinite(layer.relative_gradient)
    ]
    axes.set_title("gradient, that at the output = 1")
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(numticks=5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    values = [value for _, value, _ in shown]
    axes.set_xlim(min([VANISHING / 3, *(v / 3 for v in values)]), max([EXPLODING * 3, *(v * 3 for v in values)]))
    for limit in (VANISHING, EXPLODING):
        axes.axvline(limit, color=theme.warm, linewidth=1, linestyle="--")
    axes.axvline(1, color=theme.quiet, linewidth=1)
    axes.plot(values, [place for place, _, _ in shown], color=theme.quiet, linewidth=1, zorder=2)
    axes.scatter(values, [place for place, _, _ in shown], c=[colour for _, _, colour in shown], s=26, zorder=3)


def _finite(value: float) -> float:
    return value if math.isfinite(value) else 0.0
