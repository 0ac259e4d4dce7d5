"""A strict reader of HTML, and what must hold for a page that stands alone."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import pairwise

from gpunet.report.markup import VOID

HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
# Where an address may stand in HTML; a page that is complete in itself has nothing but data and anchors there.
ADDRESSES = (
    "href",
    "src",
    "srcset",
    "action",
    "data",
    "poster",
    "background",
    "formaction",
    "cite",
    "manifest",
    "ping",
)


@dataclass
class Element:
    """A start tag, and the text that stands in it."""

    name: str
    attributes: dict[str, str]
    text: str = ""


@dataclass
class Page(HTMLParser):
    """A document, read without any of the forgiveness of browsers.

    Attributes:
        elements: in the order of their start tags.
        faults: what is wrong.
    """

    source: str
    elements: list[Element] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[Element] = []
        self.feed(self.source)
        self.close()
        self.faults += [f"<{element.name}> is never closed" for element in self.open]
        if not self.source.startswith("<!DOCTYPE html>\n<html "):
            self.faults.append("does not begin with its document type")
        self._check_ids()
        self._check_headings()
        for element in self.elements:
            self._check_element(element)

    __hash__ = object.__hash__

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        self.faults += [f"<{tag}> has {name} twice" for name in names if names.count(name) > 1]
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open[-1].name != tag:
            inside = f"in <{self.open[-1].name}>" if self.open else "outside of everything"
            self.faults.append(f"</{tag}> {inside}")
        else:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        for element in self.open:
            element.text += data
        if "<" in data and not (self.open and self.open[-1].name == "style") and not self._escaped(data):
            self.faults.append(f"a bare < in {data[:40]!r}")
        if not self.open and data.strip():
            self.faults.append(f"text outside: {data[:40]!r}")

    def _escaped(self, data: str) -> bool:
        """Whether each < of the text stood as a character reference in the source."""
        return data.count("<") <= self.source.count("&lt;")

    def named(self, *names: str) -> list[Element]:
        """The elements of these names."""
        return [element for element in self.elements if element.name in names]

    def text(self) -> str:
        """All text of the body, with single spaces."""
        (body,) = self.named("body")
        return " ".join(body.text.split())

    def _check_ids(self) -> None:
        ids = [element.attributes["id"] for element in self.elements if "id" in element.attributes]
        self.faults += [f"id {name!r} is there twice" for name in sorted(set(ids)) if ids.count(name) > 1]
        for element in self.elements:
            target = element.attributes.get("href", "")
            labels = element.attributes.get("aria-labelledby")
            if target.startswith("#") and target[1:] not in ids:
                self.faults.append(f"{target} leads nowhere")
            if labels is not None and labels not in ids:
                self.faults.append(f"aria-labelledby {labels} names nothing")

    def _check_headings(self) -> None:
        levels = [HEADINGS.index(element.name) + 1 for element in self.named(*HEADINGS)]
        if levels[:1] != [1] or levels.count(1) != 1:
            self.faults.append(f"headings begin with {levels[:1]}, wanted one h1")
        self.faults += [f"h{level} follows h{before}" for before, level in pairwise(levels) if level > before + 1]

    def _check_element(self, element: Element) -> None:
        name, attributes = element.name, element.attributes
        for key, value in attributes.items():
            allowed = value.startswith("data:") or (key == "href" and value.startswith("#"))
            if key in ADDRESSES and not allowed:
                self.faults.append(f"<{name} {key}={value[:60]!r}> leads outside")
            if key.startswith("on"):
                self.faults.append(f"<{name} {key}> runs something")
        if name in {"script", "iframe", "object", "embed", "base", "form"}:
            self.faults.append(f"<{name}> has no place here")
        if name == "img" and not attributes.get("alt", "").strip():
            self.faults.append("an image has no alternative text")
        if name == "th" and attributes.get("scope") not in {"row", "col"}:
            self.faults.append("a table heading does not say what it is the heading of")
        if name == "a" and not element.text.strip():
            self.faults.append("a link has no text")
        if name == "html" and not attributes.get("lang"):
            self.faults.append("the page does not say its language")
        if name == "style" and re.search(r"url\(|@import|expression\(", element.text):
            self.faults.append("the style fetches something")


def check_page(source: str) -> Page:
    """The page, which must be well-formed, accessible and complete in itself."""
    page = Page(source)
    assert page.faults == []
    assert len(page.named("table")) == len(page.named("caption"))
    return page
