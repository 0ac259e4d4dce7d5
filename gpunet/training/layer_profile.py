"""Showing where the time of a training goes, before it begins."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from gpunet.data.checks import as_integer
from gpunet.training.callbacks import Callback
from gpunet.training.layer_times import LayerTimes, measure_layer_times

if TYPE_CHECKING:
    from gpunet.training.trainer import Trainer


class LayerProfile(Callback):
    """Times each layer forward and backward on a first batch, and shows the table.

    The training itself is not watched, so that it runs at full speed and gives the same bits as without.

    Args:
        repeats: passes to take the median over; each is done twice, with the layers watched and without.
        show: takes the table; by default it is written to standard error.

    Attributes:
        times: what was measured, or None before.
    """

    def __init__(self, repeats: int = 3, show: Callable[[str], None] | None = None) -> None:
        self.repeats = as_integer(repeats, "LayerProfile: repeats", 1)
        self.show = show or _to_standard_error
        self.times: LayerTimes | None = None

    def on_train_begin(self, trainer: Trainer) -> None:
        """Measure, and show."""
        backend = trainer.net.backend
        with contextlib.closing(trainer.loader.batches(0)) as batches:
            images, labels = (backend.asarray(array) for array in next(batches))
        self.times = measure_layer_times(trainer.net, trainer.loss, images, labels, self.repeats)
        self.show(f"time of a batch of {len(images)} images on {backend.name}, forward and backward:\n{self.times}")


def _to_standard_error(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
