"""`gpunet export` and `gpunet import`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import oracles
import pytest
from tiny_training import write_stripes

import gpunet as gn
from gpunet.cli import main

oracles.require("onnx")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    data = write_stripes(folder / "stripes")
    words = ["--model", "seed_network", "--epochs", 1, "--batch-size", 8, "--quiet"]
    assert main([str(word) for word in ("train", "--data", data, "--run-dir", folder / "run", *words)]) == 0
    return folder / "run"


def test_there_and_back(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, weights = tmp_path / "net.onnx", tmp_path / "net.safetensors"
    assert main(["export", str(run), str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{path}: seed_network after 1 epochs"
    assert lines[1].startswith("input: batches of images 1 x 6 x 6 on the scale 0 to 1, less 0.")
    assert lines[2].startswith("output: a score for each of 3 classes: ")
    assert main(["import", str(path), "--weights", str(weights)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{path}: opset 18, 5 layers"
    assert lines[1:3] == ["input input: batch x 1 x 6 x 6", "output output"]
    assert {line.split()[1] for line in lines[3:8]} == {"Conv2d", "ReLU", "MaxPool2d", "Flatten", "Linear"}
    assert lines[8] == "1,187 numbers that can be trained"
    stored = gn.onnx.load(path).state_dict()
    net = gn.models.create("seed_network", image_size=6, num_classes=3, in_channels=1)
    gn.load_weights(net, weights)
    for key, array in net.state_dict().items():
        np.testing.assert_array_equal(array, stored[key])


def test_failures_are_said_in_one_line(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", str(tmp_path / "absent.onnx")]) == 1
    assert "absent.onnx: there is no such file" in capsys.readouterr().err
    assert main(["export", str(run), str(tmp_path / "absent" / "net.onnx")]) == 1
    assert "could not be written" in capsys.readouterr().err
    assert main(["export", str(tmp_path), str(tmp_path / "net.onnx")]) == 1
    assert "wanted a run" in capsys.readouterr().err
