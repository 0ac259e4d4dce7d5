"""How a training shows itself: one line an epoch and, on a terminal, a bar while the epoch runs."""

from __future__ import annotations

import os
import sys
import time
from typing import Any, TextIO

import tqdm

from gpunet.training.history import Record
from gpunet.training.running_metrics import RunningMetrics

_SECONDS_BETWEEN_FIGURES = 0.1
_USUAL_WIDTH, _USUAL_HEIGHT = 100, 24


class Progress:
    """Shows each epoch on a stream.

    Args:
        shown: False shows nothing.
        stream: where to; standard error by default, so that results alone stand on standard output.
        bar: whether to draw a bar while an epoch runs; by default on a terminal.
    """

    def __init__(self, shown: bool = True, stream: TextIO | None = None, bar: bool | None = None) -> None:
        self.stream = stream or sys.stderr
        self.shown = shown
        self.bar = self.stream.isatty() if bar is None else bar
        self._bar: Any = None
        self._start, self._trained_at = 0.0, 0.0
        self._figures_at = 0.0
        self._samples = 0
        self._title = ""

    def start_epoch(self, epoch: int, epochs: int, samples: int, done: int) -> None:
        """An epoch of ``samples`` begins, or goes on after ``done`` of them; ``epoch`` counts from 0."""
        self._title = f"epoch {epoch + 1:>{len(str(epochs))}}/{epochs}"
        self._start, self._samples = time.perf_counter(), 0
        self._trained_at = self._start
        if self.shown and self.bar:
            self._bar = tqdm.tqdm(
                total=samples,
                initial=done,
                desc=self._title,
                unit=" images",
                unit_scale=True,
                leave=False,  # a line takes its place
                **_size(self.stream),
                file=self.stream,
            )

    def advance(self, samples: int, metrics: RunningMetrics) -> None:
        """A batch of ``samples`` is done."""
        self._samples += samples
        self._trained_at = time.perf_counter()
        if self._bar is not None:
            self._bar.update(samples)
            if self._trained_at - self._figures_at >= _SECONDS_BETWEEN_FIGURES and metrics.samples:
                self._figures_at = self._trained_at
                self._bar.set_postfix_str(_figures("", metrics.loss, metrics.accuracy))

    def end_epoch(self, record: Record) -> None:
        """The epoch is done and validated."""
        figures = _figures("", record["train_loss"], record.get("train_accuracy"))
        if "validation_loss" in record:
            figures += ", " + _figures("validation ", record["validation_loss"], record.get("validation_accuracy"))
        training = self._trained_at - self._start  # the speed of training, without validation and checkpoints
        speed = self._samples / training if training > 0 else 0.0
        self.say(f"{self._title}: {figures}, {speed:,.0f} images/s, {time.perf_counter() - self._start:.1f} s")

    def say(self, message: str) -> None:
        """Write a line of its own."""
        if self.shown:
            self.close()
            self.stream.write(f"{message}\n")
            self.stream.flush()

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _size(stream: TextIO) -> dict[str, Any]:
    """tqdm's settings: the bar follows the terminal's size, if the terminal says one; many say 0 in containers."""
    try:
        known = min(os.get_terminal_size(stream.fileno())) > 0
    except (OSError, ValueError):
        known = False
    return {"dynamic_ncols": True} if known else {"ncols": _USUAL_WIDTH, "nrows": _USUAL_HEIGHT}


def _figures(prefix: str, loss: float, accuracy: float | None) -> str:
    shown = "" if accuracy is None else f", {prefix}accuracy {100 * accuracy:.2f} %"
    return f"{prefix}loss {loss:.4f}{shown}"
