from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tiny_training import stripes, trainer, write_stripes

from gpunet.cli import main


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    data = write_stripes(folder / "stripes")
    words = ["--model", "seed_network", "--epochs", 3, "--batch-size", 8, "--set", "label_smoothing=0.1", "--quiet"]
    assert main([str(word) for word in ("train", "--data", data, "--run-dir", folder / "run", *words)]) == 0
    return folder / "run"


def failed(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    assert main([str(word) for word in words]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err


def test_it_says_what_the_training_said(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    last = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    assert main(["evaluate", str(run)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("seed_network after 3 epochs, on ")
    assert lines[0].endswith(
        f"loss {last['validation_loss']:.4f}, accuracy {100 * last['validation_accuracy']:.2f} %, 15 images"
    )
    assert lines[2].split() == ["class", "precision", "recall", "F1", "support"]
    assert [line.split()[0] for line in lines[3:7]] == ["0", "1", "2", "all"]
    assert lines[-1] == f"test accuracy {100 * last['validation_accuracy']:.1f} %"


def test_confusion_and_best(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(run), "--confusion", "--checkpoint", "best", "--batch-size", "4"]) == 0
    lines = capsys.readouterr().out.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("true class"))
    rows = [[int(word) for word in line.split()[2:]] for line in lines[start + 1 : start + 4]]
    assert [sum(row) for row in rows] == [5, 5, 5]
    accuracy = sum(row[index] for index, row in enumerate(rows)) / 15
    assert lines[-1] == f"test accuracy {100 * accuracy:.1f} %"


def test_other_data_of_the_same_kind(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = write_stripes(tmp_path / "other", train=9, test=6)
    assert main(["evaluate", str(run), "--data", str(other)]) == 0
    assert ", 6 images" in capsys.readouterr().out
    assert "has images (1, 28, 28) of 10 classes, the run was trained on (1, 6, 6) of 3" in failed(
        capsys, "evaluate", run, "--data", "digits"
    )


def test_what_is_no_run_is_said(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "absent: there is no such folder, wanted a run" in failed(capsys, "evaluate", tmp_path / "absent")
    assert "holds no config.toml, wanted a run" in failed(capsys, "evaluate", tmp_path)
    trainer(run_dir=tmp_path / "program").fit(stripes(), 1)
    assert "names no model, as for nets made by a program" in failed(capsys, "evaluate", tmp_path / "program")
    shutil.copytree(run, tmp_path / "copy")
    (tmp_path / "copy" / "best.safetensors").unlink()
    assert "there is no such checkpoint yet" in failed(capsys, "evaluate", tmp_path / "copy", "--checkpoint", "best")
    shutil.copy(tmp_path / "program" / "last.safetensors", tmp_path / "copy" / "last.safetensors")
    assert "last.safetensors: the state does not fit" in failed(capsys, "evaluate", tmp_path / "copy")


def test_weights_that_no_run_wrote(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from safetensors.numpy import load_file, save_file

    shutil.copytree(run, tmp_path / "copy")
    last = tmp_path / "copy" / "last.safetensors"
    save_file(load_file(last), last)
    assert "holds weights alone, not what a run keeps" in failed(capsys, "evaluate", tmp_path / "copy")
    last.write_bytes(b"PK\x03\x04 and so on")
    assert "never unpickles" in failed(capsys, "evaluate", tmp_path / "copy")


def test_a_backend_that_does_not_work_here(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "backend 'cupy'" in failed(capsys, "evaluate", run, "--backend", "cupy")
