from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from tiny_training import stripes, write_stripes

from gpunet.cli import main

Image = pytest.importorskip("PIL.Image", reason="Pillow, of the extra [data], is not installed")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    data = write_stripes(folder / "stripes", train=96)
    words = ["--model", "seed_network", "--epochs", 6, "--batch-size", 8, "--quiet"]
    assert main([str(word) for word in ("train", "--data", data, "--run-dir", folder / "run", *words)]) == 0
    return folder / "run"


def test_class_and_probability_of_each_picture(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    test = stripes(3, seed=8)
    for number, image in enumerate(test.images):
        Image.fromarray(image[0]).save(tmp_path / f"{number}.png")
    # Larger and in colours: it is brought to what the model takes.
    large = np.kron(test.images[1, 0], np.ones((4, 4), np.uint8))
    Image.fromarray(np.stack([large] * 3, axis=-1)).save(tmp_path / "large.png")
    paths = [str(tmp_path / name) for name in ("0.png", "1.png", "2.png", "large.png")]
    assert main(["predict", str(run), *paths]) == 0
    lines = capsys.readouterr().out.splitlines()
    for line, path, label in zip(lines, paths, ("0", "1", "2", "1"), strict=True):
        found = re.fullmatch(rf"{re.escape(path)}: (\d) (\d+\.\d) %", line)
        assert found
        assert found[1] == label
        assert 40 < float(found[2]) <= 100


def test_several_classes_sum_to_one(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(stripes(1).images[0, 0]).save(tmp_path / "one.png")
    assert main(["predict", str(run), str(tmp_path / "one.png"), "--top", "9", "--checkpoint", "best"]) == 0
    shares = [float(line.split()[-2]) for line in capsys.readouterr().out.splitlines()]
    assert len(shares) == 3
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(100, abs=0.2)


def test_pictures_that_cannot_be_read(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text.png").write_text("no picture")
    for name, said in [("absent.png", "no such file"), ("text.png", "cannot be read as an image")]:
        assert main(["predict", str(run), str(tmp_path / name)]) == 1
        captured = capsys.readouterr()
        assert captured.out == ""
        assert said in captured.err
        assert len(captured.err.splitlines()) == 1
