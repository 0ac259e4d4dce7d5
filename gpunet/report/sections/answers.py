"""What the net says of the test images: classes, mistakes, and where it looked."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from gpunet.report.contents import Contents, Example
from gpunet.report.drawn import Drawn
from gpunet.report.figures.confusion import NAMED
from gpunet.report.figures.sheets import tinted
from gpunet.report.findings import percent
from gpunet.report.markup import Markup, Node, table, tag
from gpunet.report.mistakes import Answer
from gpunet.report.pictures import as_png, as_rgb, data_uri, displayed_size, resized
from gpunet.report.sections.parts import absent, folded, lead, section

_MATRIX = 20  # classes up to which the confusion matrix is also a table


def classes(contents: Contents, drawn: dict[str, Drawn]) -> Markup:
    """Confusion matrix, most frequent mistakes, precision and recall."""
    made = contents.table
    rows: list[list[Node]] = [
        [name, percent(precision), percent(recall), percent(f1), f"{support:,}"]
        for name, precision, recall, f1, support in zip(
            made.names, made.precision, made.recall, made.f1, made.support, strict=True
        )
    ]
    numbered = "" if len(made.names) <= NAMED else " Classes are numbered from 0, in the order of the table."
    alt = f"Confusion matrix of {len(made.names)} classes; the most frequent mistakes stand in the table below."
    return section(
        "classes",
        "Classes",
        lead(
            "Each row of the matrix is a true class, each column what it was taken for: right answers on the diagonal, "
            f"mistakes beside it, stronger in colour where they are more frequent.{numbered}"
        ),
        tag("figure", drawn["confusion"].shown(alt)),
        _mix_ups(contents),
        _matrix(contents) if len(made.names) <= _MATRIX else None,
        tag("h3", "Precision and recall"),
        lead(
            "Precision: of the images given this class, how many are of it. Recall: of the images of this class, how "
            "many were given it. F1 is their harmonic mean. Low recall asks for more examples of the class; low "
            "precision says that other classes are drawn into it."
        ),
        table(
            "Precision, recall and F1 of each class",
            ["class", "precision", "recall", "F1", "images"],
            rows,
            numbers=range(1, 5),
            foot=[
                "mean of the classes",
                *(percent(_mean(shares)) for shares in (made.precision, made.recall, made.f1)),
                f"{made.support.sum():,}",
            ],
        ),
    )


def _mean(shares: NDArray[np.float64]) -> float:
    """Over the classes that have one."""
    known = shares[~np.isnan(shares)]
    return float(known.mean()) if known.size else math.nan


def _mix_ups(contents: Contents) -> Markup:
    if not contents.mix_ups:
        return absent("No image is taken for another class.")
    return table(
        "The most frequent mistakes",
        ["true class", "taken for", "images", "of the class"],
        [
            [contents.name(found.truth), contents.name(found.predicted), f"{found.count:,}", percent(found.share)]
            for found in contents.mix_ups
        ],
        numbers=(2, 3),
    )


def _matrix(contents: Contents) -> Markup:
    names = contents.table.names
    matrix = contents.evaluation.confusion
    return folded(
        "The matrix as a table",
        table(
            "Confusion matrix: rows are true classes, columns predicted ones",
            ["true class", *names],
            [[name, *(f"{count:,}" for count in row)] for name, row in zip(names, matrix, strict=True)],
            numbers=range(1, len(names) + 1),
        ),
    )


def mistakes(contents: Contents) -> Markup:
    """The images with the least probability for their true class."""
    wrong = sum(not answer.right for answer in contents.answers)
    if not contents.mistakes:
        text = "There are none: every test image is given its own class."
        if wrong:
            text = f"None is shown of the {wrong:,} wrong answers."
        return section("mistakes", "Worst mistakes", absent(text))
    figures = [
        _figure(
            [_picture(contents, answer)],
            tag("span", contents.name(answer.truth), class_="truth"),
            tag("span", f"said {contents.name(answer.predicted)}, {percent(answer.confidence, 0)}", class_="said"),
            tag("span", f"truth {percent(answer.truth_confidence)} · no. {answer.index}", class_="quiet"),
        )
        for answer in contents.mistakes
    ]
    return section(
        "mistakes",
        "Worst mistakes",
        lead(
            f"{len(figures)} of the {wrong:,} wrong answers, those with the least probability for the true class "
            "first: they cost the most. Look for wrong labels, for images that nobody could tell, and for what is "
            "missing in the training data. Their numbers count the test images from 0."
        ),
        tag("div", figures, class_="tiles"),
    )


def explanation(contents: Contents) -> Markup:
    """Grad-CAM over right answers and over mistakes."""
    heading, found = "Where it looks", contents.explanation
    if found is None:
        text = "The net has no convolution whose output has rows and columns, so there is no Grad-CAM."
        return section("explanation", heading, absent(text))
    rows, columns = found.size
    content: list[Node] = [
        lead(
            f"Grad-CAM at {found.layer}, {rows} x {columns} places: which places speak for a class, from violet (a "
            "little) to yellow (the most). The map is as coarse as that layer. If the colour lies beside the object, "
            "the net has learned something else that goes with the class, such as its background."
        )
    ]
    if found.right:
        content.append(tag("h3", "Right answers, one of a class"))
        content.append(tag("div", [_right(contents, example) for example in found.right], class_="tiles"))
    if found.wrong:
        content.append(tag("h3", "Mistakes: what spoke for the answer, and what for the truth"))
        content.append(tag("div", [_wrong(contents, example) for example in found.wrong], class_="tiles wide"))
    source = "Selvaraju et al. 2017, “Grad-CAM: Visual Explanations from Deep Networks”, arXiv:1610.02391."
    return section("explanation", heading, content, tag("p", source, class_="quiet"))


def _right(contents: Contents, example: Example) -> Markup:
    name = contents.name(example.answer.truth)
    ((_, image),) = tinted(contents, example)
    alt = f"Grad-CAM for {name} over test image {example.answer.index}"
    return _figure(
        [tag("img", src=data_uri(as_png(image)), alt=alt, width=image.shape[1], height=image.shape[0])],
        tag("span", name, class_="truth"),
        tag("span", f"{percent(example.answer.confidence, 0)} sure", class_="quiet"),
    )


def _wrong(contents: Contents, example: Example) -> Markup:
    answer = example.answer
    truth, predicted = contents.name(answer.truth), contents.name(answer.predicted)
    pictures = [_picture(contents, answer)]
    for label, image in tinted(contents, example):
        alt = f"Grad-CAM for {contents.name(label)} over test image {answer.index}"
        pictures.append(tag("img", src=data_uri(as_png(image)), alt=alt, width=image.shape[1], height=image.shape[0]))
    return _figure(
        pictures,
        tag("span", truth, class_="truth"),
        tag(
            "span", f"image · map of {predicted}, {percent(answer.confidence, 0)} sure · map of {truth}", class_="said"
        ),
    )


def _picture(contents: Contents, answer: Answer) -> Markup:
    """The image itself; the browser enlarges a small one."""
    image = as_rgb(contents.test.images[answer.index])
    rows, columns = displayed_size(*image.shape[:2])
    if rows < image.shape[0]:
        image = resized(image, (rows, columns))
    alt = f"test image {answer.index}: {contents.name(answer.truth)}, taken for {contents.name(answer.predicted)}"
    return tag("img", src=data_uri(as_png(image)), alt=alt, width=columns, height=rows, class_="pixels")


def _figure(pictures: Iterable[Markup], *lines: Markup) -> Markup:
    return tag("figure", tag("div", pictures, class_="pictures"), tag("figcaption", lines))
