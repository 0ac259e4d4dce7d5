"""What is inside the net: filters, activations, gradients, and times."""

from __future__ import annotations

import math

from gpunet.report.contents import Contents
from gpunet.report.drawn import Drawn
from gpunet.report.figures.filters import shown_filters
from gpunet.report.figures.layers import drawn_layers
from gpunet.report.figures.times import drawn_rows
from gpunet.report.findings import percent
from gpunet.report.layer_statistics import EXPLODING, VANISHING, LayerStatistics
from gpunet.report.markup import Markup, Node, table, tag
from gpunet.report.sections.parts import absent, folded, lead, section

_COLUMNS = "layer,output,mean,deviation,largest,zeros,dead,gradient,weights,their gradient".split(",")


def filters(contents: Contents, drawn: dict[str, Drawn]) -> Markup:
    """The first convolution's filters."""
    found = contents.filters
    if found is None:
        return section("filters", "First-layer filters", absent("The net has no convolution, so there are no filters."))
    count, channels, rows, columns = shown_filters(found.weights).shape
    which = f"The {count}" if count == found.count else f"The first {count} of {found.count}"
    colours = "in colours, grey being 0" if channels == 3 else "blue below 0, red above"
    each = "" if channels in (1, 3) else f", a tile for each of {channels} channels"
    return section(
        "filters",
        "First-layer filters",
        lead(
            f"{which} filters of {found.layer}, {rows} x {columns} pixels{each}, {colours}, all on one scale. Edges, "
            "spots and gradients of light are what a trained first layer shows; noise in all of them says that it "
            "was trained too briefly or decayed too little, equal ones that they are too many."
        ),
        tag("figure", drawn["filters"].shown(f"{count} filters of {found.layer}, {rows} x {columns} pixels each.")),
    )


def layers(contents: Contents, drawn: dict[str, Drawn]) -> Markup:
    """Activations and gradients of each layer, and what is wrong with them."""
    statistics = contents.statistics
    ill = [layer for layer in statistics if layer.problems]
    shown = len(drawn_layers(statistics))
    part = "" if shown == len(statistics) else f" The picture shows {shown} of {len(statistics)} layers."
    alt = f"Outputs and gradients of {shown} layers; " + (
        f"{len(ill)} of all layers are marked, and said in words below." if ill else "none is conspicuous."
    )
    problems: Node = tag("p", "Nothing is conspicuous in any layer.")
    if ill:
        problems = tag(
            "ul",
            [tag("li", tag("strong", layer.label), ": ", " ".join(layer.problems)) for layer in ill],
            class_="plain",
        )
    return section(
        "layers",
        "Activations and gradients",
        lead(
            f"Over {contents.statistics_images:,} test images, in inference mode. The gradient is that of one image's "
            f"loss by a layer's output, compared with that at the net's output: below {VANISHING:g} it has vanished "
            f"on its way back, above {EXPLODING:g} it explodes. A unit that is 0 for every image is dead: no gradient "
            f"passes it.{part}"
        ),
        tag("figure", drawn["layers"].shown(alt)),
        tag("h3", "Conspicuous layers"),
        problems,
        folded(
            "All layers as a table",
            table(
                "Statistics of each layer",
                _COLUMNS,
                [_statistics(layer) for layer in statistics],
                numbers=range(1, 10),
            ),
        ),
    )


def _statistics(layer: LayerStatistics) -> list[Node]:
    dead = "" if layer.dead is None else f"{layer.dead} of {layer.units}"
    return [
        layer.label,
        " x ".join(map(str, layer.output_shape)),
        _number(layer.mean),
        _number(layer.std),
        _number(layer.largest),
        percent(layer.zeros),
        dead,
        _number(layer.relative_gradient),
        _number(layer.weight),
        _number(layer.weight_gradient),
    ]


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.3g}" if math.isfinite(value) else str(value)


def times(contents: Contents, drawn: dict[str, Drawn]) -> Markup:
    """How long each layer takes."""
    found = contents.times
    shown = len(drawn_rows(found))
    part = "" if shown == len(found.shown) else f" The picture shows the {shown} slowest."
    whole: Node = None
    if found.whole_forward is not None and found.whole_backward is not None:
        seconds = found.whole_forward + found.whole_backward
        rate = f", {contents.times_batch / seconds:,.0f} images a second" if seconds else ""
        forward, backward = _milliseconds(found.whole_forward), _milliseconds(found.whole_backward)
        whole = tag(
            "p",
            f"Computed as in training, with neighbouring layers in one go, forward takes {forward} and backward "
            f"{backward}{rate}, the optimizer's step left out.",
        )
    slowest = max(found.rows, key=lambda row: row.total)
    share = percent(found.share(slowest))
    alt = f"Time of {shown} layers, forward and backward; the slowest is {slowest.label}, {share}."
    return section(
        "times",
        "Time",
        lead(
            f"Forward and backward of a batch of {contents.times_batch} images on {found.backend}, layer by layer: the "
            f"median of {found.passes}. What takes the most is worth making smaller first.{part}"
        ),
        tag("figure", drawn["times"].shown(alt)),
        whole,
        folded(
            "The times as a table",
            table(
                "Time of each layer",
                ["layer", "forward", "backward", "share"],
                [
                    [row.label, _milliseconds(row.forward), _milliseconds(row.backward), percent(found.share(row))]
                    for row in found.shown
                ],
                numbers=range(1, 4),
                foot=["all", _milliseconds(found.forward), _milliseconds(found.backward), ""],
            ),
        ),
    )


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.3f} ms"
