"""Run directories that are damaged, foreign or incomplete, and what `evaluate` and `predict` say of them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from safetensors.numpy import save_file

from gpunet.training.checkpoint import read_checkpoint, write_checkpoint


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished run, to be spoilt."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


@pytest.mark.parametrize("checkpoint", ["last", "best"])
def test_both_checkpoints_give_the_accuracy_of_their_epoch(gpunet, finished: Path, checkpoint: str) -> None:
    records = [json.loads(line) for line in (finished / "metrics.jsonl").read_text().splitlines()]
    record = records[-1]
    if checkpoint == "best":
        record = max(records, key=lambda record: record["validation_accuracy"])
    outcome = gpunet("evaluate", finished, "--checkpoint", checkpoint, "--backend", "numpy")
    lines = outcome.out.splitlines()
    assert lines[0].startswith(f"seed_network after {record['epoch']} epochs, on ")
    assert f"loss {record['validation_loss']:.4f}, accuracy {100 * record['validation_accuracy']:.2f} %" in lines[0]
    assert lines[-1] == f"test accuracy {100 * record['validation_accuracy']:.1f} %"


def test_the_loss_is_that_of_the_training_with_its_smoothing(gpunet, tiny, tmp_path: Path) -> None:
    words = ["--label-smoothing", 0.4, "--epochs", 2, "--quiet", "--run-dir", tmp_path / "run"]
    assert gpunet(*tiny, *words).status == 0
    record = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[-1])
    shown = float(gpunet("evaluate", tmp_path / "run").out.partition("loss ")[2].partition(",")[0])
    assert shown == pytest.approx(record["validation_loss"], abs=1e-4)  # as many digits as are shown


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda content: content[:-100], "is truncated or damaged"),
        (lambda content: content[:20], "is truncated: it holds 20 bytes"),
        (lambda content: b"", "is empty."),
        (lambda content: content[:-8] + bytes(8), "do not have the digest that was written with them"),
        (lambda content: b"PK\x03\x04" + content, "is a zip archive, as torch.save writes, whose content is pickled"),
        (lambda content: b"\x80\x04" + b"x" * 40, "is a Python pickle"),
        (lambda content: b"GIF89a" * 9, "is no safetensors file"),
    ],
)
@pytest.mark.parametrize("command", ["evaluate", "predict"])
def test_a_damaged_checkpoint(gpunet, run: Path, command: str, spoil, message: str) -> None:
    last = run / "last.safetensors"
    last.write_bytes(spoil(last.read_bytes()))
    words = [run / "picture.png"] if command == "predict" else []
    error = gpunet(command, run, *words).error
    assert error.startswith(f"gpunet {command}: error: {last}: ")
    assert message in error


def test_foreign_weights(gpunet, run: Path) -> None:
    last = run / "last.safetensors"
    save_file(read_checkpoint(last).weights, last)
    assert f"{last}: holds weights alone, not what a run keeps." in gpunet("evaluate", run).error


@pytest.mark.parametrize(
    ("key", "value"),
    [("sample_shape", [1, 6]), ("sample_shape", "x"), ("class_names", None), ("mean", 3), ("epoch", "two")],
)
def test_a_state_of_another_kind(gpunet, run: Path, key: str, value: object) -> None:
    last = run / "last.safetensors"
    checkpoint = read_checkpoint(last)
    checkpoint.state[key] = value
    write_checkpoint(last, checkpoint)
    assert f"{last}: holds weights alone, not what a run keeps." in gpunet("evaluate", run).error


def test_weights_of_another_net(gpunet, run: Path) -> None:
    config = run / "config.toml"
    config.write_text(config.read_text().replace("channels = 4", "channels = 5"))
    error = gpunet("evaluate", run).error
    assert f"{run / 'last.safetensors'}: " in error
    assert "0.weight" in error


@pytest.mark.parametrize("checkpoint", ["last", "best"])
def test_no_checkpoint_yet(gpunet, run: Path, checkpoint: str) -> None:
    file = run / f"{checkpoint}.safetensors"
    file.unlink()
    error = gpunet("evaluate", run, "--checkpoint", checkpoint).error
    assert f"{file}: there is no such checkpoint yet. Train with --resume to the end of an epoch." in error


def test_no_run(gpunet, run: Path, tmp_path: Path) -> None:
    assert (
        "none: there is no such folder, wanted a run of `gpunet train`." in gpunet("evaluate", tmp_path / "none").error
    )
    (run / "config.toml").unlink()
    assert f"{run}: holds no config.toml, wanted a run of `gpunet train`." in gpunet("evaluate", run).error
    assert "holds no config.toml" in gpunet("evaluate", run / "last.safetensors").error


def test_a_wrong_key_in_its_config(gpunet, run: Path) -> None:
    config = run / "config.toml"
    config.write_text("epoch = 3\n" + config.read_text())
    assert f"{config}: there is no key 'epoch'. Did you mean 'epochs'?" in gpunet("evaluate", run).error


def test_a_backend_that_is_not_there(gpunet, run: Path) -> None:
    assert "backend: got 'tpu', wanted one of auto, numpy, cupy." in gpunet("evaluate", run, "--backend", "tpu").error


def test_its_data_have_gone(gpunet, run: Path, stripes_folder: Path) -> None:
    config = run / "config.toml"
    config.write_text(config.read_text().replace(str(stripes_folder), str(run / "moved")))
    assert f"{run / 'moved'}: no such data set or folder" in gpunet("evaluate", run).error
    outcome = gpunet("evaluate", run, "--data", stripes_folder)
    assert outcome.out.splitlines()[0].startswith(f"seed_network after 2 epochs, on {stripes_folder}: ")
