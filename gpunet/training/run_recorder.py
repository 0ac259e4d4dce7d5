"""What a training writes into its run directory, and how it is read back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gpunet.errors import CheckpointError
from gpunet.training.checkpoint import Checkpoint, read_state, write_checkpoint
from gpunet.training.fingerprint import described_layers, differences
from gpunet.training.non_finite import require_finite_weights
from gpunet.training.position import Position
from gpunet.training.run_directory import RunDirectory

if TYPE_CHECKING:
    from gpunet.training.trainer import Trainer


class RunRecorder:
    """Keeps a run directory true to its trainer.

    Args:
        folder: of the run.
        trainer: whose run it is.
    """

    def __init__(self, folder: Any, trainer: Trainer) -> None:
        self.run = RunDirectory(folder)
        self.trainer = trainer

    def begin(self, resume: bool) -> None:
        """Take the folder; with ``resume``, put the trainer where the last checkpoint stands, if there is one."""
        trainer = self.trainer
        self.run.open(resume)
        if resume and self.run.last.exists():
            self._restore(read_state(self.run.last))
        self.run.write_config(trainer.config or {"trainer": trainer.settings}, trainer.net.backend.name)
        self.run.write_metrics(trainer.history)
        if not self.run.last.exists():
            self.save()  # so that a run can be resumed, and a failure leaves something, from the first batch on

    def end_epoch(self, best: bool) -> None:
        """Record an epoch that is done, and its weights as the best ones if they are.

        The last checkpoint comes last: a crash before it repeats the epoch, which writes the same files again.
        """
        self.run.write_metrics(self.trainer.history)
        if best:
            best_weights = Checkpoint(self.trainer.net.state_dict(), state=self._description())
            write_checkpoint(self.run.best, best_weights, flush_folder=False)  # the next line flushes the same folder
        self.save()

    def save(self) -> None:
        """Write the last checkpoint: all that is needed to go on from here.

        Raises:
            DataError: a weight is NaN or infinite; the checkpoint before stays.
            CheckpointError: it could not be written; the checkpoint before stays.
        """
        trainer, position = self.trainer, self.trainer.position
        require_finite_weights(trainer.net, f"epoch {position.epoch + 1}, after {position.step} batches")
        optimizer = trainer.optimizer.state_dict()
        state = {
            **self._description(),
            "training": position.to_json(),
            "optimizer": optimizer["settings"],
            "schedule": None if trainer.schedule is None else trainer.schedule.state_dict(),
            "settings": trainer.settings,
            "layers": described_layers(trainer.net),
        }
        write_checkpoint(self.run.last, Checkpoint(trainer.net.state_dict(), optimizer["arrays"], state))

    def _description(self) -> dict[str, Any]:
        """What evaluation and prediction need beside the weights."""
        trainer = self.trainer
        assert trainer.normalisation is not None
        mean, std = trainer.normalisation
        return {
            "epoch": trainer.position.epoch,
            "mean": mean.tolist(),
            "std": std.tolist(),
            "class_names": list(trainer.class_names),
            "sample_shape": list(trainer.sample_shape),
        }

    def _restore(self, checkpoint: Checkpoint) -> None:
        trainer, source, state = self.trainer, self.run.last, checkpoint.state
        other = differences(state.get("settings", {}), trainer.settings)
        if other:
            raise CheckpointError(f"{source}: was written with other settings: {other}. Use those, or another folder.")
        position = Position.from_json(state["training"], source)
        before = trainer.net.state_dict()
        try:
            trainer.net.load_state_dict(checkpoint.weights)
            try:
                self._require_layers(state.get("layers"))
                trainer.optimizer.load_state_dict({"arrays": checkpoint.optimizer, "settings": state.get("optimizer")})
                if trainer.schedule is not None:
                    trainer.schedule.load_state_dict(state.get("schedule"))
            except BaseException:
                trainer.net.load_state_dict(before)
                raise
        except CheckpointError as error:
            raise CheckpointError(f"{source}: {error}") from None
        trainer.position = position

    def _require_layers(self, stored: Any) -> None:
        other = differences(stored or {}, described_layers(self.trainer.net))
        if other:
            raise CheckpointError(f"was written for a net of other layers: {other}. Build that net, or another folder.")
