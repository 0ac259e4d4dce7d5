"""What others may do while a net is trained."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from gpunet.training.history import History, Record

if TYPE_CHECKING:
    from gpunet.training.trainer import Trainer


class Callback:
    """Called by the `Trainer` at its turning points; override what you need.

    Epochs and steps count from 0, a step being a batch within its epoch. Callbacks are called in the order in which the
    trainer got them, its own `Progress` last.

    Reading: ``trainer.metrics`` (means of the epoch so far), ``trainer.batch_loss``, ``trainer.lr``,
    ``trainer.history``, ``trainer.position``, ``trainer.net`` and ``trainer.epochs``. What is read from the device,
    such as the metrics, waits for it.

    Stopping: a callback may set ``trainer.stop_training``; the training ends after this epoch, as if no more had been
    asked for. What it adds to the record of an epoch stands in the history and in ``metrics.jsonl``. What a callback
    changes in the net is its own matter: it stands in no checkpoint but through the net's weights.

    Errors: what a callback raises ends the training, as an error of the training itself does; checkpoints stay as they
    are. Every callback is then told by `on_exception`.
    """

    def on_train_begin(self, trainer: Trainer) -> None:
        """Before the first batch, after a checkpoint to continue from was read."""

    def on_epoch_begin(self, trainer: Trainer, epoch: int) -> None:
        """Before the first batch of an epoch, or before the first that is left of one that was interrupted."""

    def on_batch_begin(self, trainer: Trainer, epoch: int, step: int) -> None:
        """Before a batch goes through the net."""

    def on_batch_end(self, trainer: Trainer, epoch: int, step: int) -> None:
        """After the optimizer's step; the gradients are still there."""

    def on_epoch_end(self, trainer: Trainer, epoch: int, record: Record) -> None:
        """After the validation, before the epoch's checkpoint is written."""

    def on_train_end(self, trainer: Trainer, history: History) -> None:
        """After the last epoch; not after an error or an interruption."""

    def on_exception(self, trainer: Trainer, error: BaseException) -> None:
        """Instead of `on_train_end`: an error, Ctrl-C or SIGTERM ends the training. It goes on to the caller."""


class Callbacks:
    """Several callbacks, told one after the other.

    Args:
        callbacks: in their order.
    """

    def __init__(self, callbacks: Iterable[Callback]) -> None:
        self._callbacks = list(callbacks)

    def call(self, moment: str, trainer: Trainer, *arguments: Any) -> None:
        """Call the method ``moment`` of each."""
        for callback in self._callbacks:
            getattr(callback, moment)(trainer, *arguments)

    def failed(self, trainer: Trainer, error: BaseException) -> None:
        """Tell each of an error; what goes wrong in that is added to the error as a note, so that it hides nothing."""
        for callback in self._callbacks:
            try:
                callback.on_exception(trainer, error)
            except Exception as another:  # noqa: BLE001 - each must be told, whatever the others do
                error.add_note(f"{type(callback).__name__}.on_exception failed too: {another!r}")
