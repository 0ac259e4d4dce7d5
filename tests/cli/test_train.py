"""`gpunet train`: what it writes, where to, and what it refuses."""

from __future__ import annotations

import json
import re
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from gpunet.cli.settings import read_settings
from gpunet.training.checkpoint import read_checkpoint

FILES = {"config.toml", "metrics.jsonl", "last.safetensors", "best.safetensors"}
LAST_LINE = re.compile(r"test accuracy (\d+\.\d) %\n")


def records(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def settings_of(run: Path) -> dict:
    return tomllib.loads((run / "config.toml").read_text())


def test_a_run_and_its_folder(gpunet, tiny: list[str], tmp_path: Path) -> None:
    outcome = gpunet(*tiny, "--run-dir", tmp_path / "run")
    assert outcome.status == 0
    shown = LAST_LINE.fullmatch(outcome.out)
    assert shown, outcome.out
    assert {file.name for file in (tmp_path / "run").iterdir()} - {"curves.png"} == FILES
    measured = records(tmp_path / "run")
    assert [record["epoch"] for record in measured] == [1, 2]
    assert shown[1] == f"{100 * measured[-1]['validation_accuracy']:.1f}"
    best = max(measured, key=lambda record: record["validation_accuracy"])
    lines = outcome.err.splitlines()
    assert lines[0] == (
        f"seed_network on {tiny[6]}: 48 images to train, 15 to test, 151 parameters; run directory {tmp_path / 'run'}"
    )
    assert lines[1].startswith("epoch 1/2: loss ")
    assert lines[2].startswith("epoch 2/2: loss ")
    assert re.fullmatch(r"finished: 2 of 2 epochs; \d+\.\d s of training in this run", lines[3])
    assert lines[4] == (f"best epoch {best['epoch']}: {100 * best['validation_accuracy']:.2f} % (best.safetensors)")


def test_curves_are_drawn(gpunet, tiny: list[str], tmp_path: Path, curves_are_drawn: None) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib, of the extra [plot], is not installed")
    assert gpunet(*tiny, "--run-dir", tmp_path / "run", "--quiet").status == 0
    assert (tmp_path / "run" / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_quiet_shows_no_epochs(gpunet, tiny: list[str], tmp_path: Path) -> None:
    outcome = gpunet(*tiny, "--run-dir", tmp_path / "run", "--quiet")
    assert "epoch 1/2" not in outcome.err
    assert LAST_LINE.fullmatch(outcome.out)


def test_it_learns(gpunet, tiny: list[str], tmp_path: Path) -> None:
    outcome = gpunet(*tiny, "--epochs", 15, "--run-dir", tmp_path / "run", "--quiet")
    shown = LAST_LINE.fullmatch(outcome.out)
    assert shown
    assert float(shown[1]) >= 90
    losses = [record["train_loss"] for record in records(tmp_path / "run")]
    assert losses[-1] < losses[0] / 2


def test_one_seed_gives_the_same_bytes(gpunet, tiny: list[str], finished: Path, tmp_path: Path) -> None:
    assert gpunet(*tiny, "--run-dir", tmp_path / "again").status == 0
    for name in FILES:
        assert (tmp_path / "again" / name).read_bytes() == (finished / name).read_bytes(), name


def test_another_seed_gives_others(gpunet, tiny: list[str], finished: Path, tmp_path: Path) -> None:
    assert gpunet(*tiny, "--seed", 1, "--run-dir", tmp_path / "other").status == 0
    assert (tmp_path / "other" / "last.safetensors").read_bytes() != (finished / "last.safetensors").read_bytes()


def test_no_path_stands_in_the_checkpoints(finished: Path) -> None:
    for name in ("last.safetensors", "best.safetensors"):
        assert str(finished.parent).encode() not in (finished / name).read_bytes()


def test_without_an_argument_it_is_lenet_on_the_digits(gpunet, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = gpunet("train", "--epochs", 1)
    assert outcome.status == 0
    shown = LAST_LINE.fullmatch(outcome.out)
    assert shown
    assert float(shown[1]) > 20  # after one epoch instead of twenty; chance is 10
    run = tmp_path / "runs" / "lenet-digits"
    recipe, used = read_settings("lenet_digits"), settings_of(run)
    assert used.pop("epochs") == 1
    for key in ("model", "data", "batch_size", "augment", "label_smoothing"):
        assert used[key] == recipe[key], key
    assert recipe["optimizer"].items() <= used["optimizer"].items()
    assert used["schedule"]["name"] == recipe["schedule"]["name"] == "onecycle"


def test_default_folders_are_numbered(gpunet, tiny: list[str], tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(3):
        assert gpunet(*tiny, "--epochs", 1).status == 0
    name = f"seed_network-{Path(tiny[6]).name}"
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == [name, f"{name}-2", f"{name}-3"]
    for path in (tmp_path / "runs").iterdir():
        assert {file.name for file in path.iterdir()} >= FILES


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--batch-size", "49"], "batch_size 49 is larger than the 48 images of the dataset. Use batch_size 48 or"),
        (["--batch-size", "49", "--set", "drop_last=true"], "batch_size 49 is larger than the 48 images"),
        (["--augment", "spin:3"], "augmentation 'spin:3' in 'spin:3' is unknown, wanted crop:PIXELS"),
        (["--optimizer", "adam", "--set", "optimizer.betas=[0.9]"], "betas: got (0.9,), wanted a pair"),
        (["--set", "optimizer.nesterov=true", "--set", "optimizer.momentum=0"], "nesterov needs momentum above 0"),
        (["--set", "schedule.warmup=2"], "schedule: 12 batches of warm-up do not fit a training of 12. Lower warmup."),
        (["--lr", "1e30"], "finite in epoch 1"),
    ],
)
def test_what_cannot_run_leaves_no_empty_folder(gpunet, tiny, tmp_path: Path, monkeypatch, words, message) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = gpunet(*tiny, *words, "--quiet")
    assert outcome.status == 1
    *_, line = outcome.err.splitlines()
    assert line.startswith("gpunet train: error: ")
    assert message in line
    kept = list((tmp_path / "runs").iterdir())
    if "--lr" in words:  # it began: what it had is kept
        assert (kept[0] / "last.safetensors").is_file()
    else:
        assert kept == []


def test_a_folder_of_ones_own_is_not_removed(gpunet, tiny: list[str], tmp_path: Path) -> None:
    assert gpunet(*tiny, "--augment", "spin:3", "--run-dir", tmp_path).status == 1
    assert tmp_path.is_dir()


def test_images_too_small_for_the_model(gpunet, tiny: list[str], tmp_path: Path) -> None:
    message = gpunet("train", "--data", tiny[6], "--run-dir", tmp_path / "run").error
    assert "does not fit" in message
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--data", "fashion-minst"], "fashion-minst: no such data set or folder, wanted a folder or one of digits,"),
        (["--data", "fashion-minst"], "Did you mean 'fashion-mnist'?"),
        (["--set", "data=5"], "the options: data: got 5, wanted a text."),
        (["--set", "model=5"], "the options: model: got 5, wanted a text."),
        (["--set", "model=lennet"], "model 'lennet' is unknown. Did you mean 'lenet'?"),
        (
            ["--set", "model_options.chanels=4"],
            "model 'seed_network' has no setting 'chanels'. Did you mean 'channels'",
        ),
        (["--set", "model_options.channels=0"], "must be at least 1, got 0"),
        (["--set", "model_options.num_classes=3"], "model_options: num_classes follows from the data"),
        (["--model", "compact_resnet", "--set", "model_options={widths=5}"], "do not suit compact_resnet"),
        (["--backend", "cupy"], "backend 'cupy'"),
        (["--backend", "cuda"], "the options: backend: got 'cuda', wanted one of auto, numpy, cupy."),
        (["--precision", "stric"], "Did you mean 'strict'?"),
        (["--label-smoothing", "2"], "label_smoothing: got 2.0, wanted a number of at least 0 and at most 1."),
        (["--lr", "nan"], "the options: [optimizer]: lr: got nan, wanted a number of at least 0."),
        (["--weight-decay", "-1"], "[optimizer]: weight_decay: got -1.0, wanted a number of at least 0."),
        (["--set", "epochs=1.5"], "the options: epochs: got 1.5, wanted an integer of at least 1."),
        (["--set", "epoch=2"], "the options: there is no key 'epoch'. Did you mean 'epochs'? Known here: model, data"),
        (["--set", "optimizer.lr=high"], "the options: [optimizer]: lr: got 'high', wanted a number of at least 0."),
        (["--set", "optimizer=5"], "the options: optimizer: got 5, wanted a table."),
        (["--set", "optimizer=5", "--set", "optimizer.lr=1"], "--set optimizer.lr: 'optimizer' is no table."),
        (["--set", "optimizer.alpha=0.5"], "the options: [optimizer]: there is no key 'alpha'."),
        (["--config", "lenet_digit"], "--config lenet_digit: is neither a file nor a ready recipe. Did you mean"),
        (["--config", "none.toml"], "none.toml: there is no such file."),
        (["--model", "unet"], "unet makes an image of an image, and gpunet train trains models that give an image a"),
    ],
)
def test_refused_before_a_folder_is_made(gpunet, tiny, tmp_path: Path, monkeypatch, words, message) -> None:
    monkeypatch.chdir(tmp_path)
    if "model_options={widths=5}" in words:
        tiny = [word for word in tiny if word not in {"--set", "model_options.channels=4"}]
    assert message in gpunet(*tiny, *words).error
    assert list(tmp_path.iterdir()) == []


def test_options_win_over_the_recipe_and_the_recipe_over_defaults(gpunet, tiny, tmp_path: Path) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text(
        'model = "seed_network"\nepochs = 3\nbatch_size = 16\nlabel_smoothing = 0.1\n'
        '[model_options]\nchannels = 4\n[optimizer]\nname = "rmsprop"\nlr = 0.002\nalpha = 0.9\n'
        '[schedule]\nname = "step"\nstep_size = 2\n'
    )
    words = [
        "--data",
        tiny[6],
        "--epochs",
        1,
        "--lr",
        0.003,
        "--set",
        "schedule.gamma=0.5",
        "--run-dir",
        tmp_path / "a",
    ]
    assert gpunet("train", "--config", recipe, *words).status == 0
    used = settings_of(tmp_path / "a")
    assert (used["epochs"], used["batch_size"], used["label_smoothing"], used["seed"]) == (1, 16, 0.1, 0)
    assert used["optimizer"] == {
        "name": "rmsprop",
        "lr": 0.003,
        "alpha": 0.9,
        "eps": 1e-8,
        "momentum": 0.0,
        "centered": False,
        "weight_decay": 0.0,
        "decay": "weights",
    }
    assert used["schedule"] == {"name": "step", "every": "epoch", "step_size": 2, "gamma": 0.5, "warmup": 0.0}


def test_another_optimizer_drops_what_was_said_of_the_first(gpunet, tiny, tmp_path: Path) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text("[optimizer]\nmomentum = 0.5\nlr = 0.5\nnesterov = true\n")
    assert (
        gpunet(*tiny, "--config", recipe, "--optimizer", "adam", "--epochs", 1, "--run-dir", tmp_path / "a").status == 0
    )
    assert settings_of(tmp_path / "a")["optimizer"]["lr"] == 1e-3
    assert "momentum" not in settings_of(tmp_path / "a")["optimizer"]


def test_its_own_config_repeats_a_run(gpunet, finished: Path, tmp_path: Path) -> None:
    assert gpunet("train", "--config", finished / "config.toml", "--run-dir", tmp_path / "again").status == 0
    for name in FILES:
        assert (tmp_path / "again" / name).read_bytes() == (finished / name).read_bytes(), name


def test_a_relative_data_folder_is_found_from_anywhere(
    gpunet, tiny, stripes_folder, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(stripes_folder.parent)
    config = tmp_path / "mine.toml"
    config.write_text(f'data = "{stripes_folder.name}"\nmodel = "seed_network"\nbatch_size = 8\nepochs = 1\n')
    assert gpunet("train", "--config", config, "--run-dir", tmp_path / "a").status == 0
    monkeypatch.chdir(tmp_path)
    assert settings_of(tmp_path / "a")["data"] == str(stripes_folder.resolve())
    assert gpunet("evaluate", "a").status == 0


def test_a_path_beside_a_named_set(gpunet, stripes_folder, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(stripes_folder.parent)
    words = ["--set", f"data_options.path={stripes_folder.name}", "--model", "seed_network", "--epochs", 1]
    outcome = gpunet("train", "--data", "mnist", *words, "--batch-size", 8, "--run-dir", tmp_path / "a")
    assert outcome.status == 0, outcome.err
    monkeypatch.chdir(tmp_path)
    assert gpunet("evaluate", "a").out.count("\n") > 10  # the ten classes of MNIST


def test_early_stopping_says_so(gpunet, tiny: list[str], tmp_path: Path) -> None:
    outcome = gpunet(*tiny, "--lr", 0, "--epochs", 9, "--early-stopping", 2, "--run-dir", tmp_path / "run")
    assert "finished: 3 of 9 epochs, stopped early: no new best in 2 epochs;" in outcome.err
    assert len(records(tmp_path / "run")) == 3


def test_a_used_folder_is_refused(gpunet, tiny: list[str], finished: Path) -> None:
    before = {file: file.read_bytes() for file in finished.iterdir()}
    message = gpunet(*tiny, "--run-dir", finished).error
    assert message.endswith(f"{finished}: holds a run already. Add --resume, or choose another --run-dir.")
    assert {file: file.read_bytes() for file in finished.iterdir()} == before


def test_a_file_is_no_run_folder(gpunet, tiny: list[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    outcome = gpunet(*tiny, "--run-dir", tmp_path / "file")
    assert outcome.status == 1
    assert outcome.err.endswith(f"error: {tmp_path / 'file'}: is a file, wanted a folder for the run.\n")
    assert (tmp_path / "file").read_text() == "mine"


def test_settings_reach_the_training(gpunet, tiny: list[str], tmp_path: Path) -> None:
    """Each of these settings changes the weights, so each is heeded."""
    changes = {
        "plain": [],
        "smoothing": ["--label-smoothing", "0.2"],
        "clipped": ["--max-grad-norm", "0.01"],
        "augmented": ["--augment", "none"],
        "decayed": ["--weight-decay", "0.3"],
        "decayed biases": ["--weight-decay", "0.3", "--set", "optimizer.decay=all"],
        "schedule": ["--schedule", "none"],
        "whole batches": ["--batch-size", "7", "--set", "drop_last=true"],
        "all batches": ["--batch-size", "7"],
        "rate": ["--lr", "0.01"],
    }
    seen: dict[bytes, str] = {}
    for name, words in changes.items():
        assert gpunet(*tiny, "--epochs", 1, *words, "--run-dir", tmp_path / name, "--quiet").status == 0
        weights = read_checkpoint(tmp_path / name / "last.safetensors").weights
        content = b"".join(np.ascontiguousarray(array).tobytes() for array in weights.values())
        assert content not in seen, f"{name} is like {seen.get(content)}"
        seen[content] = name


def test_profile_shows_each_layer_and_changes_no_bit(gpunet, tiny, finished: Path, tmp_path: Path) -> None:
    outcome = gpunet(*tiny, "--run-dir", tmp_path / "run", "--profile", "--quiet")
    assert outcome.status == 0
    assert "time of a batch of 8 images on numpy, forward and backward:" in outcome.err
    assert len(re.findall(r"^\S+ Conv2d +\d+\.\d+ ms +\d+\.\d+ ms", outcome.err, re.MULTILINE)) >= 1
    for name in ("last.safetensors", "metrics.jsonl"):
        assert (tmp_path / "run" / name).read_bytes() == (finished / name).read_bytes()


def test_tensorboard_writes_into_the_run_and_changes_no_bit(gpunet, tiny, finished: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX", reason="tensorboardX is not installed: pip install '.[tensorboard]'")
    assert gpunet(*tiny, "--run-dir", tmp_path / "run", "--tensorboard").status == 0
    assert len(list((tmp_path / "run" / "tensorboard").glob("events.out.tfevents.*"))) == 1
    for name in ("last.safetensors", "metrics.jsonl"):
        assert (tmp_path / "run" / name).read_bytes() == (finished / name).read_bytes()


def test_without_tensorboard_nothing_is_begun(gpunet, tiny, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    outcome = gpunet(*tiny, "--run-dir", tmp_path / "run", "--tensorboard")
    assert "needs tensorboardX. Install it with: pip install" in outcome.error
    assert not (tmp_path / "run").exists()
