"""The check of class labels that both the host's backend and the callers of a device's make."""

from __future__ import annotations

from typing import Any

from gpunet.errors import DataError
from gpunet.state import Array


def check_labels(xp: Any, labels: Array, classes: int, ignore_index: int) -> None:
    """Refuse labels that are neither in [0, ``classes``) nor ``ignore_index``. On a device this waits for it.

    Args:
        xp: the labels' array module.
        labels: integers of any shape.

    Raises:
        DataError: names the first such label.
    """
    wrong = (labels != ignore_index) & ((labels < 0) | (labels >= classes))
    if bool(xp.any(wrong)):
        raise DataError(
            f"label {int(labels[wrong][0])} is outside [0, {classes}): the net has {classes} outputs. "
            f"Check the labels, or give the last layer as many outputs as there are classes."
        )
