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


# Kills itself, as `kill -9` does, at a moment of its own time: however busy the machine is, moments stay moments of the
# run. Half of them wait for the next file to be flushed, when it is written and not renamed, or its folder, just after.
KILLED = """
import os, signal, sys, threading, time
sys.modules["matplotlib"] = None  # drawing the curves would take as long as the training
from gpunet.cli import main
moment, in_writing = float(sys.argv[1]), sys.argv[2] == "in writing"
start, flush = time.process_time(), os.fsync
def kill_in_time():
    while time.process_time() - start < moment:
        time.sleep(0.0005)
    os.kill(os.getpid(), signal.SIGKILL)
def kill_in_writing(descriptor):
    if time.process_time() - start >= moment:
        os.kill(os.getpid(), signal.SIGKILL)
    flush(descriptor)
if in_writing:
    os.fsync = kill_in_writing
else:
    threading.Thread(target=kill_in_time, daemon=True).start()
assert main(sys.argv[3:]) == 0
print(time.process_time() - start)
"""
NEVER = 1e9


def run_until(moment: float, in_writing: bool, words: list[str]) -> subprocess.CompletedProcess[str]:
    begin = [sys.executable, "-c", KILLED, str(moment), "in writing" if in_writing else ""]
    # What a killed process has measured of coverage is lost with it: so it need not measure.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    return subprocess.run(
        [*begin, *words[3:]], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False
    )


def seconds_of(run: subprocess.CompletedProcess[str]) -> float:
    assert run.returncode == 0, run.stderr
    return float(run.stdout.splitlines()[-1])


@pytest.mark.slow
def test_killed_at_twenty_random_moments_and_resumed_each_time(place: Path) -> None:
    whole, killed = place / "whole", place / "killed"
    settings = ["--epochs", 24, "--quiet", "--checkpoint-every", 2]
    training = seconds_of(run_until(NEVER, False, command(place, "whole", *settings)))
    beginning = seconds_of(run_until(NEVER, False, command(place, "whole", *settings, "--resume")))

    words = command(place, "killed", *settings, "--resume")
    # Each gets a little further than reading what the last one left, or not even that.
    furthest = beginning + 0.04 * training
    for number, moment in enumerate(Stream(5, "moments of death").uniform(20) * furthest):
        dead = run_until(moment, number % 2 == 0, words)
        assert dead.returncode == -signal.SIGKILL, dead.stderr
    assert b'"epoch": 24' not in (killed / "metrics.jsonl").read_bytes()
    seconds_of(run_until(NEVER, False, words))
    for name in FILES:
        assert (killed / name).read_bytes() == (whole / name).read_bytes(), name
    assert not list(killed.glob(".*"))


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_training_says_how_to_go_on_and_loses_nothing(place: Path, number: int, status: int) -> None:
    epochs = ["--epochs", 12, "--quiet"]
    process = start(command(place, "run", *epochs, "--checkpoint-every", 1))
    wait_for(checkpoints(place / "run" / "last.safetensors", 5), process)
    process.send_signal(number)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == status, err
    assert out == ""
    said = err.splitlines()[-1]
    found = re.fullmatch(
        r"gpunet train: interrupted in epoch (\d+) after (\d+) batches; continue with: gpunet (.*)", said
    )
    assert found, err
    assert 60 * (int(found[1]) - 1) + int(found[2]) >= 4
    assert "Traceback" not in err
    finish([sys.executable, "-m", "gpunet", *shlex.split(found[3])])
    finish(command(place, "whole", *epochs))
    for name in ("last.safetensors", "best.safetensors", "metrics.jsonl"):
        assert (place / "run" / name).read_bytes() == (place / "whole" / name).read_bytes()


def test_two_cannot_train_in_one_folder(place: Path) -> None:
    words = command(place, "run", "--epochs", 12, "--quiet", "--checkpoint-every", 1)
    process = start(words)
    try:
        wait_for(checkpoints(place / "run" / "last.safetensors", 1), process)
        process.send_signal(signal.SIGSTOP)  # it holds the folder for as long as we need
        second = subprocess.run(
            [*words, "--resume"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=PATIENCE
        )
        assert second.returncode == 1
        assert "another process is training in this folder" in second.stderr
    finally:
        process.kill()
        process.communicate()
