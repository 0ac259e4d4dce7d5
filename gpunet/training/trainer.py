"""`Trainer`: the loop over epochs and batches, with everything around it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpunet.data.checks import as_integer
from gpunet.data.dataset import Dataset
from gpunet.data.loader import Augmentation, DataLoader
from gpunet.errors import DataError, StateError
from gpunet.layers.module import Module
from gpunet.losses import CrossEntropyLoss
from gpunet.optimizers import Optimizer, clip_grad_norm
from gpunet.state import Array
from gpunet.training.callbacks import Callback, Callbacks
from gpunet.training.evaluation import Evaluation, Loss, evaluate, predict
from gpunet.training.fingerprint import described, described_data
from gpunet.training.history import History
from gpunet.training.inputs import Data, as_dataset, like_training, normalisation_of
from gpunet.training.interruption import Interruption, TrainingInterrupted, watch
from gpunet.training.non_finite import ADVICE, first_non_finite, require_finite_weights
from gpunet.training.position import Position
from gpunet.training.progress import Progress
from gpunet.training.run_recorder import RunRecorder

_STEPS_BETWEEN_READS = 32  # of loss values where reading one waits for a device


class Trainer:
    """Trains a net, measures it, and keeps what is needed to go on.

    Args:
        net: what to train, on the backend where it is to be trained.
        optimizer: of its parameters.
        loss: ``value, gradient = loss(outputs, labels)``.
        schedule: moves the learning rate, one step for each epoch or batch as ``schedule_every`` says.
        run_dir: folder for settings, metrics and checkpoints; without one nothing is written.
        batch_size: for datasets and arrays; a `DataLoader` has its own.
        seed: of the order of the samples, of augmentation and of dropout; weights have theirs from when they were made.
        augment: changes training batches on the host: ``augment(images, stream)``.
        drop_last: leave out a last batch that is smaller than the others.
        max_grad_norm: gradients that are longer, all together, are shrunk to this length.
        early_stopping: stop after this many epochs without a new best.
        checkpoint_every: write a checkpoint after this many batches too, not only after each epoch.
        callbacks: told of the turning points, `TensorBoard` among them.
        progress: whether to show one line an epoch and, on a terminal, a bar meanwhile; None does. A `Progress` of
            one's own is used as it is.
        config: written to config.toml instead of this trainer's own settings, by whoever can build a run from it.
        check_every: after how many batches the loss is read, to see that it is finite. Reading waits for the
            device; the default is 1 on NumPy, where it does not, and 32 elsewhere.

    Attributes:
        position: epoch, step, history and best epoch so far.
        stop_training: set by a callback to end the training after this epoch.
        epochs: to be done altogether, as asked of `fit`.
        loader: gives the training batches, since `fit`.
        batch_loss: of the last batch, an array of no axes; ``float`` of it waits for the device. NaN before.
        batch_samples: how many samples the last batch had.
        normalisation: mean and std of the training images, as known since `fit`.
        class_names, sample_shape: of the training images.
        settings: all that decides the numbers, fit for JSON; a run is resumed with equal ones only.
    """

    def __init__(
        self,
        net: Module,
        optimizer: Optimizer,
        loss: Loss,
        *,
        schedule: Any = None,
        schedule_every: str = "epoch",
        run_dir: Any = None,
        batch_size: int = 64,
        seed: int = 0,
        augment: Augmentation | None = None,
        drop_last: bool = False,
        max_grad_norm: float | None = None,
        early_stopping: int | None = None,
        checkpoint_every: int | None = None,
        callbacks: Iterable[Callback] = (),
        progress: Progress | bool | None = None,
        config: Mapping[str, Any] | None = None,
        check_every: int | None = None,
    ) -> None:
        self.net, self.optimizer, self.loss, self.schedule = net, optimizer, loss, schedule
        _require_parameters_of(net, optimizer)
        reduction = getattr(loss, "reduction", "mean")
        if reduction != "mean":
            raise DataError(
                f"Trainer: the loss has reduction={reduction!r}, wanted 'mean', which does not change with the size "
                "of the last batch. For a sum, raise the learning rate instead."
            )
        if schedule_every not in ("epoch", "batch"):
            raise DataError(f"Trainer: schedule_every must be 'epoch' or 'batch', got {schedule_every!r}.")
        if max_grad_norm is not None and not max_grad_norm > 0:
            raise DataError(f"Trainer: max_grad_norm must be above 0, got {max_grad_norm!r}.")
        self.schedule_every = schedule_every
        self.recorder = None if run_dir is None else RunRecorder(run_dir, self)
        self.batch_size = as_integer(batch_size, "Trainer: batch_size", 1)
        self.seed = as_integer(seed, "Trainer: seed")
        self.augment, self.drop_last, self.max_grad_norm = augment, drop_last, max_grad_norm
        self.early_stopping = _count_or_none(early_stopping, "early_stopping")
        self.checkpoint_every = _count_or_none(checkpoint_every, "checkpoint_every")
        self.callbacks = list(callbacks)
        self.progress = progress if isinstance(progress, Progress) else Progress(progress is not False)
        self.config = config
        default_check = 1 if net.backend.name == "numpy" else _STEPS_BETWEEN_READS
        self.check_every = default_check if check_every is None else as_integer(check_every, "Trainer: check_every", 1)
        self.position = Position()
        self.stop_training = False
        self.epochs = 0
        self.batch_loss: Array = np.float32(np.nan)
        self.batch_samples = 0
        self.normalisation: tuple[NDArray[Any], NDArray[Any]] | None = None
        self.class_names: tuple[str, ...] = ()
        self.sample_shape: tuple[int, ...] = ()
        self.settings: dict[str, Any] = described(self)
        self._interruption = Interruption()

    @property
    def history(self) -> History:
        """What each epoch so far achieved."""
        return self.position.history

    def fit(self, train: Data, epochs: int, validation: Data | None = None, resume: bool = False) -> History:
        """Train until ``epochs`` epochs are done.

        A call starts at epoch 0 with the net as it is, or with ``resume`` where the run directory's last checkpoint
        stands, and then continues bit for bit as if it had never stopped. The first Ctrl-C or SIGTERM ends the training
        after the batch under way and writes a checkpoint there; a second one ends it at once.

        Args:
            train: a `Dataset`, a `DataLoader`, or host arrays (images, labels).
            epochs: to be done altogether, those before a resumption included.
            validation: measured after every epoch; the best epoch is chosen by its accuracy, otherwise by its loss,
                and without validation by the training loss.
            resume: continue the run in ``run_dir``, from the start if nothing was saved yet.

        Returns:
            the history of the whole run.

        Raises:
            DataError: the data does not serve; or the loss or a weight became NaN or infinite: the message says
                in which epoch and step, and which layer was first. The last checkpoint stays as it was.
            CheckpointError: the folder is used (without ``resume``), damaged, of other settings, or cannot be written.
            TrainingInterrupted: by Ctrl-C or SIGTERM; a `KeyboardInterrupt`.
        """
        self.epochs = as_integer(epochs, "fit: epochs", 1)
        if resume and self.recorder is None:
            raise StateError("fit: resume=True continues the run in run_dir, and this Trainer has none.")
        self.loader = loader = self._loader(train)
        self.normalisation = normalisation_of(loader)
        held_out = None if validation is None else self._like_training(as_dataset(validation, "validation"))
        self.class_names, self.sample_shape = loader.dataset.class_names, loader.dataset.sample_shape
        self.settings["data"] = described_data(loader)
        if self.net.knows_output_shape:  # before a folder is made for what cannot run
            with contextlib.closing(loader.batches(0)) as batches:
                output_shape = self.net.output_shape(tuple(next(batches)[0].shape[1:]))
            if isinstance(self.loss, CrossEntropyLoss):  # on a device it gives NaN for such labels rather than wait
                _require_outputs_for(loader.dataset, output_shape)
        self.position, self.stop_training = Position(), False
        with contextlib.ExitStack() as stack, np.errstate(all="ignore"):  # finiteness is checked here, by name
            if self.recorder is not None:
                stack.callback(self.recorder.run.close)
                self.recorder.begin(resume)
            told = Callbacks([*self.callbacks, self.progress])
            try:
                told.call("on_train_begin", self)
                self._train(told, held_out)
                told.call("on_train_end", self, self.history)
            except BaseException as error:
                told.failed(self, error)
                raise
            if self.recorder is not None:
                self.recorder.run.write_curves(self.history)
        return self.history

    @property
    def stalled(self) -> bool:
        """Whether early stopping has its reason: as many epochs without a new best as it waits for."""
        return self.early_stopping is not None and self.position.epochs_since_best >= self.early_stopping

    @property
    def lr(self) -> float:
        """The learning rate of the optimizer's first parameter group."""
        return float(self.optimizer.param_groups[0]["lr"])

    @property
    def metrics(self) -> dict[str, float]:
        """Means over the epoch so far: "loss" and, of a classifier, "accuracy"; empty before its first batch.

        Waits for the device, and checks as it reads: a loss that is not finite raises DataError.
        """
        self._read_losses()
        running = self.position.running
        if not running.samples:
            return {}
        return {"loss": running.loss} | ({} if running.accuracy is None else {"accuracy": running.accuracy})

    def evaluate(self, data: Data) -> Evaluation:
        """Loss, accuracy and outputs over host data, normalised as the training images were (if `fit` saw any)."""
        dataset = self._like_training(as_dataset(data, "evaluate"))
        return evaluate(self.net, self.loss, dataset, self.batch_size)

    def predict(self, images: Any) -> NDArray[Any]:
        """The net's outputs for host images (N, C, H, W), normalised as the training images were.

        Returns:
            (N, ...) on the host; `gpunet.metrics.softmax` makes probabilities of a classifier's scores.

        Raises:
            StateError: `fit` has not seen any images, so their normalisation is not known.
        """
        if self.normalisation is None:
            raise StateError("predict: the normalisation of the images is known only after fit.")
        return predict(self.net, images, *self.normalisation, batch_size=self.batch_size)

    # ----------------------------------------------------------------- epochs

    def _train(self, told: Callbacks, validation: Dataset | None) -> None:
        if self.position.epoch >= self.epochs or self.stalled:
            why = f", the last {self.early_stopping} without a new best" if self.stalled else ""
            self.progress.say(f"nothing left to do: {self.position.epoch} epochs are done{why}")
        with watch(self._interruption):
            while self.position.epoch < self.epochs and not self.stalled and not self.stop_training:
                self._stop_if_asked()
                self._train_epoch(told)
                self._end_epoch(told, validation)

    def _train_epoch(self, told: Callbacks) -> None:
        here = self.position
        told.call("on_epoch_begin", self, here.epoch)
        with contextlib.closing(self.loader.batches(here.epoch, start=here.step)) as batches:
            for images, labels in batches:
                told.call("on_batch_begin", self, here.epoch, here.step)
                self._train_batch(self.net.backend.asarray(images), self.net.backend.asarray(labels))
                told.call("on_batch_end", self, here.epoch, here.step)
                here.step += 1
                here.total_steps += 1
                if self.checkpoint_every and here.total_steps % self.checkpoint_every == 0:
                    self._save()
                self._stop_if_asked()

    def _train_batch(self, images: Array, labels: Array) -> None:
        net, here = self.net, self.position
        position = (self.seed, here.epoch, here.step)
        net.set_random_position(*position)
        self.optimizer.zero_grad()
        outputs = net.forward(images, training=True)
        value, grad = self.loss(outputs, labels)
        self.batch_loss, self.batch_samples = value, len(images)
        here.running.add(here.step, value, outputs, labels)
        if here.running.pending >= self.check_every:
            self._read_losses(images, position)
        net.backward(grad, inputs=False)
        if self.max_grad_norm is not None:
            clip_grad_norm(net.parameters(), self.max_grad_norm)
        self.optimizer.step()
        if self.schedule is not None and self.schedule_every == "batch":
            self.schedule.step()

    def _end_epoch(self, told: Callbacks, validation: Dataset | None) -> None:
        here = self.position
        self._read_losses()
        require_finite_weights(self.net, f"epoch {here.epoch + 1}, after its last step")
        record = here.record(self.lr)
        if validation is not None:
            measured = evaluate(self.net, self.loss, validation, self.batch_size, before_batch=self._stop_if_asked)
            if not np.isfinite(measured.loss):
                raise DataError(f"epoch {here.epoch + 1}: the validation loss is {measured.loss}, with finite weights.")
            record |= measured.record
        if self.schedule is not None and self.schedule_every == "epoch":
            self.schedule.step()
        told.call("on_epoch_end", self, here.epoch, record)
        best = here.end_epoch(record)
        if self.recorder is not None:
            self.recorder.end_epoch(best)

    # ---------------------------------------------------------- what can stop it

    def _read_losses(self, images: Array | None = None, position: tuple[int, int, int] | None = None) -> None:
        """Read the losses that wait; if one is not finite, say where it came from."""
        here = self.position
        step = here.running.read()
        if step is None:
            return
        reason = "Later steps have spoilt the weights: train with check_every=1 to see which layer was first."
        if images is not None and position is not None and step == here.step:
            reason = first_non_finite(self.net, images, position)
        kept = "" if self.recorder is None else f" The last checkpoint is kept in {self.recorder.run.path}."
        raise DataError(
            f"the loss is not finite in epoch {here.epoch + 1}, batch {step + 1} of it. {reason}{kept} {ADVICE}"
        )

    def _stop_if_asked(self) -> None:
        number, here = self._interruption.signal_number, self.position
        if number is None:
            return
        message = f"interrupted in epoch {here.epoch + 1} after {here.step} batches"
        if self.recorder is not None:
            self._save()
            self.recorder.run.write_curves(self.history)
            message += f"; all of it is kept in {self.recorder.run.path}: continue with fit(..., resume=True)"
        raise TrainingInterrupted(message, number)

    def _save(self) -> None:
        if self.recorder is not None:
            self._read_losses()
            self.recorder.save()

    def _like_training(self, dataset: Dataset) -> Dataset:
        return dataset if self.normalisation is None else like_training(dataset, *self.normalisation)

    def _loader(self, train: Data) -> DataLoader:
        if isinstance(train, DataLoader):
            for name in ("augment", "drop_last"):
                if getattr(self, name):
                    raise DataError(
                        f"fit: got a DataLoader, which decides over {name} itself, and a Trainer with {name} set. "
                        f"Give {name} to the DataLoader, or the dataset to fit."
                    )
            return train
        return DataLoader(
            as_dataset(train, "train"),
            batch_size=self.batch_size,
            shuffle=True,
            seed=self.seed,
            drop_last=self.drop_last,
            augment=self.augment,
            dtype=self.net.dtype or "float32",
        )


def _require_parameters_of(net: Module, optimizer: Optimizer) -> None:
    own = {id(parameter) for parameter in net.parameters()}
    given = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    foreign = sum(id(parameter) not in own for parameter in given)
    if foreign:
        raise StateError(
            f"Trainer: {foreign} of the optimizer's {len(given)} parameters do not belong to the net, so they would "
            "never get a gradient. Make the optimizer from net.parameters(), after the last change of the net's layers."
        )


def _require_outputs_for(dataset: Dataset, output_shape: tuple[int, ...]) -> None:
    largest = int(dataset.labels.max(initial=0))
    if output_shape and largest >= output_shape[0]:
        raise DataError(
            f"fit: label {largest} is outside [0, {output_shape[0]}): the net has {output_shape[0]} outputs and the "
            f"data {dataset.num_classes} classes. Give the last layer as many outputs as there are classes."
        )


def _count_or_none(value: int | None, name: str) -> int | None:
    return None if value is None else as_integer(value, f"Trainer: {name}", 1)
