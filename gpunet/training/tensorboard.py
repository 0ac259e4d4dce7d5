"""Writing a training to TensorBoard."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpunet.data.checks import as_integer
from gpunet.errors import DataError, StateError
from gpunet.installation import install_command
from gpunet.training.callbacks import Callback
from gpunet.training.history import History, Record

if TYPE_CHECKING:
    from gpunet.training.trainer import Trainer

FOLDER = "tensorboard"  # within a run directory
_RESERVED = ("epoch", "step")  # of a record: the axis, not a curve


class TensorBoard(Callback):
    """Writes events that ``tensorboard --logdir FOLDER`` shows while the training runs.

    Everything stands over the number of optimizer steps since the start of the training:

    - ``batch/loss``, ``batch/learning_rate``, ``batch/images_per_second`` every few batches, ``batch/gpu_memory``
      (bytes) where there is a GPU;
    - ``epoch/...``: all numbers of the history's records, such as ``epoch/train_loss``, ``epoch/validation_accuracy``;
    - ``weights/...`` and ``gradients/...``: histograms of each parameter and of its last gradient after each epoch, if
      asked for. A value that is not finite is left out of its histogram.

    A training that is resumed goes on in the same folder; what an interrupted run had written beyond its checkpoint is
    hidden.

    Args:
        folder: for the events; by default ``tensorboard`` within the trainer's run directory.
        every: batches between two points of the batch curves. Reading a loss waits for the device.
        histograms: whether to write those of weights and gradients.

    Raises:
        DataError: tensorboardX is not installed, or an argument is wrong.
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None, every: int = 10, histograms: bool = False) -> None:
        self.folder = None if folder is None else Path(folder)
        self.every = as_integer(every, "TensorBoard: every", 1)
        self.histograms = histograms
        self._make_writer = _writer_class()
        self._writer: Any = None
        self._written_at, self._samples = 0.0, 0

    def on_train_begin(self, trainer: Trainer) -> None:
        """Open the file of events."""
        folder, run = self.folder, trainer.recorder
        if folder is None:
            if run is None:
                raise StateError("TensorBoard: got no folder, and the Trainer has no run_dir. Give either.")
            folder = run.run.path / FOLDER
        done = trainer.position.total_steps
        try:
            self._writer = self._make_writer(
                logdir=str(folder),
                # Events at this step and later, of a run that went further than its checkpoint, are hidden.
                purge_step=done + 1 if done else None,
                # The name has the time in seconds: a training that is resumed at once would write over the first file.
                filename_suffix=f".{done:09}.{os.getpid()}",
            )
        except OSError as error:
            raise DataError(f"TensorBoard: {folder} cannot be written: {error.strerror or error}.") from error

    def on_epoch_begin(self, trainer: Trainer, epoch: int) -> None:
        """Start the clock."""
        self._written_at, self._samples = time.perf_counter(), 0

    def on_batch_end(self, trainer: Trainer, epoch: int, step: int) -> None:
        """Every few batches, write the batch curves."""
        self._samples += trainer.batch_samples
        steps = trainer.position.total_steps + 1  # this one included
        if steps % self.every:
            return
        values = {"loss": float(trainer.batch_loss), "learning_rate": trainer.lr}  # waits for the device, so first
        now = time.perf_counter()
        values["images_per_second"] = self._samples / max(now - self._written_at, 1e-9)
        memory = trainer.net.backend.device_memory()
        if memory is not None:
            values["gpu_memory"] = float(memory[0])
        for name, value in values.items():
            self._writer.add_scalar(f"batch/{name}", value, steps)
        self._written_at, self._samples = now, 0

    def on_epoch_end(self, trainer: Trainer, epoch: int, record: Record) -> None:
        """Write the epoch curves."""
        steps = trainer.position.total_steps
        for name, value in record.items():
            if name not in _RESERVED and isinstance(value, int | float):
                self._writer.add_scalar(f"epoch/{name}", value, steps)
        if self.histograms:
            self._write_histograms(trainer, steps)
        self._writer.flush()

    def on_train_end(self, trainer: Trainer, history: History) -> None:
        """Close the file."""
        self._close()

    def on_exception(self, trainer: Trainer, error: BaseException) -> None:
        """Close the file: what was written until now can be seen."""
        self._close()

    def _write_histograms(self, trainer: Trainer, steps: int) -> None:
        backend = trainer.net.backend
        for name, parameter in trainer.net.named_parameters():
            for kind, array in (("weights", parameter.value), ("gradients", parameter.grad)):
                if array is None:
                    continue
                values = backend.to_numpy(array).ravel()
                values = values[abs(values) < float("inf")]  # NaN is not less either
                if values.size:
                    self._writer.add_histogram(f"{kind}/{name}", values, steps)

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def _writer_class() -> Any:
    try:
        from tensorboardX import SummaryWriter
    except ImportError:
        raise DataError(
            f"TensorBoard: writing events needs tensorboardX. Install it with: {install_command('tensorboard')}"
        ) from None
    return SummaryWriter
