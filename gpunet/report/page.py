"""The page: its parts put together, and written beside its pictures."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gpunet._version import __version__
from gpunet.data.dataset import Dataset
from gpunet.errors import CheckpointError
from gpunet.layers.module import Module
from gpunet.report import sections
from gpunet.report.contents import Contents, collect
from gpunet.report.drawn import NAMES, Drawn, draw_all
from gpunet.report.markup import Markup, tag
from gpunet.training.atomic_file import write_atomically
from gpunet.training.drawing import require_matplotlib
from gpunet.training.evaluation import Loss
from gpunet.training.history import History

PAGE = "report.html"

# The page runs nothing and fetches nothing, whatever a name in it may say.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"

_PARTS = (
    ("findings", "What stands out"),
    ("curves", "Learning curves"),
    ("classes", "Classes"),
    ("mistakes", "Mistakes"),
    ("explanation", "Where it looks"),
    ("filters", "Filters"),
    ("layers", "Layers"),
    ("times", "Time"),
)


def make_report(
    net: Module,
    loss: Loss,
    test: Dataset,
    folder: str | os.PathLike[str],
    *,
    history: History | None = None,
    title: str = "A trained network",
    facts: Sequence[tuple[str, str]] = (),
    batch_size: int = 64,
    mistakes: int = 24,
) -> Path:
    """Measure a trained classifier and write report.html, with its pictures as PNGs beside it.

    The page needs nothing but itself, so it can be sent and kept. An earlier report in the folder is replaced.

    Args:
        net: from images to scores of classes, on any backend; afterwards as it was.
        loss: ``value, gradient = loss(outputs, labels)``.
        test: images that were not trained on, with the mean and std that the training images were normalised with.
        folder: is made if it is not there.
        history: of the training, for the learning curves.
        title: of the page.
        facts: (what, value) to be told of the run.
        batch_size: images at a time, and of the batch that is timed.
        mistakes: how many of the worst are shown.

    Returns:
        the path of the page.

    Raises:
        DataError: matplotlib is not installed, or the outputs are no scores of classes.
        CheckpointError: the folder cannot be written; an earlier page in it is still whole.
    """
    require_matplotlib("report")
    place = _made(folder)
    with np.errstate(all="ignore"):  # a net with NaN in it has a report that says where
        contents = collect(
            net, loss, test, history=history, title=title, facts=facts, batch_size=batch_size, mistakes=mistakes
        )
        drawn = draw_all(contents)
        text = page(contents, drawn)
    return _write(place, text, drawn)


def page(contents: Contents, drawn: dict[str, Drawn]) -> str:
    """The whole page as HTML."""
    style = Path(__file__).with_name("style.css").read_text(encoding="utf-8")
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", contents.title),
        tag("link", rel="icon", href="data:,"),  # or the browser would ask for one
        tag("style", Markup(style)),
    )
    parts = [
        sections.standing_out(contents),
        sections.curves(contents, drawn),
        sections.classes(contents, drawn),
        sections.mistakes(contents),
        sections.explanation(contents),
        sections.filters(contents, drawn),
        sections.layers(contents, drawn),
        sections.times(contents, drawn),
    ]
    body = tag(
        "body",
        tag("a", "Skip to the content", class_="skip", href="#main"),
        tag("header", tag("h1", contents.title), sections.facts(contents)),
        tag("nav", tag("ul", [tag("li", tag("a", name, href=f"#{key}")) for key, name in _PARTS]), aria_label="Parts"),
        tag("main", parts, id="main"),
        tag("footer", tag("p", f"Made by gpunet {__version__}.", class_="quiet")),
    )
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"


def _made(folder: str | os.PathLike[str]) -> Path:
    """The folder, made before anything is measured: what cannot be written is said at once."""
    place = Path(folder)
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CheckpointError(
            f"{place}: cannot be a folder for the report: {error.strerror or error}. Choose another one."
        ) from error
    return place


def _write(place: Path, text: str, drawn: dict[str, Drawn]) -> Path:
    """The pictures, then the page by a rename, then nothing is left of pictures that an earlier report had."""
    for name, one in drawn.items():
        write_atomically(place / f"{name}.png", one.light, flush=False)
    write_atomically(place / PAGE, text.encode("utf-8"), flush=False)
    for name in NAMES:
        if name not in drawn:
            (place / f"{name}.png").unlink(missing_ok=True)
    return place / PAGE
