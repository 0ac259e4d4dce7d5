"""What several parts of the page are made with."""

from __future__ import annotations

from gpunet.report.markup import Markup, Node, tag


def section(name: str, heading: str, *content: Node) -> Markup:
    """A part of the page that the table of contents leads to."""
    title = tag("h2", heading, id=f"{name}-heading")
    return tag("section", title, content, id=name, aria_labelledby=f"{name}-heading")


def lead(text: str) -> Markup:
    """What a part shows and how to read it."""
    return tag("p", text, class_="lead")


def absent(text: str) -> Markup:
    """Why a part has nothing to show."""
    return tag("p", text, class_="absent")


def folded(heading: str, *content: Node) -> Markup:
    """What is shown on demand."""
    return tag("details", tag("summary", heading), content)
