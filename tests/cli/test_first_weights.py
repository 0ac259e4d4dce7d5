"""`gpunet train --weights FILE`: what a training starts from."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest

import gpunet as gn
from gpunet.cli.first_weights import load_first_weights


def net(classes: int = 3, seed: int = 0) -> gn.Module:
    return gn.models.seed_network(num_classes=classes, image_size=6, channels=4, seed=seed)


def saved(path: Path, **settings: int) -> Path:
    gn.save_weights(net(**settings), path)
    return path


def test_a_training_starts_from_them(gpunet, tiny: list[str], tmp_path: Path) -> None:
    file = saved(tmp_path / "first.safetensors", seed=7)
    run = tmp_path / "run"
    outcome = gpunet(*tiny, "--weights", file, "--lr", 0, "--run-dir", run)
    assert outcome.status == 0
    assert outcome.err.splitlines()[0] == f"first weights: {file}"
    trained = net()
    trained.load_state_dict(run / "last.safetensors")
    for name, array in net(seed=7).state_dict().items():
        np.testing.assert_array_equal(trained.state_dict()[name], array, err_msg=name)


def test_a_last_layer_for_other_classes_starts_anew(tmp_path: Path) -> None:
    file = saved(tmp_path / "first.safetensors", classes=5, seed=7)
    mine, first = net(seed=1), net(seed=1).state_dict()
    said = load_first_weights(mine, file)
    assert said.endswith("all but those of '4', which is for another number of classes and starts anew")
    after = mine.state_dict()
    for name in ("4.weight", "4.bias"):
        np.testing.assert_array_equal(after[name], first[name])
    np.testing.assert_array_equal(after["0.weight"], net(classes=5, seed=7).state_dict()["0.weight"])


def test_one_to_train_on_and_one_to_stay(tmp_path: Path) -> None:
    """A last layer of as many classes is taken, also where it has the shape of another layer's."""
    file = saved(tmp_path / "first.safetensors", seed=7)
    mine = net(seed=1)
    assert load_first_weights(mine, file) == f"first weights: {file}"
    assert all(np.array_equal(mine.state_dict()[name], array) for name, array in net(seed=7).state_dict().items())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            gn.models.seed_network(image_size=6, channels=5, num_classes=3, seed=0),
            "of another shape: 0.weight: got (5, 1",
        ),
        (
            gn.models.seed_network(image_size=8, channels=4, num_classes=5, seed=0),
            "of another shape: 4.weight: got (5, 64)",
        ),
        (gn.Sequential(gn.Linear(2, 2)), "missing: 4.weight, 4.bias; of another shape: 0.weight: got (2, 2), wanted"),
        (b"\x80\x04 a pickle", "gpunet never unpickles. Convert it where PyTorch is installed: python -c "),
        (None, "there is no such file"),
    ],
)
def test_what_does_not_fit_is_refused_before_a_folder_is_made(
    gpunet, tiny: list[str], tmp_path: Path, content: object, message: str
) -> None:
    file = tmp_path / "weights.pt"
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif isinstance(content, gn.Module):
        gn.save_weights(content, file)
    error = gpunet(*tiny, "--weights", file, "--run-dir", tmp_path / "run").error
    assert f"{file}: " in error
    assert message in error
    assert not (tmp_path / "run").exists()


def test_a_resumed_run_needs_the_file_no_more(gpunet, tiny: list[str], tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = saved(tmp_path / "first.safetensors", seed=7)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    words = [word for word in tiny if word not in ("--schedule", "cosine")] + ["--schedule", "none"]
    assert gpunet(*words, "--weights", "first.safetensors", "--run-dir", whole).status == 0
    assert tomllib.loads((whole / "config.toml").read_text())["weights"] == str(file)
    assert gpunet(*words, "--weights", file, "--epochs", 1, "--run-dir", parts).status == 0
    file.unlink()
    outcome = gpunet("train", "--run-dir", parts, "--resume", "--epochs", 2)
    assert outcome.status == 0
    assert "first weights" not in outcome.err
    for name in ("last.safetensors", "metrics.jsonl"):
        assert (parts / name).read_bytes() == (whole / name).read_bytes()
    assert gpunet("evaluate", parts).status == 0


def test_a_run_that_saved_nothing_yet_starts_from_them_again(gpunet, tiny: list[str], tmp_path: Path) -> None:
    file = saved(tmp_path / "first.safetensors", seed=7)
    run = tmp_path / "run"
    assert gpunet(*tiny, "--weights", file, "--run-dir", run).status == 0
    wanted = (run / "last.safetensors").read_bytes()
    for name in ("last.safetensors", "best.safetensors"):
        (run / name).unlink()
    outcome = gpunet("train", "--run-dir", run, "--resume")
    assert outcome.status == 0
    assert outcome.err.startswith("first weights: ")
    assert (run / "last.safetensors").read_bytes() == wanted
