"""metrics.jsonl read back, and curves of histories in which not every epoch has everything."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_training import stripes, trainer

import gpunet as gn
from gpunet.training.curves import draw_curves
from gpunet.training.history import History
from gpunet.training.run_directory import RunDirectory


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    history = trainer(run_dir=tmp_path).fit(stripes(), 2, validation=stripes(6))
    assert RunDirectory(tmp_path).read_metrics().records == history.records
    assert RunDirectory(tmp_path / "absent").read_metrics().records == []


def test_no_lines_are_no_epochs_and_keys_of_others_stay() -> None:
    assert History.from_json_lines("", "x").records == []
    line = '{"epoch": 1, "train_loss": 0.5, "of another": ["tool"]}'
    assert History.from_json_lines(line, "x").records == [{"epoch": 1, "train_loss": 0.5, "of another": ["tool"]}]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "line 2 is no record of an epoch: ''"),
        ("null", "line 2 is no record of an epoch: 'null'"),
        ('{"epoch": 2}', "line 2 is no record of an epoch"),
        ('{"epoch": true, "train_loss": 1}', "line 2 is no record of an epoch"),
        ('{"epoch": 2, "train_loss": 1, "lr": "0.1"}', "line 2: lr is '0.1', wanted a number"),
        ("x" * 100, f"line 2 is no record of an epoch: '{'x' * 60}'"),
    ],
)
def test_a_line_that_is_no_record_is_named(line: str, message: str) -> None:
    good = '{"epoch": 1, "train_loss": 0.5}'
    with pytest.raises(gn.CheckpointError) as error:
        History.from_json_lines(f"{good}\n{line}\n{good}\n", "metrics.jsonl")
    assert str(error.value).startswith(f"metrics.jsonl: {message}")


def test_a_file_that_is_no_text_says_how_to_have_it_anew(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_bytes(b"\xff")
    with pytest.raises(gn.CheckpointError, match=r"cannot be read: .*--resume` writes it anew"):
        RunDirectory(tmp_path).read_metrics()


def test_curves_of_a_training_that_was_validated_from_its_second_epoch_on() -> None:
    pytest.importorskip("matplotlib", reason="matplotlib, of the extra [plot], is not installed")
    first = {"epoch": 1, "train_loss": 1.0}
    second = {"epoch": 2, "train_loss": 0.5, "train_accuracy": 0.5, "validation_loss": 0.6, "validation_accuracy": 0.5}
    both = draw_curves(History([first, second]))
    assert both is not None
    assert both not in (draw_curves(History([second])), draw_curves(History([first])))
    assert draw_curves(History([second, {**first, "epoch": 3}])) is not None
