"""`gpunet train --resume`: what may change, what not, and that the end is as if nothing had happened."""

from __future__ import annotations

import shlex
import shutil
import signal
from pathlib import Path

import pytest

from gpunet.losses import CrossEntropyLoss

FILES = ("last.safetensors", "best.safetensors", "metrics.jsonl", "config.toml")


def contents(run: Path) -> dict[str, bytes]:
    return {name: (run / name).read_bytes() for name in FILES}


@pytest.fixture
def stop_after(monkeypatch: pytest.MonkeyPatch):
    """Sends this process a signal while it computes the n-th loss, of training and of testing batches alike."""
    original = CrossEntropyLoss.__call__

    def arm(calls: int, number: int = signal.SIGINT) -> None:
        left = calls

        def counted(self, *arguments):
            nonlocal left
            left -= 1
            if left == 0:
                signal.raise_signal(number)
            return original(self, *arguments)

        monkeypatch.setattr(CrossEntropyLoss, "__call__", counted)

    return arm


@pytest.mark.parametrize(
    ("calls", "place"),
    [
        (1, "epoch 1 after 1 batches"),
        (3, "epoch 1 after 3 batches"),
        (8, "epoch 1 after 6 batches"),
        (12, "epoch 2 after 4 batches"),
    ],
)  # an epoch has six batches to train and two to test
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_within_an_epoch(gpunet, tiny, finished, tmp_path, stop_after, calls, place, number, status) -> None:
    run = tmp_path / "a run"
    stop_after(calls, number)
    outcome = gpunet(*tiny, "--run-dir", run, "--quiet")
    assert (outcome.status, outcome.out) == (status, "")
    *_, line = outcome.err.splitlines()
    message, _, command = line.partition("; continue with: ")
    if calls == 8:  # asked for while testing: the last batch of it may end first
        assert message in {
            f"gpunet train: interrupted in {place}",
            "gpunet train: interrupted in epoch 2 after 0 batches",
        }
    else:
        assert message == f"gpunet train: interrupted in {place}"
    program, *words = shlex.split(command)
    assert program == "gpunet"
    assert words == ["train", "--run-dir", str(run), "--resume"]
    stop_after(0)
    assert gpunet(*words).status == 0
    assert contents(run) == contents(finished)


def test_a_finished_run_has_nothing_left_to_do(gpunet, finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished, tmp_path / "run")
    outcome = gpunet("train", "--run-dir", tmp_path / "run", "--resume")
    assert outcome.status == 0
    assert "nothing left to do: 2 epochs are done\n" in outcome.err
    assert outcome.out.startswith("test accuracy ")
    assert contents(tmp_path / "run") == contents(finished)


def test_resume_begins_where_nothing_was_saved(gpunet, tiny, finished: Path, tmp_path: Path) -> None:
    assert gpunet(*tiny, "--run-dir", tmp_path / "run", "--resume").status == 0
    assert contents(tmp_path / "run") == contents(finished)


def test_the_same_words_resume_a_run(gpunet, tiny, finished: Path, tmp_path: Path, stop_after) -> None:
    stop_after(4)
    assert gpunet(*tiny, "--run-dir", tmp_path / "run").status == 130
    stop_after(0)
    assert gpunet(*tiny, "--run-dir", tmp_path / "run", "--resume").status == 0
    assert contents(tmp_path / "run") == contents(finished)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--seed", "1"],
            "the run has other settings: seed was 0 and is 1. Leave these out, or choose another --run-dir.",
        ),
        (["--batch-size", "4"], "the run has other settings: batch_size was 8 and is 4."),
        (
            ["--lr", "0.01", "--augment", "none"],
            "augment was crop:1,flip and is none, optimizer.lr was 0.05 and is 0.01.",
        ),
        (["--model", "lenet"], "model was seed_network and is lenet"),
        (["--set", "model_options.channels=5"], "model_options.channels was 4 and is 5."),
        (["--optimizer", "adam"], "optimizer.name was sgd and is adam, "),
        (["--schedule", "none"], "schedule.name was cosine and is none, schedule.every was batch and is not set"),
        (["--epochs", "3"], "epochs was 2 and is 3. Its cosine schedule was made for 2 epochs. Leave these out"),
        (["--config", "lenet_digits"], "model was seed_network and is lenet, data was"),
    ],
)
def test_other_settings_are_refused(gpunet, finished: Path, tmp_path: Path, words: list[str], message: str) -> None:
    shutil.copytree(finished, tmp_path / "run")
    error = gpunet("train", "--run-dir", tmp_path / "run", "--resume", *words).error
    assert f"{tmp_path / 'run' / 'config.toml'}: the run has other settings: " in error
    assert message in error
    assert contents(tmp_path / "run") == contents(finished)


def test_more_epochs_where_the_schedule_allows_it(gpunet, tiny, tmp_path: Path) -> None:
    words = [*tiny, "--schedule", "step", "--set", "schedule.step_size=1", "--quiet", "--run-dir"]
    assert gpunet(*words, tmp_path / "whole", "--epochs", 3).status == 0
    assert gpunet(*words, tmp_path / "parts", "--epochs", 1).status == 0
    outcome = gpunet("train", "--run-dir", tmp_path / "parts", "--resume", "--epochs", 3)
    assert outcome.status == 0, outcome.err
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")


def test_how_often_to_save_may_change(gpunet, tiny, finished: Path, tmp_path: Path, stop_after) -> None:
    stop_after(4)
    assert gpunet(*tiny, "--run-dir", tmp_path / "run", "--checkpoint-every", 2).status == 130
    stop_after(0)
    words = ["--resume", "--checkpoint-every", 0, "--backend", "numpy"]
    assert gpunet("train", "--run-dir", tmp_path / "run", *words).status == 0
    for name in FILES[:3]:
        assert (tmp_path / "run" / name).read_bytes() == (finished / name).read_bytes()


def test_a_damaged_checkpoint_is_refused_and_stays(gpunet, finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished, tmp_path / "run")
    last = tmp_path / "run" / "last.safetensors"
    last.write_bytes(last.read_bytes()[:-100])
    before = contents(tmp_path / "run")
    outcome = gpunet("train", "--run-dir", tmp_path / "run", "--resume")
    assert (outcome.status, outcome.out) == (1, "")
    assert f"{last}: is truncated or damaged" in outcome.err.splitlines()[-1]
    assert contents(tmp_path / "run") == before


def test_a_damaged_config_is_refused(gpunet, finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished, tmp_path / "run")
    config = tmp_path / "run" / "config.toml"
    config.write_text("epochs = [")
    assert f"{config}: is no TOML: " in gpunet("train", "--run-dir", tmp_path / "run", "--resume").error
