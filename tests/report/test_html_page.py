"""The reader of pages sees what it is there to see."""

from __future__ import annotations

import pytest
from html_page import Page, check_page

from gpunet.report.markup import tag

GOOD = '<!DOCTYPE html>\n<html lang="en"><head></head><body><h1 id="a">A &lt; B</h1><a href="#a">up</a></body></html>\n'


def test_a_good_page_has_no_faults() -> None:
    assert check_page(GOOD).text() == "A < Bup"


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        ("<p>", "<p> is never closed"),
        ("</p>", "</p> in <body>"),
        ("<b><i></b></i>", "</b> in <i>"),
        ('<b id="a"></b>', "id 'a' is there twice"),
        ('<a href="#b">x</a>', "#b leads nowhere"),
        ('<a href="#a"></a>', "a link has no text"),
        ('<a href="https://example.org">x</a>', "leads outside"),
        ('<a href="other.html">x</a>', "leads outside"),
        ('<img src="//example.org/x.png" alt="x">', "leads outside"),
        ('<img src="x.png" alt="x">', "leads outside"),
        ('<img src="data:,">', "an image has no alternative text"),
        ('<source srcset="x.png">', "leads outside"),
        ("<script></script>", "<script> has no place here"),
        ('<b onclick="x">y</b>', "runs something"),
        ("<style>@import 'x';</style>", "the style fetches something"),
        ("<th>x</th>", "a table heading does not say"),
        ("<h3>x</h3>", "h3 follows h1"),
        ("<h1>x</h1>", "wanted one h1"),
        ('<b class="x" class="y"></b>', "has class twice"),
        ('<b aria-labelledby="z"></b>', "aria-labelledby z names nothing"),
    ],
)
def test_what_is_wrong_is_seen(wrong: str, fault: str) -> None:
    faults = Page(GOOD.replace("</body>", f"{wrong}</body>")).faults
    assert any(fault in found for found in faults), faults


def test_what_is_wrong_with_the_whole_is_seen() -> None:
    assert "does not begin with its document type" in Page(GOOD.removeprefix("<!DOCTYPE html>\n")).faults
    assert "the page does not say its language" in Page(GOOD.replace(' lang="en"', "")).faults
    assert any("text outside" in fault for fault in Page(GOOD + "x").faults)
    with pytest.raises(AssertionError):
        check_page(GOOD.replace("</h1>", "</h2>"))
    assert Page(f"<!DOCTYPE html>\n{tag('html', tag('h1', 'x'), lang='en')}").faults == []
