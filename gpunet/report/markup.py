"""HTML in which nothing is markup that was not made as markup: every other text is escaped."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence

VOID = frozenset({"br", "img", "link", "meta", "source"})  # elements that hold nothing and have no end

# Control characters; those that turn the direction of what follows; halves of characters, which names of files can
# hold; and what is no character.
_FORBIDDEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
)


class Markup(str):
    """Text that is HTML already; only `tag` and `joined` make it, from escaped parts."""

    __slots__ = ()


Node = str | Iterable["Node"] | None
Attribute = str | int | bool | None


def tag(name: str, /, *children: Node, **attributes: Attribute) -> Markup:
    """One element.

    Args:
        name: such as "p".
        children: texts, which are escaped, `Markup`, lists of both; None stands for nothing.
        attributes: an underscore at the end of a name is dropped (``class_``), others become dashes. True is an
            attribute without a value; None and False leave it out.
    """
    written = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in VOID:
        return Markup(f"<{name}{written}>")
    return Markup(f"<{name}{written}>{joined(*children)}</{name}>")


def joined(*children: Node) -> Markup:
    """The same without an element around it."""
    parts = []
    for child in children:
        if isinstance(child, Markup):
            parts.append(str(child))
        elif isinstance(child, str):
            parts.append(html.escape(_visible(child)))
        elif child is not None:
            parts.append(joined(*child))
    return Markup("".join(parts))


def table(
    caption: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[Node]],
    numbers: Iterable[int] = (),
    foot: Sequence[Node] | None = None,
) -> Markup:
    """A table that can be scrolled by itself; the first cell of a row is its heading.

    Args:
        caption: what it shows.
        columns: headings.
        rows: of as many cells.
        numbers: which columns hold numbers, to be aligned by their ends.
        foot: a last row, set apart.
    """
    right = frozenset(numbers)

    def cells(row: Sequence[Node]) -> list[Markup]:
        return [
            tag("th", cell, scope="row")
            if column == 0
            else tag("td", cell, class_="number" if column in right else None)
            for column, cell in enumerate(row)
        ]

    head = [
        tag("th", text, scope="col", class_="number" if column in right else None)
        for column, text in enumerate(columns)
    ]
    body = [
        tag("caption", caption),
        tag("thead", tag("tr", head)),
        tag("tbody", [tag("tr", cells(row)) for row in rows]),
        tag("tfoot", tag("tr", cells(foot))) if foot is not None else None,
    ]
    # Focusable, so that the keyboard can scroll what does not fit.
    return tag("div", tag("table", body), class_="scrolled", tabindex=0, role="region", aria_label=caption)


def _attribute(name: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    key = name.removesuffix("_").replace("_", "-")
    return f" {key}" if value is True else f' {key}="{html.escape(_visible(str(value)))}"'


def _visible(text: str) -> str:
    return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)
