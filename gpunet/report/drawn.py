"""The pictures of a report, drawn once in light and once in dark colours."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from gpunet.report.contents import Contents
from gpunet.report.figures import (
    draw_confusion,
    draw_explanation,
    draw_filters,
    draw_layers,
    draw_mistakes,
    draw_times,
)
from gpunet.report.figures.text import DPI
from gpunet.report.markup import Markup, tag
from gpunet.report.pictures import data_uri
from gpunet.training.curves import draw_curves
from gpunet.training.drawing import DARK, LIGHT, Theme

NAMES = ("curves", "confusion", "mistakes", "grad_cam", "filters", "layers", "times")  # of all that a report can draw


@dataclass(frozen=True, slots=True)
class Drawn:
    """One picture.

    Attributes:
        light, dark: PNGs; ``dark`` is None where the page shows the parts one by one instead.
    """

    light: bytes
    dark: bytes | None = None

    def shown(self, alt: str) -> Markup:
        """On the page: dark where the reader's screen is, light on paper."""
        width, height = struct.unpack(">II", self.light[16:24])
        source = None
        if self.dark is not None:
            media = "screen and (prefers-color-scheme: dark)"
            source = tag("source", media=media, srcset=data_uri(self.dark))
        points = 96 / DPI
        image = tag(
            "img", src=data_uri(self.light), alt=alt, width=round(width * points), height=round(height * points)
        )
        return tag("picture", source, image)


def draw_all(contents: Contents) -> dict[str, Drawn]:
    """The pictures by their names; those for which there is nothing to draw are left out."""
    drawn = {}

    def both(name: str, draw: Callable[[Theme], bytes | None]) -> None:
        light, dark = draw(LIGHT), draw(DARK)
        if light is not None:
            drawn[name] = Drawn(light, dark)

    names = contents.table.names
    both("curves", lambda theme: draw_curves(contents.history, theme, DPI))
    both("confusion", lambda theme: draw_confusion(contents.evaluation.confusion, names, theme))
    if contents.mistakes:
        drawn["mistakes"] = Drawn(draw_mistakes(contents))
    if contents.explanation is not None:
        drawn["grad_cam"] = Drawn(draw_explanation(contents))
    filters = contents.filters
    if filters is not None:
        both("filters", lambda theme: draw_filters(filters.weights, theme))
    both("layers", lambda theme: draw_layers(contents.statistics, theme))
    both("times", lambda theme: draw_times(contents.times, theme))
    return drawn
