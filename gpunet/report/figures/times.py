"""Times of the layers as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gpunet.report.figures.text import DPI, shortened
from gpunet.training.drawing import LIGHT, Theme, picture, plain_axes
from gpunet.training.layer_times import LayerTime, LayerTimes

MANY = 40  # layers; of more, the slowest are drawn


def drawn_rows(times: LayerTimes) -> Sequence[LayerTime]:
    """The layers that the picture shows, in the order in which they compute."""
    slowest = sorted(times.shown, key=lambda row: row.total, reverse=True)[:MANY]
    kept = {row.name for row in slowest}
    return [row for row in times.shown if row.name in kept]


def draw_times(times: LayerTimes, theme: Theme = LIGHT) -> bytes:
    """A bar for each layer: forward, then backward.

    Args:
        times: what was measured.
        theme: the colours.

    Returns:
        a PNG.
    """
    rows = drawn_rows(times)

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        places = range(len(rows))
        forward = [1000 * row.forward for row in rows]
        backward = [1000 * row.backward for row in rows]
        axes.barh(places, forward, height=0.62, color=theme.quiet, label="forward")
        axes.barh(places, backward, left=forward, height=0.62, color=theme.accent, label="backward")
        for place, row in enumerate(rows):
            axes.annotate(
                f"{100 * times.share(row):.0f} %",
                (1000 * row.total, place),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                size="small",
            )
        axes.set_yticks(places, [shortened(row.label, 34) for row in rows])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.margins(x=0.08)
        axes.set_xlabel("milliseconds for a batch")
        plain_axes(axes)
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0)
        figure.legend(loc="outside upper center", ncols=2)

    return picture(draw, 9.0, 1.4 + 0.24 * max(len(rows), 3), theme, DPI)
