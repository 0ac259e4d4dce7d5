"""A net's loss, accuracy and outputs over host arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpunet.data.dataset import Dataset
from gpunet.data.loader import DataLoader
from gpunet.data.preprocessing import prepare_images
from gpunet.errors import DataError, ShapeError
from gpunet.layers.module import Module
from gpunet.metrics import ClassTable, class_table, confusion_matrix
from gpunet.state import Array
from gpunet.training.running_metrics import RunningMetrics

Loss = Callable[[Array, Array], tuple[Array, Array]]

_BATCHES_BETWEEN_READS = 64  # reading a loss waits for the device


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` measured.

    Attributes:
        loss: mean over the samples.
        accuracy: share of right answers; None if the outputs are not scores of classes.
        samples: how many there were.
        outputs: (N, ...) of the net, on the host, in the dataset's order.
        labels: (N,) integers.
        class_names: of the dataset.
    """

    loss: float
    accuracy: float | None
    samples: int
    outputs: NDArray[Any]
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]

    @property
    def record(self) -> dict[str, float]:
        """What a history says of a validation."""
        record = {"validation_loss": self.loss}
        if self.accuracy is not None:
            record["validation_accuracy"] = self.accuracy
        return record

    @property
    def confusion(self) -> NDArray[np.int64]:
        """(K, K): row = true class, column = predicted class."""
        return confusion_matrix(self.outputs, self.labels, max(len(self.class_names), self.outputs.shape[1]))

    @property
    def table(self) -> ClassTable:
        """Precision, recall and support of each class."""
        confusion = self.confusion
        names = [*self.class_names, *(str(label) for label in range(len(self.class_names), len(confusion)))]
        return class_table(confusion, names)

    def __str__(self) -> str:
        shown = "" if self.accuracy is None else f", accuracy {100 * self.accuracy:.2f} %"
        return f"loss {self.loss:.4f}{shown}, {self.samples} images"


def evaluate(
    net: Module, loss: Loss, dataset: Dataset, batch_size: int = 64, before_batch: Callable[[], None] | None = None
) -> Evaluation:
    """Send a dataset through a net, in inference mode.

    Args:
        net: on any backend.
        loss: ``value, gradient = loss(outputs, labels)``.
        dataset: normalised by its own mean and std.
        batch_size: images at a time; at most all of them are taken.
        before_batch: called before each batch; what it raises ends the evaluation.

    Raises:
        DataError: the dataset is empty.
    """
    loader = DataLoader(
        dataset, batch_size=min(batch_size, max(len(dataset), 1)), backend=net.backend, dtype=net.dtype or "float32"
    )
    metrics, outputs = RunningMetrics(), []
    for step, (images, labels) in enumerate(loader.batches(0)):
        if before_batch is not None:
            before_batch()
        y = net(images)
        value, _ = loss(y, labels)
        metrics.add(step, value, y, labels)
        outputs.append(y)
        if metrics.pending == _BATCHES_BETWEEN_READS:
            metrics.read()
    metrics.read()
    return Evaluation(
        loss=metrics.loss,
        accuracy=metrics.accuracy,
        samples=metrics.samples,
        outputs=np.concatenate([net.backend.to_numpy(y) for y in outputs]),
        labels=dataset.labels,
        class_names=dataset.class_names,
    )


def predict(net: Module, images: Any, mean: Any = 0.0, std: Any = 1.0, batch_size: int = 64) -> NDArray[Any]:
    """A net's outputs for host images, in inference mode.

    Args:
        net: on any backend.
        images: (N, C, H, W) on the host, uint8 or floating on the 0..1 scale.
        mean, std: (C,) or one number: the normalisation that the net was trained with.
        batch_size: images at a time.

    Returns:
        (N, ...) on the host; for the scores of a classifier, `gpunet.metrics.softmax` gives probabilities.

    Raises:
        ShapeError, DataError: images of another shape or dtype.
    """
    images = np.asarray(images)
    if images.ndim != 4:
        raise ShapeError(f"predict: got images of shape {images.shape}, wanted (N, C, H, W). One image: images[None].")
    if images.dtype != np.uint8 and images.dtype.kind != "f":
        raise DataError(f"predict: got {images.dtype} images, wanted uint8 or floating numbers on the 0..1 scale.")
    dtype = net.dtype or np.dtype("float32")
    outputs = []
    for start in range(0, max(len(images), 1), batch_size):
        batch = prepare_images(images[start : start + batch_size], mean, std, dtype)
        outputs.append(net.backend.to_numpy(net(net.backend.asarray(batch))))
    return np.concatenate(outputs)
