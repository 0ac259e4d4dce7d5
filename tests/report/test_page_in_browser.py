"""The page as a browser shows it: no message, no request, every picture, on any screen and on paper."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import browsers
import pytest

from gpunet.report.contents import Contents
from gpunet.report.drawn import Drawn
from gpunet.report.page import page as html_of

pytestmark = browsers.required()
pytest.importorskip("matplotlib", reason="matplotlib, of the extra [plot], is not installed")

# The ratio of the luminances of a text and of what is behind it, as WCAG 2.1 defines it (success criterion 1.4.3).
CONTRAST = """
elements => elements.filter(e => e.checkVisibility() && e.innerText.trim()).map(element => {
  const channels = colour => colour.match(/[0-9.]+/g).map(Number);
  const luminance = colour => {
    const [r, g, b] = channels(colour).slice(0, 3).map(v => v / 255).map(
      v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  let behind = element;
  while (channels(getComputedStyle(behind).backgroundColor)[3] === 0) behind = behind.parentElement;
  const pair = [getComputedStyle(element).color, getComputedStyle(behind).backgroundColor].map(luminance);
  return [element.className, (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05)];
})
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=browsers.program())
        yield started
        started.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, contents: Contents, drawn: dict[str, Drawn]) -> str:
    path = Path(tmp_path_factory.mktemp("page") / "report.html")
    path.write_text(html_of(contents, drawn), encoding="utf-8")
    return path.as_uri()


class Opened:
    """A page in a browser that is offline, and all that it said and asked for."""

    def __init__(self, browser: Any, address: str, **settings: Any) -> None:
        self.context = browser.new_context(offline=True, **settings)
        self.page = self.context.new_page()
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.said.append(dialog.message), dialog.dismiss()))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(address)


@pytest.fixture
def opened(browser: Any, address: str) -> Iterator[Any]:
    contexts = []

    def open_page(width: int = 1100, scheme: str = "light") -> Opened:
        found = Opened(browser, address, viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(found.context)
        return found

    yield open_page
    for context in contexts:
        context.close()


def test_it_says_nothing_asks_for_nothing_and_runs_nothing(opened: Any, address: str) -> None:
    found = opened()
    for element in found.page.locator("summary").all():
        element.click()
    found.page.wait_for_load_state("networkidle")
    assert found.said == []
    assert [url for url in found.asked if not url.startswith("data:")] == [address]
    assert found.page.title() == "stripes & <b>spots</b>"


def test_a_message_and_a_request_would_be_seen(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "bad.html"
    path.write_text("<!DOCTYPE html><title>x</title><img src='absent.png'><script>console.error('heard')</script>")
    found = Opened(browser, path.as_uri())
    assert "heard" in found.said
    assert any(url.endswith("absent.png") for url in found.asked)
    found.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_picture_is_shown_in_the_readers_colours(opened: Any, scheme: str) -> None:
    page = opened(scheme=scheme).page
    images = page.evaluate("[...document.images].map(i => [i.complete && i.naturalWidth, i.alt])")
    assert len(images) > 15
    assert [alt for width, alt in images if not width] == []
    chosen = page.evaluate("[...document.querySelectorAll('picture')].map(p => p.children[1].currentSrc)")
    sources = page.evaluate(
        "[...document.querySelectorAll('picture')].map(p => [p.children[0].srcset, p.children[1].src])"
    )
    assert chosen == [dark if scheme == "dark" else light for dark, light in sources]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_against_what_is_behind_it(opened: Any, scheme: str) -> None:
    page = opened(scheme=scheme).page
    pairs = page.locator(
        "h1, h2, p, dt, dd, a:not(.skip), .sign, figcaption span, th, td, caption, summary"
    ).evaluate_all(CONTRAST)
    assert len(pairs) > 50
    assert [pair for pair in pairs if pair[1] < 4.5] == []


@pytest.mark.parametrize("width", [360, 800, 1600])
def test_it_fits_screens_of_any_width(opened: Any, width: int) -> None:
    page = opened(width=width).page
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    wide = page.evaluate("[...document.images].filter(i => i.getBoundingClientRect().right > innerWidth).length")
    assert wide == 0


def test_the_table_of_contents_leads_to_every_part(opened: Any) -> None:
    page = opened().page
    for link in page.locator("nav a").all():
        link.click()
        section = page.locator(f"section{link.get_attribute('href')}")
        page.wait_for_function(  # scrolling is smooth, and takes a while
            "e => { const t = e.getBoundingClientRect().top; return t >= -1 && t < innerHeight; }",
            arg=section.element_handle(),
        )
        assert section.locator("h2").is_visible()


def test_what_is_folded_opens(opened: Any) -> None:
    page = opened().page
    table = page.locator("details", has_text="All layers as a table").locator("table")
    assert not table.is_visible()
    page.get_by_text("All layers as a table").click()
    assert table.is_visible()


def test_on_paper_it_is_light_and_without_what_only_a_screen_has(opened: Any) -> None:
    page = opened(scheme="dark").page
    page.emulate_media(media="print")
    assert not page.locator("nav").is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    pairs = page.evaluate(
        "[...document.querySelectorAll('picture')].map(p => p.children[1].currentSrc === p.children[1].src)"
    )
    assert all(pairs)
    assert page.pdf(format="A4").startswith(b"%PDF-")
