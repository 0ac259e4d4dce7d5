"""A folder of pictures as data, and pictures of any size and kind to predict."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import numpy as np
import pytest
from tiny_training import stripes

from gpunet.cli import main

Image = pytest.importorskip("PIL.Image", reason="Pillow, of the extra [data], is not installed")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty pictures of 6x6 in a sub-folder for each of three classes."""
    place = tmp_path_factory.mktemp("pictures")
    data = stripes(90)
    for name in data.class_names:
        (place / name).mkdir()
    for number, (image, label) in enumerate(zip(data.images, data.labels, strict=True)):
        Image.fromarray(image[0]).save(place / data.class_names[label] / f"{number}.png")
    return place


@pytest.fixture(scope="module")
def run(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on those pictures, enlarged to 8x10 in colours."""
    words = ["--set", "data_options.image_size=[8, 10]", "--set", "data_options.channels=3", "--epochs", 8]
    small = ["--model", "seed_network", "--set", "model_options.channels=4", "--batch-size", 8, "--quiet"]
    place = tmp_path_factory.mktemp("run") / "run"
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as err:
        status = main([str(word) for word in ("train", "--data", folder, *words, *small, "--run-dir", place)])
    assert status == 0, err.getvalue()
    return place


def shown(out: str) -> list[tuple[str, str, float]]:
    lines = [re.fullmatch(r"(.*): (\w+) (\d+\.\d) %", line) for line in out.splitlines()]
    assert all(lines), out
    return [(line[1], line[2], float(line[3])) for line in lines if line]


def test_pictures_of_any_size_and_mode(gpunet, run: Path, tmp_path: Path) -> None:
    upright, level, _ = (Image.fromarray(image[0]) for image in stripes(3, seed=5).images)
    upright.resize((10, 8)).convert("RGB").save(tmp_path / "fitting.png")
    upright.convert("RGBA").save(tmp_path / "transparent.png")
    level.resize((60, 60), Image.Resampling.NEAREST).save(tmp_path / "large.bmp")
    level.convert("P").save(tmp_path / "palette.gif")
    names = ["fitting.png", "transparent.png", "large.bmp", "palette.gif"]
    outcome = gpunet("predict", run, *(tmp_path / name for name in names))
    assert outcome.status == 0, outcome.err
    found = shown(outcome.out)
    assert [path for path, _, _ in found] == [str(tmp_path / name) for name in names]
    assert [label for _, label, _ in found] == ["upright", "upright", "level", "level"]
    assert all(100 / 3 < share <= 100 for _, _, share in found)


def test_evaluate_counts_every_class(gpunet, run: Path, folder: Path) -> None:
    outcome = gpunet("evaluate", run, "--confusion", "--batch-size", 5)
    assert outcome.status == 0
    lines = outcome.out.splitlines()
    assert lines[0].startswith(f"seed_network after 8 epochs, on {folder}: loss ")
    assert lines[0].endswith(", 18 images")
    start = next(number for number, line in enumerate(lines) if line.startswith("true class"))
    rows = [line.split() for line in lines[start + 1 : start + 4]]
    assert [row[1] for row in rows] == ["level", "neither", "upright"]
    matrix = np.array([[int(count) for count in row[2:]] for row in rows])
    assert matrix.sum(axis=1).tolist() == [6, 6, 6]
    assert lines[-1] == f"test accuracy {100 * np.trace(matrix) / 18:.1f} %"


def test_a_predicted_share_is_the_softmax_of_all(gpunet, run: Path, folder: Path) -> None:
    picture = next((folder / "upright").iterdir())
    found = shown(gpunet("predict", run, picture, "--top", 5).out)
    assert [path for path, _, _ in found] == [str(picture)] * 3
    assert {label for _, label, _ in found} == {"upright", "level", "neither"}
    assert sum(share for _, _, share in found) == pytest.approx(100, abs=0.16)
    assert shown(gpunet("predict", run, picture).out) == found[:1]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file."),
        (b"", "cannot be read as an image"),
        (b"no picture at all", "cannot be read as an image"),
        ("half", "cannot be read as an image"),
        ("deep", "has more than 8 bits a channel"),
    ],
)
def test_one_bad_picture_is_named(gpunet, run: Path, folder: Path, tmp_path: Path, content, message: str) -> None:
    good, bad = next((folder / "level").iterdir()), tmp_path / "bad.png"
    if content == "deep":
        Image.fromarray(np.zeros((6, 6), np.uint16)).save(bad)
    elif content == "half":
        bad.write_bytes(good.read_bytes()[:60])
    elif content is not None:
        bad.write_bytes(content)
    assert gpunet("predict", run, good, bad).error.startswith(f"gpunet predict: error: {bad}: {message}")


def test_pictures_of_two_sizes_want_an_image_size(gpunet, folder: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for side in (6, 7):
            Image.new("L", (side, side)).save(tmp_path / "data" / name / f"{side}.png")
    error = gpunet("train", "--data", tmp_path / "data", "--run-dir", tmp_path / "run").error
    assert "wanted one size. Give image_size to resize them all." in error
    assert not (tmp_path / "run").exists()
