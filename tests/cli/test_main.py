"""Exit statuses, messages of failures and of wrong usage, and what help shows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import gpunet as gn
from gpunet.cli import build_parser, main, summary
from gpunet.cli.main import COMMANDS

ROOT = Path(gn.__file__).parent.parent


def process(*words: object, **settings: object) -> subprocess.Popen[str]:
    """The command line in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(  # type: ignore[call-overload]
        [sys.executable, "-m", "gpunet", *map(str, words)], env=environment, text=True, **settings
    )


def test_no_command_is_wrong_usage(gpunet) -> None:
    assert gpunet().usage_error == "gpunet: error: the following arguments are required: COMMAND"


def test_unknown_command_names_the_nearest(gpunet) -> None:
    message = gpunet("trian").usage_error
    assert f"unknown: 'trian'. Did you mean 'train'? Choose from {', '.join(COMMANDS)}." in message


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "--epoch", "3"], "gpunet train: error: unknown option '--epoch'. Did you mean '--epochs'?"),
        (["summary", "lenet", "--dat=mnist"], "unknown option '--dat=mnist'. Did you mean '--data'?"),
        (["train", "--xyzzy"], "gpunet train: error: unknown option '--xyzzy'."),
        (["train", "digits"], "gpunet train: error: unknown argument 'digits'."),
        (["train", "--model", "lent"], "argument --model: unknown model 'lent'. Did you mean 'lenet'? Choose from"),
        (["summary", "renset20"], "argument MODEL: unknown model 'renset20'. Did you mean 'resnet20'? Choose from"),
        (["train", "--model", "qqqqqq"], "unknown model 'qqqqqq'. Choose from seed_network, lenet,"),
        (["train", "--optimizer", "adma"], "argument --optimizer: unknown: 'adma'. Did you mean 'adam'?"),
        (["train", "--schedule", "cosin"], "argument --schedule: unknown: 'cosin'. Did you mean 'cosine'?"),
        (["summary", "lenet", "--data", "cifra10"], "unknown: 'cifra10'. Did you mean 'cifar10'?"),
        (["train", "--epochs", "0"], "argument --epochs: wanted an integer of at least 1, got 0"),
        (["train", "--epochs", "1.5"], "argument --epochs: wanted an integer, got '1.5'"),
        (["train", "--checkpoint-every", "-1"], "argument --checkpoint-every: wanted an integer of at least 0, got -1"),
        (["train", "--lr", "fast"], "argument --lr: invalid float value: 'fast'"),
        (["train", "--set", "lr"], "argument --set: wanted KEY=VALUE, got 'lr'"),
        (["train", "--set", "=3"], "argument --set: wanted KEY=VALUE, got '=3'"),
        (["train", "--resume"], "gpunet train: error: --resume needs --run-dir, the run to continue"),
        (["summary", "lenet", "--image-size", "28x"], "wanted a number of pixels such as 28, or rows and columns"),
        (["summary", "lenet", "--image-size", "0"], "argument --image-size: wanted a number of pixels"),
        (["predict", "runs/x"], "the following arguments are required: IMAGE"),
        (["evaluate"], "the following arguments are required: RUN"),
    ],
)
def test_wrong_usage(gpunet, words: list[str], message: str) -> None:
    assert message in gpunet(*words).usage_error


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_an_example_that_is_right(gpunet, command: str) -> None:
    outcome = gpunet(command, "--help")
    assert outcome.status == 0
    assert outcome.err == ""
    example = COMMANDS[command].EXAMPLE
    assert outcome.out.endswith(f"example:\n  {example}\n")
    program, *words = example.split()
    assert program == "gpunet"
    assert build_parser().parse_args(words).command == command


def test_help_lists_every_command(gpunet) -> None:
    outcome = gpunet("--help")
    assert outcome.status == 0
    for name, module in COMMANDS.items():
        assert f"{name}" in outcome.out
        assert module.HELP in outcome.out


def test_version(gpunet) -> None:
    assert gpunet("--version").out == f"gpunet {gn.__version__}\n"


def test_debug_raises(gpunet, tmp_path: Path) -> None:
    with pytest.raises(gn.CheckpointError, match="there is no such folder"):
        gpunet("evaluate", tmp_path / "none", "--debug")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (MemoryError(), "gpunet summary: error: MemoryError"),
        (MemoryError("Unable to allocate 9 GiB"), "gpunet summary: error: Unable to allocate 9 GiB"),
        (OSError(28, "No space left on device"), "gpunet summary: error: [Errno 28] No space left on device"),
        (gn.DataError("two\n  lines"), "gpunet summary: error: two lines"),
    ],
)
def test_failures_are_said_in_one_line(gpunet, monkeypatch, error: Exception, message: str) -> None:
    def fail(arguments: object) -> int:
        raise error

    monkeypatch.setattr(summary, "run", fail)
    assert gpunet("summary", "lenet").error == message


def test_a_mistake_of_the_program_is_not_hidden(gpunet, monkeypatch) -> None:
    monkeypatch.setattr(summary, "run", lambda arguments: {}["absent"])
    with pytest.raises(KeyError):
        gpunet("summary", "lenet")


def test_ctrl_c_outside_a_training(gpunet, monkeypatch) -> None:
    def stop(arguments: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(summary, "run", stop)
    outcome = gpunet("summary", "lenet")
    assert (outcome.status, outcome.out, outcome.err) == (130, "", "gpunet: interrupted\n")


def test_words_come_from_the_process_by_default(capsys, monkeypatch) -> None:
    monkeypatch.setattr(sys, "argv", ["gpunet", "summary", "lenet"])
    assert main() == 0
    assert "61,706" in capsys.readouterr().out


def test_a_reader_that_has_gone_is_no_traceback() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = process("summary", "lenet", stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    _, err = command.communicate(timeout=120)
    assert (command.returncode, err) == (1, "")


def test_module_passes_the_exit_status_on(tmp_path: Path) -> None:
    command = process("evaluate", tmp_path / "none", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = command.communicate(timeout=120)
    assert (command.returncode, out) == (1, "")
    assert err == (
        f"gpunet evaluate: error: {tmp_path / 'none'}: there is no such folder, wanted a run of `gpunet train`.\n"
    )


def test_a_model_option_of_a_wrong_kind(gpunet) -> None:
    error = gpunet("summary", "compact_resnet", "--set", "widths=5").error
    assert error.startswith("gpunet summary: error: compact_resnet: ")
    assert "len()" in error
