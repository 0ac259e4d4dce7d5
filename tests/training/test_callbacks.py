"""What a callback may see and do, and what it is told when a training fails."""

from __future__ import annotations

import math
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_training import small_net, stripes, trainer

import gpunet as gn
from gpunet.training import TrainingInterrupted
from gpunet.training.callbacks import Callbacks


class Told(gn.Callback):
    """Writes down the ends of a training, and what the trainer says in it."""

    def __init__(self) -> None:
        self.ends: list[Any] = []
        self.seen: list[Any] = []

    def on_batch_end(self, trainer: gn.Trainer, epoch: int, step: int) -> None:
        self.seen.append((trainer.metrics, float(trainer.batch_loss), trainer.batch_samples, trainer.lr))

    def on_train_end(self, trainer: gn.Trainer, history: gn.History) -> None:
        self.ends.append(history)

    def on_exception(self, trainer: gn.Trainer, error: BaseException) -> None:
        self.ends.append(error)


class Raising(gn.Callback):
    """Raises at one moment."""

    def __init__(self, moment: str, error: BaseException) -> None:
        def fail(*_: Any) -> None:
            raise error

        setattr(self, moment, fail)


MOMENTS = [name for name in vars(gn.Callback) if name.startswith("on_") and name != "on_exception"]


def test_metrics_are_the_means_of_the_epoch_so_far() -> None:
    told = Told()
    one = trainer(callbacks=[told], batch_size=20)
    history = one.fit(stripes(48), 1)
    assert one.epochs == 1
    sizes = [samples for _, _, samples, _ in told.seen]
    assert sizes == [20, 20, 8]
    losses = [loss for _, loss, _, _ in told.seen]
    for count in (1, 2, 3):
        mean = math.fsum(np.multiply(losses[:count], sizes[:count])) / sum(sizes[:count])
        assert told.seen[count - 1][0]["loss"] == pytest.approx(mean, rel=1e-15)
    assert told.seen[-1][0] == {"loss": history.last["train_loss"], "accuracy": history.last["train_accuracy"]}
    assert {lr for _, _, _, lr in told.seen} == {0.05}
    assert told.ends == [history]


def test_metrics_are_empty_before_the_first_batch_and_the_loss_is_not_a_number() -> None:
    one = trainer()
    assert one.metrics == {}
    assert math.isnan(one.batch_loss)


def test_metrics_of_what_has_no_classes_are_the_loss_alone() -> None:
    net = gn.Sequential(gn.Conv2d(1, 1, 3))
    seen = Told()

    def loss(outputs: np.ndarray, _: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.square(outputs).mean(), 2 * outputs / outputs.size

    settings = {"progress": False, "callbacks": [seen], "batch_size": 24}
    gn.Trainer(net, gn.SGD(net.parameters(), lr=0.1), loss, **settings).fit(stripes(), 1)
    assert list(seen.seen[-1][0]) == ["loss"]


@pytest.mark.parametrize("moment", MOMENTS)
def test_what_a_callback_raises_ends_the_training_and_all_are_told(moment: str, tmp_path: Path) -> None:
    error = RuntimeError("the callback's own")
    first, last = Told(), Told()
    one = trainer(callbacks=[first, Raising(moment, error), last], run_dir=tmp_path)
    with pytest.raises(RuntimeError, match="the callback's own") as raised:
        one.fit(stripes(), 2)
    assert raised.value is error
    assert first.ends[-1] is error
    assert last.ends == [error]
    again = trainer(net=small_net(), run_dir=tmp_path)  # the folder is free, and what stood there is whole
    assert len(again.fit(stripes(), 2, resume=True)) == 2


def test_a_failure_of_the_training_is_told() -> None:
    told = Told()
    net = small_net()
    next(iter(net.parameters())).value[...] = np.nan
    with pytest.raises(gn.DataError, match="not finite") as raised:
        trainer(net, callbacks=[told]).fit(stripes(), 1)
    assert told.ends == [raised.value]


def test_an_interruption_is_told() -> None:
    class Interrupt(gn.Callback):
        def on_batch_end(self, trainer: gn.Trainer, epoch: int, step: int) -> None:
            os.kill(os.getpid(), signal.SIGINT)

    told = Told()
    with pytest.raises(TrainingInterrupted) as raised:
        trainer(callbacks=[told, Interrupt()]).fit(stripes(), 3)
    assert told.ends == [raised.value]
    assert len(told.seen) == 1


def test_a_failure_in_being_told_hides_neither_the_error_nor_the_others() -> None:
    told = Told()
    error = ValueError("first")
    callbacks = Callbacks([Raising("on_exception", OSError("disk")), told])
    callbacks.failed(trainer(), error)
    assert told.ends == [error]
    assert error.__notes__ == ["Raising.on_exception failed too: OSError('disk')"]


def test_what_is_added_to_a_record_stands_in_the_history(tmp_path: Path) -> None:
    class Count(gn.Callback):
        def on_epoch_end(self, trainer: gn.Trainer, epoch: int, record: dict[str, Any]) -> None:
            record["counted"] = 10 * epoch

    one = trainer(callbacks=[Count()], run_dir=tmp_path)
    assert one.fit(stripes(), 3)["counted"] == [0, 10, 20]
    assert '"counted": 20' in (tmp_path / "metrics.jsonl").read_text().splitlines()[-1]
