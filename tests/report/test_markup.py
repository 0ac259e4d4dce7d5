from __future__ import annotations

import pytest
from html_page import Page

from gpunet.report.markup import Markup, joined, table, tag


def test_text_is_escaped_and_markup_is_not() -> None:
    assert tag("p", "a < b & c", tag("b", '"d"')) == "<p>a &lt; b &amp; c<b>&quot;d&quot;</b></p>"
    assert joined("<", [Markup("<br>"), ["&", None]]) == "&lt;<br>&amp;"


def test_attributes_are_escaped_too() -> None:
    assert tag("img", alt='"><script>', class_="x", aria_label="y") == (
        '<img alt="&quot;&gt;&lt;script&gt;" class="x" aria-label="y">'
    )
    assert tag("a", "x", href="#x", hidden=True, title=None, draggable=False) == '<a href="#x" hidden>x</a>'
    assert tag("td", name="a", width=3) == '<td name="a" width="3"></td>'


@pytest.mark.parametrize("text", ["</style><script>", "a\0b", "\x1b[31m", "\udc80", "\x7f", "\u202eabc", "\ufdd0"])
def test_no_text_breaks_out_or_holds_what_html_may_not_hold(text: str) -> None:
    written = tag("p", text)
    assert written.startswith("<p>")
    assert written.endswith("</p>")
    assert "<script" not in written
    written.encode("utf-8")
    inside = written.removeprefix("<p>").removesuffix("</p>")
    assert all(character.isprintable() for character in inside)
    assert inside != text


def test_what_stands_in_a_text_is_what_a_reader_sees() -> None:
    for text in ("日本", "naïve – “x”", "a\tb", "🐱", "👩\u200d🔬", "&amp;", "<b>"):
        page = Page(f"<!DOCTYPE html>\n{tag('html', tag('body', tag('h1', text)), lang='en')}")
        assert page.faults == []
        assert page.text() == " ".join(text.split())


def test_a_table_has_headings_for_its_columns_and_rows() -> None:
    written = table("what", ["name", "count"], [["a", "1"], ["b", "2"]], numbers=[1], foot=["all", "3"])
    assert '<caption>what</caption><thead><tr><th scope="col">name</th>' in written
    assert '<tr><th scope="row">b</th><td class="number">2</td></tr>' in written
    assert '<tfoot><tr><th scope="row">all</th><td class="number">3</td></tr></tfoot>' in written
    assert 'role="region" aria-label="what"' in written
    assert "tfoot" not in table("x", ["a"], [])
