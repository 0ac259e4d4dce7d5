"""The means of an epoch that is under way."""

from __future__ import annotations

import math
from typing import Any

from gpunet.state import Array


class RunningMetrics:
    """Sums of loss and right answers, read from the device only now and then.

    A loss value is a 0-d array of its backend, and `float` of it waits until the device has computed it. So values are
    kept as they are until `read`. They are added one after the other in Python floats, so the sums do not depend on
    how often that happens.

    Attributes:
        loss_sum: sum of the mean losses of the batches, each times its number of samples.
        correct: right answers, or None if the outputs are not scores of classes.
        samples: how many samples were added.
    """

    def __init__(self, loss_sum: float = 0.0, correct: int | None = 0, samples: int = 0) -> None:
        self.loss_sum, self.correct, self.samples = loss_sum, correct, samples
        self._pending: list[tuple[int, Array, Array | None, int]] = []

    def add(self, step: int, value: Array, outputs: Array, labels: Array) -> None:
        """Take note of a batch.

        Args:
            step: its number in the epoch.
            value: its mean loss, 0-d.
            outputs: (N, K) scores of the classes; of another shape they have no accuracy.
            labels: (N,) integers.
        """
        classes = getattr(outputs, "ndim", 0) == 2 and labels.ndim == 1
        correct = (outputs.argmax(axis=1) == labels).sum() if classes else None
        self._pending.append((step, value, correct, len(labels)))

    @property
    def pending(self) -> int:
        """How many batches were added since the last `read`."""
        return len(self._pending)

    def read(self) -> int | None:
        """Wait for the batches added so far and sum them; the first step whose loss is not finite, if any."""
        first_bad = None
        for step, value, correct, samples in self._pending:
            loss = float(value)
            if first_bad is None and not math.isfinite(loss):
                first_bad = step
            self.loss_sum += loss * samples
            self.correct = None if correct is None or self.correct is None else self.correct + int(correct)
            self.samples += samples
        self._pending.clear()
        return first_bad

    @property
    def loss(self) -> float:
        """Mean loss of what was read, NaN before the first."""
        return self.loss_sum / self.samples if self.samples else math.nan

    @property
    def accuracy(self) -> float | None:
        """Share of right answers of what was read; None if there is none, or no such thing."""
        return self.correct / self.samples if self.samples and self.correct is not None else None

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps: the arguments of this class. Call `read` before."""
        return {"loss_sum": self.loss_sum, "correct": self.correct, "samples": self.samples}
