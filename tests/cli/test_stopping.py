"""Processes that are really stopped: by Ctrl-C, by SIGTERM, and by kill -9 at any moment."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny_training import write_stripes

from gpunet.random import Stream

ROOT = Path(__file__).resolve().parents[2]
FILES = ("last.safetensors", "best.safetensors", "metrics.jsonl", "config.toml")
PATIENCE = 120  # seconds until a process that does not do what it must is given up


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: what is tested is the death of a process, not that of a disk."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else tmp_path) as folder:
        yield Path(folder)


def command(place: Path, run: str, *words: object) -> list[str]:
    if not (place / "stripes").exists():
        write_stripes(place / "stripes", train=240, test=30)
    small = ["--model", "seed_network", "--set", "model_options.channels=4", "--batch-size", 4, "--optimizer", "adam"]
    options = ["--data", place / "stripes", *small, "--augment", "crop:1", "--run-dir", place / run, *words]
    return [sys.executable, "-m", "gpunet", "train", *map(str, options)]


def start(words: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(words: list[str]) -> str:
    """Run to the end; what it said on standard output."""
    process = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert process.returncode == 0, process.stderr
    return process.stdout


def identity(path: Path) -> tuple[int, int]:
    """Changes with every new file of that name."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return (0, 0)
    return (found.st_ino, found.st_mtime_ns)


def wait_for(condition, process: subprocess.Popen[str]) -> None:
    limit = time.monotonic() + PATIENCE
    while not condition() and process.poll() is None:
        assert time.monotonic() < limit, "the process does not get on"
        time.sleep(0.0005)


def checkpoints(path: Path, count: int):
    """A condition: ``count`` more checkpoints have been written."""
    seen = [identity(path)]

    def enough() -> bool:
        now = identity(path)
        if now != seen[-1] and now != (0, 0):
            seen.append(now)
        return len(seen) > count

    return enough


@pytest.mark.slow
def test_killed_at_twenty_random_moments_and_resumed_each_time(place: Path) -> None:
    epochs = ["--epochs", 4, "--quiet"]
    finish(command(place, "whole", *epochs))
    words = command(place, "killed", *epochs, "--checkpoint-every", 2, "--resume")
    last = place / "killed" / "last.safetensors"
    draws = Stream(5, "moments of death").uniform((20, 2))
    killed = 0
    for number, (chosen, delay) in enumerate(draws):
        process = start(words)
        if number % 4 == 0:  # while the interpreter or the run starts
            wait_for(checkpoints(last, 0), process)
            time.sleep(delay)
        elif number % 4 == 1:  # while a checkpoint is being written
            wait_for(lambda: any((place / "killed").glob(".last.*")), process)
        else:  # some batches later
            wait_for(checkpoints(last, 1 + int(6 * chosen)), process)
            time.sleep(0.01 * delay)
        process.kill()
        process.communicate()
        killed += process.returncode == -signal.SIGKILL
    assert killed == 20
    assert "test accuracy" in finish(words)
    for name in FILES:
        expected = (place / "whole" / name).read_bytes()
        found = (place / "killed" / name).read_bytes()
        if name == "config.toml":
            found = found.replace(b"checkpoint_every = 2", b"checkpoint_every = 0")
        assert found == expected, name
    assert not list((place / "killed").glob(".*"))


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_training_says_how_to_go_on_and_loses_nothing(place: Path, number: int, status: int) -> None:
    epochs = ["--epochs", 2, "--quiet"]
    process = start(command(place, "run", *epochs, "--checkpoint-every", 1))
    wait_for(checkpoints(place / "run" / "last.safetensors", 5), process)
    process.send_signal(number)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == status, err
    assert out == ""
    said = err.splitlines()[-1]
    found = re.fullmatch(r"gpunet train: interrupted in epoch 1 after (\d+) batches; continue with: gpunet (.*)", said)
    assert found, err
    assert int(found[1]) >= 4
    assert "Traceback" not in err
    finish([sys.executable, "-m", "gpunet", *shlex.split(found[2])])
    finish(command(place, "whole", *epochs))
    for name in ("last.safetensors", "best.safetensors", "metrics.jsonl"):
        assert (place / "run" / name).read_bytes() == (place / "whole" / name).read_bytes()


def test_two_cannot_train_in_one_folder(place: Path) -> None:
    words = command(place, "run", "--epochs", 3, "--quiet", "--checkpoint-every", 1)
    process = start(words)
    try:
        wait_for(checkpoints(place / "run" / "last.safetensors", 1), process)
        second = subprocess.run(
            [*words, "--resume"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=PATIENCE
        )
        assert second.returncode == 1
        assert "another process is training in this folder" in second.stderr
    finally:
        process.kill()
        process.communicate()
