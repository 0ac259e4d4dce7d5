"""What others may do while a net is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpunet.training.history import History, Record

if TYPE_CHECKING:
    from gpunet.training.trainer import Trainer


class Callback:
    """Called by the `Trainer` at its turning points; override what you need.

    Epochs and steps count from 0, a step being a batch within its epoch. A callback may set ``trainer.stop_training``:
    the training ends after this epoch, as if no more had been asked for. What a callback changes in the net is its own
    matter: it stands in no checkpoint but through the net's weights.
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
