"""`gpunet report`: a page of a run, and what it says of runs that cannot have one."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from html_page import check_page
from tiny_training import stripes, trainer

from gpunet.cli import main
from gpunet.report import page
from gpunet.report.drawn import NAMES, Drawn
from gpunet.report.pictures import as_png
from gpunet.training.checkpoint import read_checkpoint
from gpunet.training.safetensors_file import write_arrays
from gpunet.weights_file import read_arrays

pytest.importorskip("matplotlib", reason="matplotlib, of the extra [plot], is not installed")


@pytest.fixture
def pictures_are_drawn() -> None:
    """Asked for by the tests that want more than one grey pixel of each."""


@pytest.fixture(autouse=True)
def matplotlib_is_not_waited_for_either(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes seconds, and tests/report judges it."""
    if "pictures_are_drawn" not in request.fixturenames:
        pixel = as_png(np.zeros((1, 1, 3), np.uint8))
        names = [name for name in NAMES if name != "curves"]
        monkeypatch.setattr(page, "draw_all", lambda contents: {name: Drawn(pixel) for name in names})


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished run, to be spoilt."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


def test_a_page_and_its_pictures_beside_it(gpunet, run: Path, stripes_folder: Path, pictures_are_drawn: None) -> None:
    outcome = gpunet("report", run)
    assert outcome.status == 0, outcome.err
    written = run / "report" / "report.html"
    assert outcome.out == f"{written}\n"
    assert outcome.err == f"seed_network on {stripes_folder.name}: measuring with 15 images on numpy\n"
    text = check_page(written.read_text(encoding="utf-8")).text()
    last = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    assert text.startswith(f"Skip to the contentseed_network on {stripes_folder.name}test accuracy")
    assert f"test accuracy{100 * last['validation_accuracy']:.1f} %" in text
    assert f"test loss{last['validation_loss']:.4f}" in text
    for fact in ("last, after 2 of 2 epochs", "sgd, lr 0.05", "crop:1,flip", "1 x 6 x 6", "cosine"):
        assert fact in text
    pictures = {file.name for file in written.parent.iterdir()} - {"report.html"}
    assert {"curves.png", "confusion.png", "filters.png", "layers.png", "times.png", "grad_cam.png"} <= pictures
    assert str(stripes_folder) not in written.read_text(encoding="utf-8")  # a page to be sent tells no paths


def test_its_options(gpunet, run: Path, tmp_path: Path, stripes_folder: Path) -> None:
    words = ["--checkpoint", "best", "--output", tmp_path / "out", "--mistakes", 0, "--batch-size", 4]
    outcome = gpunet("report", run, "--backend", "numpy", "--data", stripes_folder, *words)
    assert outcome.out == f"{tmp_path / 'out' / 'report.html'}\n"
    text = check_page((tmp_path / "out" / "report.html").read_text(encoding="utf-8")).text()
    assert "best, after" in text
    assert "a batch of 4 images" in text
    assert not (run / "report").exists()
    assert "wanted an integer of at least 0, got -1" in gpunet("report", run, "--mistakes", -1).usage_error


def test_a_run_with_a_report_goes_on(gpunet, run: Path, tiny: list[str]) -> None:
    assert gpunet("report", run).status == 0
    assert gpunet("train", "--run-dir", run, "--resume", "--quiet").status == 0
    assert gpunet("evaluate", run).status == 0


def refused(gpunet, run: Path, *words: object) -> str:
    """The error; nothing may have been written."""
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")} if run.is_dir() else {}
    error: str = gpunet("report", run, *words).error
    assert ({path: path.stat().st_mtime_ns for path in run.rglob("*")} if run.is_dir() else {}) == before
    return error


def test_a_run_without_checkpoints(gpunet, run: Path) -> None:
    for file in run.glob("*.safetensors"):
        file.unlink()
    assert f"{run / 'last.safetensors'}: there is no such checkpoint yet. Train with --resume" in refused(gpunet, run)


def test_no_run_and_the_run_of_a_program(gpunet, tmp_path: Path) -> None:
    assert "none: there is no such folder, wanted a run of `gpunet train`." in refused(gpunet, tmp_path / "none")
    trainer(run_dir=tmp_path / "program").fit(stripes(), 1)
    assert "names no model, as for nets made by a program" in refused(gpunet, tmp_path / "program")


def test_its_data_have_gone(gpunet, run: Path, stripes_folder: Path) -> None:
    config = run / "config.toml"
    config.write_text(config.read_text().replace(str(stripes_folder), str(run / "moved")))
    assert f"{run / 'moved'}: no such data set or folder" in refused(gpunet, run)
    assert "has images (1, 28, 28) of 10 classes, the run was trained on (1, 6, 6)" in refused(
        gpunet, run, "--data", "digits"
    )
    assert gpunet("report", run, "--data", stripes_folder).status == 0


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"{", "line 2 is no record of an epoch: '{'"),
        (b"[1, 2]", "line 2 is no record of an epoch: '[1, 2]'"),
        (b'{"epoch": 2}', "line 2 is no record of an epoch"),
        (b'{"epoch": 2, "train_loss": "low"}', "line 2 is no record of an epoch"),
        (b'{"epoch": 2, "train_loss": 0.5, "lr": true}', "line 2: lr is True, wanted a number"),
        (b"\xff\xfe", "cannot be read: 'utf-8' codec"),
        (b"\0" * 100, "line 2 is no record of an epoch"),
    ],
)
def test_damaged_metrics(gpunet, run: Path, line: bytes, message: str) -> None:
    metrics = run / "metrics.jsonl"
    good = metrics.read_bytes()
    metrics.write_bytes(good.splitlines(keepends=True)[0] + line + b"\n")
    error = refused(gpunet, run)
    assert f"gpunet report: error: {metrics}: {message}" in error
    assert f"remove the file, and `gpunet train --run-dir {run} --resume` writes it anew." in error
    metrics.unlink()
    assert gpunet("train", "--run-dir", run, "--resume", "--quiet").status == 0
    assert metrics.read_bytes() == good


def test_without_metrics_the_page_says_so(gpunet, run: Path) -> None:
    (run / "metrics.jsonl").unlink()
    assert gpunet("report", run).status == 0
    read = check_page((run / "report" / "report.html").read_text(encoding="utf-8"))
    assert "The run has no metrics: no epoch has ended, or they are not kept." in read.text()


def test_a_run_that_has_just_begun(gpunet, tiny: list[str], tmp_path: Path) -> None:
    """Its first checkpoint holds the weights of before the first epoch."""
    folder = tmp_path / "run"
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        assert main([*tiny, "--epochs", "1", "--run-dir", str(folder)]) == 0
    last = folder / "last.safetensors"
    arrays, value = read_arrays(last)
    assert value is not None
    value["state"]["epoch"] = 0
    write_arrays(last, arrays, value)
    (folder / "metrics.jsonl").write_text("")
    assert gpunet("report", folder).status == 0
    assert "last, after 0 of 1 epochs" in (folder / "report" / "report.html").read_text(encoding="utf-8")


def newer(run: Path, version: str) -> None:
    config = run / "config.toml"
    lines = [
        f'gpunet = "{version}"' if line.startswith("gpunet = ") else line for line in config.read_text().splitlines()
    ]
    config.write_text("\n".join(lines))


@pytest.mark.parametrize("command", ["report", "evaluate"])
def test_a_run_of_a_newer_version(gpunet, run: Path, command: str) -> None:
    newer(run, "99.2.0")
    assert gpunet(command, run).status == 0  # as long as it holds nothing new
    config = run / "config.toml"
    config.write_text("warp = 9\n" + config.read_text())
    error = gpunet(command, run).error
    assert f"{config}: the run is of gpunet 99.2.0, newer than this " in error
    assert "which cannot read it" in error
    assert "there is no key 'warp'" in error
    assert "Upgrade: " in error
    newer(run, "0.0.9")
    assert f"{config}: there is no key 'warp'" in gpunet(command, run).error


def test_a_model_or_a_checkpoint_of_a_newer_version(gpunet, run: Path) -> None:
    newer(run, "99.2.0")
    config = run / "config.toml"
    text = config.read_text()
    config.write_text(text.replace("seed_network", "transformer"))
    assert "the run is of gpunet 99.2.0" in refused(gpunet, run)
    config.write_text(text)
    last = run / "last.safetensors"
    arrays, value = read_arrays(last)
    assert value is not None
    write_arrays(last, arrays, {**value, "format": 99})
    error = refused(gpunet, run)
    assert "has format 99, of a newer gpunet" in error
    assert "Upgrade: " in error


def test_a_damaged_checkpoint(gpunet, run: Path) -> None:
    last = run / "last.safetensors"
    last.write_bytes(last.read_bytes()[:-50])
    assert f"{last}: is truncated or damaged" in refused(gpunet, run)


def test_a_failure_leaves_an_earlier_report_as_it_was(gpunet, run: Path) -> None:
    assert gpunet("report", run).status == 0
    (run / "metrics.jsonl").write_text("{")
    refused(gpunet, run)


def test_without_matplotlib(gpunet, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gpunet.training.drawing.find_spec", lambda name: None)
    error = refused(gpunet, run)
    assert error.startswith("gpunet report: error: report: drawing needs matplotlib. Install it with: ")


def test_a_folder_that_cannot_be_written(gpunet, run: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    error = gpunet("report", run, "--output", tmp_path / "file")
    assert error.status == 1
    assert f"{tmp_path / 'file'}: cannot be a folder for the report" in error.err


def test_weights_that_are_not_finite(gpunet, run: Path, pictures_are_drawn: None) -> None:
    """A damaged net has a report too: it is then that one looks."""
    last = run / "last.safetensors"
    checkpoint = read_checkpoint(last)
    arrays, value = read_arrays(last)
    name = next(iter(checkpoint.weights))
    arrays[name] = arrays[name] * float("nan")
    write_arrays(last, arrays, value)
    outcome = gpunet("report", run)
    assert outcome.status == 0, outcome.err
    text = check_page((run / "report" / "report.html").read_text(encoding="utf-8")).text()
    assert "NaN or infinity comes out of 0 Conv2d" in text
