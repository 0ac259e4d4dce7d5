"""History, progress, curves: what a person sees of a training."""

from __future__ import annotations

import builtins
import io
import json
import os
import re
import struct
from pathlib import Path
from typing import Any

import pytest
from tiny_training import stripes, trainer

import gpunet as gn
from gpunet.training import drawing
from gpunet.training.curves import draw_curves
from gpunet.training.history import History
from gpunet.training.progress import Progress
from gpunet.training.running_metrics import RunningMetrics


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def record(epoch: int, **more: float) -> dict[str, Any]:
    return {"epoch": epoch, "step": 6 * epoch, "lr": 0.1, "train_loss": 1 / epoch, **more}


# History


def test_history_is_records_and_columns() -> None:
    history = History([record(1), record(2)])
    assert len(history) == 2
    assert history["train_loss"] == [1.0, 0.5]
    assert history.last == record(2)
    assert [r["epoch"] for r in history] == [1, 2]
    assert repr(history).startswith("History(2 epochs, last: {'epoch': 2")
    with pytest.raises(gn.StateError, match="'accuracy' was not measured; there are epoch, step"):
        history["accuracy"]


def test_history_before_the_first_epoch() -> None:
    assert repr(History()) == "History(0 epochs)"
    assert History()["train_loss"] == []
    assert History().to_json_lines() == ""
    with pytest.raises(gn.StateError, match="no epoch has ended yet"):
        _ = History().last


def test_lines_do_not_depend_on_the_order_of_the_keys() -> None:
    one = {**record(1), "zeta": 1, "alpha": 2, "validation_loss": 3.5}
    other = dict(sorted(one.items(), reverse=True))
    line = History([one]).to_json_lines()
    assert History([other]).to_json_lines() == line
    assert list(json.loads(line)) == ["epoch", "step", "lr", "train_loss", "validation_loss", "alpha", "zeta"]


def test_metrics_file_has_a_line_for_each_epoch(tmp_path: Path) -> None:
    history = trainer(run_dir=tmp_path).fit(stripes(), 3, validation=stripes(6))
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == history.records


# Progress


def test_elsewhere_than_on_a_terminal_an_epoch_is_a_line() -> None:
    stream = io.StringIO()
    trainer(progress=Progress(stream=stream)).fit(stripes(), 2, validation=stripes(6))
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert lines[1].startswith("epoch 2/2: loss 0.")
    assert ", validation accuracy " in lines[1]
    assert lines[1].endswith(" s")
    assert " images/s, " in lines[1]


def test_on_a_terminal_there_is_a_bar_with_loss_accuracy_and_speed() -> None:
    stream = Terminal()
    progress = Progress(stream=stream)
    assert progress.bar
    progress.start_epoch(1, 10, 48, 16)
    metrics = RunningMetrics(loss_sum=8.0, correct=4, samples=16)
    progress.advance(16, metrics)
    progress.end_epoch(record(2, train_accuracy=0.75))
    shown = stream.getvalue()
    assert "epoch  2/10" in shown
    assert "loss 0.5000, accuracy 25.00 %" in shown
    assert "images/s" in shown
    assert "accuracy 75.00 %" in shown
    assert shown.endswith("\n")


@pytest.mark.parametrize(("rows", "columns"), [(0, 0), (0, 90), (24, 90)])
def test_the_bar_shows_on_terminals_that_do_not_say_their_size(rows: int, columns: int) -> None:
    fcntl, termios, pty = (pytest.importorskip(name) for name in ("fcntl", "termios", "pty"))
    outside, inside = pty.openpty()
    fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    with os.fdopen(inside, "w") as stream:
        progress = Progress(stream=stream)
        progress.start_epoch(0, 1, 48, 0)
        progress.advance(48, RunningMetrics(24.0, 12, 48))
        progress.end_epoch(record(1, train_accuracy=0.75))
        progress.say("end")
        content = b""
        while not content.endswith(b"end\r\n"):  # what was written arrives in pieces
            content += os.read(outside, 100_000)
        shown = content.decode()
    os.close(outside)
    assert "accuracy 75.00 %" in shown
    assert "images/s" in shown
    bars = [line for line in re.split("[\r\n]+", shown) if "|" in line]
    assert bars
    assert all(len(line) <= (columns if rows else 100) for line in bars)


def test_the_figures_of_the_bar_are_not_redrawn_with_every_batch() -> None:
    stream = Terminal()
    progress = Progress(stream=stream)
    progress.start_epoch(0, 1, 1000, 0)
    for _ in range(1000):
        progress.advance(1, RunningMetrics(1.0, 1, 1))
    assert stream.getvalue().count("loss") < 50
    progress.close()


def test_a_message_takes_the_place_of_the_bar() -> None:
    stream = Terminal()
    progress = Progress(stream=stream)
    progress.start_epoch(0, 1, 10, 0)
    progress.say("stop")
    assert stream.getvalue().endswith(" \rstop\n")


def test_the_bar_has_time_left_rate_and_memory_of_the_device() -> None:
    stream = Terminal()
    progress = Progress(stream=stream)
    progress.start_epoch(0, 3, 1000, 0)
    progress.advance(500, RunningMetrics(250.0, 400, 500), 0.025, lambda: (3 * 2**29, 2**34))
    progress.close()
    assert re.search(
        r"img/s, \d\d:\d\d left, loss 0.5000, accuracy 80.00 %, lr 0.025, GPU 1.5/16 GiB", stream.getvalue()
    )


def test_a_line_says_what_is_left_of_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0.0, 10.0, 12.5, 100.0, 110.0, 112.5])
    monkeypatch.setattr("time.perf_counter", lambda: next(times))
    stream = io.StringIO()
    progress = Progress(stream=stream)
    for epoch in (0, 1):
        progress.start_epoch(epoch, 2, 1000, 0)
        progress.advance(1000, RunningMetrics(500.0, 900, 1000), 0.1)
        progress.end_epoch(record(epoch + 1))
    assert stream.getvalue().splitlines() == [
        "epoch 1/2: loss 1.0000, lr 0.1, 100 images/s, 12.5 s, 00:12 left",
        "epoch 2/2: loss 0.5000, lr 0.1, 100 images/s, 12.5 s",
    ]


def test_a_long_epoch_in_a_log_is_not_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    stream = io.StringIO()
    progress = Progress(stream=stream)
    progress.start_epoch(0, 1, 100, 0)
    for _ in range(10):
        now[0] += 25
        progress.advance(10, RunningMetrics(5.0, 5, 10), 0.1)
    progress.end_epoch(record(1))
    figures = "loss 0.5000, accuracy 50.00 %, lr 0.1, 0 images/s"
    assert stream.getvalue().splitlines() == [
        f"epoch 1/1, 30 %: {figures}, 02:55 left of this epoch",
        f"epoch 1/1, 60 %: {figures}, 01:40 left of this epoch",
        f"epoch 1/1, 90 %: {figures}, 00:25 left of this epoch",
        "epoch 1/1: loss 1.0000, lr 0.1, 0 images/s, 250.0 s",
    ]


def test_an_error_leaves_no_bar() -> None:
    class Fail(gn.Callback):
        def on_batch_end(self, *_: Any) -> None:
            raise RuntimeError("stop")

    stream = Terminal()
    with pytest.raises(RuntimeError):
        trainer(progress=Progress(stream=stream), callbacks=[Fail()]).fit(stripes(), 1)
    assert re.search(r"\r +\r$", stream.getvalue())


def test_silence() -> None:
    stream = Terminal()
    trainer(progress=Progress(shown=False, stream=stream)).fit(stripes(), 1)
    assert stream.getvalue() == ""


def test_a_trainer_speaks_to_standard_error_unless_told(capsys: pytest.CaptureFixture[str]) -> None:
    trainer(progress=None).fit(stripes(), 1)
    trainer(progress=False).fit(stripes(), 1)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("epoch 1/1") == 1


def test_running_metrics_before_the_first_batch() -> None:
    metrics = RunningMetrics()
    assert metrics.loss != metrics.loss
    assert metrics.accuracy is None
    assert metrics.read() is None


# Curves


def png_size(content: bytes) -> tuple[int, int]:
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", content[16:24])
    return width, height


def test_curves_are_drawn_and_equal_histories_give_equal_pictures(tmp_path: Path) -> None:
    history = trainer(run_dir=tmp_path).fit(stripes(), 2, validation=stripes(6))
    content = (tmp_path / "curves.png").read_bytes()
    assert png_size(content)[0] > 600
    assert draw_curves(history) == content
    assert draw_curves(History(history.records[:1])) != content


def test_without_accuracy_there_is_one_picture_less() -> None:
    both = draw_curves(History([record(1, train_accuracy=0.5)]))
    loss = draw_curves(History([record(epoch) for epoch in range(1, 60)]))
    assert both is not None
    assert loss is not None
    assert png_size(loss)[0] < png_size(both)[0]


def test_nothing_to_draw_or_nothing_to_draw_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert draw_curves(History()) is None
    monkeypatch.setattr(drawing, "find_spec", lambda name: None)
    real = builtins.__import__

    def without_matplotlib(name: str, *rest: Any) -> Any:
        assert not name.startswith("matplotlib")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_matplotlib)
    trainer(run_dir=tmp_path).fit(stripes(), 1)
    assert not (tmp_path / "curves.png").exists()


def test_drawing_leaves_the_users_pyplot_alone() -> None:
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    draw_curves(History([record(1)]))
    assert plt.get_fignums() == before
