"""Every loss on CuPy's arrays against the same on NumPy's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cupy_device import require_cupy
from numpy.testing import assert_allclose
from tolerances import FLOAT32_LAYER, ORACLE_FLOAT64

import gpunet as gn
from gpunet.backends import Backend

pytestmark = pytest.mark.gpu
require_cupy()

RNG = np.random.default_rng(0)
LOGITS, LABELS = RNG.normal(size=(37, 5)), RNG.integers(0, 5, 37)
IMAGES, PLANES = RNG.normal(size=(2, 3, 4, 5)), RNG.integers(0, 3, (2, 4, 5))
TARGETS, SHARES = RNG.normal(size=(37, 5)), RNG.uniform(size=(37, 5))
CLASS_WEIGHT = [0.5, 2.0, 0.25, 1.0, 3.0]

CASES = {
    "cross entropy": (gn.CrossEntropyLoss(), LOGITS, LABELS),
    "cross entropy sum": (gn.CrossEntropyLoss(CLASS_WEIGHT, reduction="sum"), LOGITS, LABELS),
    "cross entropy all": (gn.CrossEntropyLoss(CLASS_WEIGHT, 1, 0.2, "none"), LOGITS, LABELS),
    "cross entropy weighted": (gn.CrossEntropyLoss(CLASS_WEIGHT, 3, 0.1), LOGITS, LABELS),
    "cross entropy of images": (gn.CrossEntropyLoss(label_smoothing=0.1), IMAGES, PLANES),
    "cross entropy of nothing": (gn.CrossEntropyLoss(), LOGITS[:0], LABELS[:0]),
    "squared": (gn.MSELoss(), LOGITS, TARGETS),
    "huber": (gn.HuberLoss("none", 0.3), LOGITS, TARGETS),
    "binary": (gn.BCEWithLogitsLoss(CLASS_WEIGHT, "mean", [1.0, 2.0, 0.3, 4.0, 0.5]), LOGITS, SHARES),
}


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", FLOAT32_LAYER), ("float64", ORACLE_FLOAT64)])
@pytest.mark.parametrize("name", CASES)
def test_both_backends_agree(cupy: Backend, name: str, dtype: str, tolerance: float) -> None:
    loss, predictions, targets = CASES[name]
    predictions = predictions.astype(dtype)
    targets = targets.astype(dtype) if targets.dtype.kind == "f" else targets
    wanted: tuple[Any, Any] = loss(predictions, targets)
    got = loss(cupy.asarray(predictions), cupy.asarray(targets))
    for array, reference in zip(got, wanted, strict=True):
        assert cupy.owns(array)
        assert array.dtype == reference.dtype
        assert array.shape == reference.shape
        assert_allclose(cupy.to_numpy(array), reference, rtol=tolerance, atol=tolerance)


def test_labels_on_the_host_are_refused(cupy: Backend) -> None:
    with pytest.raises(gn.BackendError):
        gn.CrossEntropyLoss()(cupy.asarray(LOGITS), LABELS)


@pytest.mark.parametrize("label", [-1, 5, 2**40])
def test_a_label_out_of_range_makes_the_loss_nan(cupy: Backend, label: int) -> None:
    """Checking would wait for the device; nothing is read beside the array, and training stops at the NaN."""
    labels = LABELS.copy()
    labels[3] = label
    value, _ = gn.CrossEntropyLoss()(cupy.asarray(LOGITS), cupy.asarray(labels))
    assert np.isnan(float(value))
