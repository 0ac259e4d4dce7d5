"""How a training shows itself: one line an epoch and, on a terminal, a bar while the epoch runs."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TextIO

import tqdm

from gpunet.training.callbacks import Callback
from gpunet.training.history import History, Record
from gpunet.training.running_metrics import RunningMetrics

if TYPE_CHECKING:
    from gpunet.training.trainer import Trainer

_SECONDS_BETWEEN_FIGURES = 0.1
_USUAL_WIDTH, _USUAL_HEIGHT = 100, 24
# The name of the epoch, the bar, what is done; speed and time left; the figures.
_BAR = "{desc} {percentage:3.0f}%|{bar}| {rate_fmt}, {remaining} left{postfix}"

Memory = tuple[int, int] | None


class Progress(Callback):
    """Shows each epoch on a stream.

    On a terminal, a bar shows images a second, the time left of the epoch, loss and accuracy so far, learning rate and,
    on a GPU, the memory held of it. Elsewhere, as in the log of a job, there are lines alone: one for each epoch, and
    within a long epoch one a minute.

    Args:
        shown: False shows nothing.
        stream: where to; standard error by default, so that results alone stand on standard output.
        bar: whether to draw a bar while an epoch runs; by default on a terminal.
        seconds_between_lines: how long an epoch is silent at most where there is no bar.
    """

    def __init__(
        self,
        shown: bool = True,
        stream: TextIO | None = None,
        bar: bool | None = None,
        seconds_between_lines: float = 60.0,
    ) -> None:
        self.stream = stream or sys.stderr
        self.shown = shown
        self.bar = self.stream.isatty() if bar is None else bar
        self.seconds_between_lines = seconds_between_lines
        self._bar: Any = None
        self._start, self._trained_at = 0.0, 0.0
        self._figures_at = 0.0
        self._samples, self._done, self._total = 0, 0, 0
        self._title = ""
        self._epochs_left, self._epoch_seconds = 0, 0.0

    # ------------------------------------------------------------- as callback

    def on_epoch_begin(self, trainer: Trainer, epoch: int) -> None:
        """Begin a bar."""
        loader, step = trainer.loader, trainer.position.step
        self.start_epoch(epoch, trainer.epochs, loader.num_samples, step * loader.batch_size)

    def on_batch_end(self, trainer: Trainer, epoch: int, step: int) -> None:
        """Move the bar on."""
        memory = trainer.net.backend.device_memory
        self.advance(trainer.batch_samples, trainer.position.running, trainer.lr, memory)

    def on_epoch_end(self, trainer: Trainer, epoch: int, record: Record) -> None:
        """Put a line in the place of the bar."""
        self.end_epoch(record, trainer.net.backend.device_memory())

    def on_train_end(self, trainer: Trainer, history: History) -> None:
        """Nothing is left on the terminal but lines."""
        self.close()

    def on_exception(self, trainer: Trainer, error: BaseException) -> None:
        """The same, so that the error stands alone."""
        self.close()

    # ----------------------------------------------------------------- showing

    def start_epoch(self, epoch: int, epochs: int, samples: int, done: int) -> None:
        """An epoch of ``samples`` begins, or goes on after ``done`` of them; ``epoch`` counts from 0."""
        self._title = f"epoch {epoch + 1:>{len(str(epochs))}}/{epochs}"
        self._start, self._samples = time.perf_counter(), 0
        self._trained_at = self._figures_at = self._start
        self._done, self._total, self._epochs_left = done, samples, epochs - epoch - 1
        if self.shown and self.bar:
            self._figures_at = 0.0  # the first batch shows figures
            self._bar = tqdm.tqdm(
                total=samples,
                initial=done,
                desc=self._title,
                unit=" img",
                unit_scale=True,
                leave=False,  # a line takes its place
                bar_format=_BAR,
                **_size(self.stream),
                file=self.stream,
            )

    def advance(
        self,
        samples: int,
        metrics: RunningMetrics,
        lr: float | None = None,
        memory: Callable[[], Memory] = lambda: None,
    ) -> None:
        """A batch of ``samples`` is done.

        Args:
            samples: how many.
            metrics: of the epoch so far.
            lr: learning rate of the last step.
            memory: bytes held of a device, and all it has; asked only when it is shown.
        """
        self._samples += samples
        self._done += samples
        self._trained_at = time.perf_counter()
        if self._bar is not None:
            self._bar.update(samples)
        pause = _SECONDS_BETWEEN_FIGURES if self.bar else self.seconds_between_lines
        if not self.shown or not metrics.samples or self._trained_at - self._figures_at < pause:
            return
        self._figures_at = self._trained_at
        figures = ", ".join([_figures("", metrics.loss, metrics.accuracy), *_settings(lr, memory())])
        if self._bar is not None:
            self._bar.set_postfix_str(figures)
        elif self._done < self._total:  # the end of the epoch has a line of its own
            left = _clock((self._total - self._done) / max(self._speed, 1e-9))
            share = f"{100 * self._done // self._total} %"
            self.say(f"{self._title}, {share}: {figures}, {self._speed:,.0f} images/s, {left} left of this epoch")

    def end_epoch(self, record: Record, memory: Memory = None) -> None:
        """The epoch is done and validated."""
        figures = [_figures("", record["train_loss"], record.get("train_accuracy"))]
        if "validation_loss" in record:
            figures.append(_figures("validation ", record["validation_loss"], record.get("validation_accuracy")))
        figures += _settings(record.get("lr"), memory)
        seconds = time.perf_counter() - self._start
        if self._samples:  # after a resumption an epoch may have been all but validated
            self._epoch_seconds = seconds * self._total / self._samples
        left = f", {_clock(self._epoch_seconds * self._epochs_left)} left" if self._epochs_left else ""
        self.say(f"{self._title}: {', '.join(figures)}, {self._speed:,.0f} images/s, {seconds:.1f} s{left}")

    @property
    def _speed(self) -> float:
        """Images a second of training, without validation and checkpoints."""
        training = self._trained_at - self._start
        return self._samples / training if training > 0 else 0.0

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


def _settings(lr: float | None, memory: Memory) -> list[str]:
    shown = [] if lr is None else [f"lr {lr:.3g}"]
    if memory is not None:
        held, whole = memory
        shown.append(f"GPU {held / 2**30:.1f}/{whole / 2**30:.0f} GiB")
    return shown


def _clock(seconds: float) -> str:
    """As tqdm shows times: 00:07, 1:02:03."""
    return str(tqdm.tqdm.format_interval(seconds))
