"""How far a training has come."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gpunet.errors import CheckpointError
from gpunet.training.history import History, Record
from gpunet.training.running_metrics import RunningMetrics


@dataclass
class Position:
    """The place in the training, and what was measured up to it.

    Random numbers need nothing more: each is a function of the seed and of this place.

    Attributes:
        epoch: how many epochs are done, validation included.
        step: how many batches of the epoch under way are done.
        total_steps: how many batches are done altogether.
        running: sums over the epoch under way.
        history: records of the epochs that are done.
        best: which epoch was the best so far, as {"measure", "value", "epoch"}, or None.
    """

    epoch: int = 0
    step: int = 0
    total_steps: int = 0
    running: RunningMetrics = field(default_factory=RunningMetrics)
    history: History = field(default_factory=History)
    best: dict[str, Any] | None = None

    def record(self, lr: float) -> Record:
        """What the history says of the epoch that ends here, as far as training goes; ``lr`` is of its last step."""
        record = {"epoch": self.epoch + 1, "step": self.total_steps, "lr": lr, "train_loss": self.running.loss}
        if self.running.accuracy is not None:
            record["train_accuracy"] = self.running.accuracy
        return record

    def end_epoch(self, record: Record) -> bool:
        """Go to the start of the next epoch; whether the one that ends here was the best so far."""
        self.history.append(record)
        self.epoch, self.step, self.running = self.epoch + 1, 0, RunningMetrics()
        measure = next(name for name in ("validation_accuracy", "validation_loss", "train_loss") if name in record)
        value = record[measure]
        better = (
            self.best is None
            or self.best["measure"] != measure  # once without validation, then with it: nothing to compare
            or (value > self.best["value"] if measure.endswith("accuracy") else value < self.best["value"])
        )
        if better:
            self.best = {"measure": measure, "value": value, "epoch": self.epoch}
        return better

    @property
    def epochs_since_best(self) -> int:
        """How many epochs have passed since the best one."""
        return self.epoch - self.best["epoch"] if self.best else 0

    def to_json(self) -> dict[str, Any]:
        """What `from_json` takes."""
        return {
            "epoch": self.epoch,
            "step": self.step,
            "total_steps": self.total_steps,
            "running": self.running.state(),
            "history": self.history.records,
            "best": self.best,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any], source: Any) -> Position:
        """From what `to_json` gave.

        Raises:
            CheckpointError: naming ``source``: something is missing or of another kind.
        """
        try:
            return cls(
                epoch=int(value["epoch"]),
                step=int(value["step"]),
                total_steps=int(value["total_steps"]),
                running=RunningMetrics(**value["running"]),
                history=History(value["history"]),
                best=value["best"],
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise CheckpointError(f"{source}: is damaged: its position is not readable ({error!r}).") from None
