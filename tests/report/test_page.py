"""The page: well-formed, accessible, complete in itself, and true to what was measured; and how it is written."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from html_page import Page, check_page
from tiny_training import stripes

import gpunet as gn
from gpunet.report import make_report, page
from gpunet.report.contents import Contents
from gpunet.report.drawn import NAMES, Drawn
from gpunet.report.page import page as html_of

pytest.importorskip("matplotlib", reason="matplotlib, of the extra [plot], is not installed")


@pytest.fixture(scope="module")
def source(contents: Contents, drawn: dict[str, Drawn]) -> str:
    return html_of(contents, drawn)


@pytest.fixture(scope="module")
def read(source: str) -> Page:
    return check_page(source)


def test_it_is_well_formed_accessible_and_complete_in_itself(read: Page) -> None:
    assert len(read.named("section")) == 8
    assert all(element.attributes["aria-labelledby"] for element in read.named("section"))
    assert len(read.named("nav")) == len(read.named("main")) == 1
    assert [link.attributes["href"] for link in read.named("a")[:2]] == ["#main", "#findings"]


def test_it_forbids_itself_to_fetch_and_to_run_anything(read: Page) -> None:
    (policy,) = [e for e in read.named("meta") if e.attributes.get("http-equiv") == "Content-Security-Policy"]
    assert policy.attributes["content"] == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    assert read.named("meta").index(policy) < 3  # before anything that it is to govern


def test_hostile_names_are_text(source: str, read: Page, contents: Contents) -> None:
    for name in contents.table.names:
        assert " ".join(name.split()) in read.text()
    assert "<script" not in source
    assert "<img src=x" not in source
    assert "<b>spots" not in source
    assert read.named("title")[0].text == "stripes & <b>spots</b>"
    assert read.named("h1")[0].text == "stripes & <b>spots</b>"
    assert "a <i>run</i>" in read.text()
    assert any("alert" in image.attributes["alt"] for image in read.named("img"))


def test_it_says_what_was_measured(read: Page, contents: Contents) -> None:
    text = read.text()
    assert f"{100 * contents.accuracy:.1f} %" in text
    for answer in contents.mistakes:
        assert f"truth {100 * answer.truth_confidence:.1f} % · no. {answer.index}" in text
    rows = [element.text for element in read.named("tr")]
    for layer in contents.statistics:
        assert any(row.startswith(layer.label) for row in rows)
    for name, recall in zip(contents.table.names, contents.table.recall, strict=True):
        assert any(row.startswith(name) and f"{100 * recall:.1f} %" in row for row in rows)
    assert f"{contents.history.last['train_loss']:.4f}" in text


def test_the_confusion_matrix_is_also_a_table(read: Page, contents: Contents) -> None:
    rows = [element.text for element in read.named("tr")]
    for name, counts in zip(contents.table.names, contents.evaluation.confusion, strict=True):
        assert f"{name}{''.join(map(str, counts))}" in rows


def test_each_map_and_each_mistake_is_a_picture_of_its_own(read: Page, contents: Contents) -> None:
    alternatives = [image.attributes["alt"] for image in read.named("img")]
    assert contents.explanation is not None
    maps = sum(len(example.maps) for example in (*contents.explanation.right, *contents.explanation.wrong))
    assert sum(text.startswith("Grad-CAM for ") for text in alternatives) == maps
    assert sum(text.startswith("test image ") for text in alternatives) == 5 + len(contents.explanation.wrong)
    assert len(read.named("picture")) == 5  # curves, confusion, filters, layers, times


def test_what_is_absent_is_said_in_a_sentence(contents: Contents) -> None:
    history = type(contents.history)()
    bare = replace(contents, mistakes=(), explanation=None, filters=None, history=history, facts=())
    text = check_page(html_of(bare, page.draw_all(bare))).text()
    for sentence in (
        "The run has no metrics: no epoch has ended, or they are not kept.",
        "The net has no convolution, so there are no filters.",
        "The net has no convolution whose output has rows and columns, so there is no Grad-CAM.",
    ):
        assert sentence in text


@pytest.mark.parametrize("wrong", [0, 3])
def test_no_mistakes_and_none_to_be_shown_are_told_apart(contents: Contents, drawn, wrong: int) -> None:
    right = [replace(answer, predicted=answer.truth) for answer in contents.answers]
    shown = [*contents.answers[:wrong], *right[wrong:]] if wrong else right
    count = sum(not answer.right for answer in shown)
    text = check_page(html_of(replace(contents, mistakes=(), answers=shown), drawn)).text()
    assert ("There are none: every test image is given its own class." in text) == (count == 0)
    assert (f"None is shown of the {count} wrong answers." in text) == (count > 0)


def test_many_classes_have_no_table_of_thousands_of_cells(contents: Contents, drawn: dict[str, Drawn]) -> None:
    evaluation = replace(contents.evaluation, outputs=np.eye(50)[:24], class_names=tuple(map(str, range(50))))
    many = replace(contents, evaluation=evaluation)
    assert "The matrix as a table" not in check_page(html_of(many, drawn)).text()


# Writing


def test_files_are_written_and_nothing_else(trained: gn.Trainer, page_folder: Path) -> None:
    written = make_report(trained.net, trained.loss, stripes(15), page_folder / "deep", history=trained.history)
    assert written == page_folder / "deep" / "report.html"
    names = {file.name for file in written.parent.iterdir()}
    assert names - {"mistakes.png"} == {"report.html", *(f"{name}.png" for name in NAMES if name != "mistakes")}
    read = check_page(written.read_text(encoding="utf-8"))
    assert read.named("h1")[0].text == "A trained network"
    assert written.stat().st_size < 2e6


def test_a_later_report_replaces_an_earlier_one_with_all_its_pictures(trained: gn.Trainer, page_folder: Path) -> None:
    make_report(trained.net, trained.loss, stripes(15), page_folder, history=trained.history)
    (page_folder / "notes.txt").write_text("mine")
    net = gn.Sequential(gn.Flatten(), gn.Linear(36, 3))
    make_report(net, trained.loss, stripes(15), page_folder)
    names = {file.name for file in page_folder.iterdir()}
    assert names == {"report.html", "notes.txt", "confusion.png", "mistakes.png", "layers.png", "times.png"}


def test_a_failure_leaves_the_earlier_page_whole(
    trained: gn.Trainer, page_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = make_report(trained.net, trained.loss, stripes(15), page_folder).read_bytes()

    def broken(loss_of: object, labels: object) -> None:
        raise gn.DataError("no")

    with pytest.raises(gn.DataError):
        make_report(trained.net, broken, stripes(15), page_folder)
    write = page.write_atomically

    def full_disk(path: Path, content: bytes, flush: bool) -> None:
        if path.name == "report.html":
            raise gn.CheckpointError(f"{path}: could not be written: No space left on device.")
        write(path, content, flush)

    monkeypatch.setattr(page, "write_atomically", full_disk)
    with pytest.raises(gn.CheckpointError, match="No space left"):
        make_report(trained.net, trained.loss, stripes(12), page_folder)
    assert (page_folder / "report.html").read_bytes() == before
    assert not list(page_folder.glob(".*"))


def test_a_folder_that_cannot_be_one_is_said_before_anything_is_measured(trained: gn.Trainer, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")

    def never(*_: object) -> None:
        raise AssertionError

    with pytest.raises(gn.CheckpointError, match=r"file: cannot be a folder for the report: .* Choose another one"):
        make_report(trained.net, never, stripes(12), tmp_path / "file")


def test_without_matplotlib_nothing_is_made(
    trained: gn.Trainer, page_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gpunet.training.drawing.find_spec", lambda name: None)
    wanted = r"report: drawing needs matplotlib. Install it with: pip install .*plot"
    with pytest.raises(gn.DataError, match=wanted):
        make_report(trained.net, trained.loss, stripes(12), page_folder)
    assert not page_folder.exists()


def test_the_style_is_installed_with_the_package() -> None:
    root = Path(__file__).resolve().parents[2]
    assert re.search(r'"gpunet\.report": \["\*\.css"\]', (root / "setup.py").read_text(encoding="utf-8"))
    assert (root / "gpunet" / "report" / "style.css").is_file()
