"""Softmax cross entropy on plain arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from formula_references import softmax_cross_entropy_reference
from numpy.testing import assert_allclose, assert_array_equal
from tolerances import ORACLE_FLOAT64

import gpunet as gn
from gpunet.errors import BackendError, DataError, ShapeError

F = gn.functional
LOGITS, LABELS = np.zeros((2, 3)), np.array([0, 2])


@pytest.mark.parametrize("shape", [(5, 3), (2, 4, 3), (2, 3, 2, 2)], ids=str)
def test_the_loss_of_each_sample_and_the_gradient_of_their_mean(shape: Any) -> None:
    draw = np.random.default_rng(0)
    logits, labels = draw.normal(0, 2, shape), draw.integers(0, shape[1], (shape[0], *shape[2:]))
    losses, grad = F.softmax_cross_entropy(logits, labels)
    wanted, wanted_grad = softmax_cross_entropy_reference(logits, labels)
    assert_allclose(losses, wanted, atol=ORACLE_FLOAT64)
    assert_allclose(grad, wanted_grad, atol=ORACLE_FLOAT64)
    nudge = np.zeros(shape)
    nudge.flat[1] = 1e-6
    slope = (F.softmax_cross_entropy(logits + nudge, labels)[0].mean() - losses.mean()) / 1e-6
    assert_allclose(grad.flat[1], slope, atol=1e-6)


def test_a_sample_left_out() -> None:
    losses, grad = F.softmax_cross_entropy(LOGITS, np.array([0, -100]))
    assert_array_equal(losses, [np.log(3), 0])
    assert_allclose(grad, [[-2 / 3, 1 / 3, 1 / 3], [0, 0, 0]], atol=ORACLE_FLOAT64)


def test_no_samples() -> None:
    losses, grad = F.softmax_cross_entropy(LOGITS[:0], LABELS[:0])
    assert losses.shape == (0,)
    assert grad.shape == (0, 3)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((LOGITS[0], LABELS), ShapeError, r"logits have shape \(3,\), wanted \(N, C, \.\.\.\)"),
        ((LOGITS[:, :0], LABELS), ShapeError, "at least one class"),
        ((LOGITS, LABELS[:1]), ShapeError, r"labels has shape \(1,\), wanted \(2,\), one for each sample"),
        ((LOGITS, LABELS[:, None]), ShapeError, r"labels has shape \(2, 1\)"),
        ((LOGITS, LABELS.astype(float)), DataError, "labels have dtype float64, wanted integers"),
        ((LOGITS, LABELS.astype(bool)), DataError, "labels have dtype bool"),
        ((LOGITS, LABELS + 1), DataError, r"label 3 is outside \[0, 3\)"),
        ((LOGITS, LABELS - 1), DataError, r"label -1 is outside \[0, 3\)"),
        ((LOGITS.astype(int), LABELS), DataError, "logits has dtype int64"),
        ((LOGITS, None), BackendError, "labels is None"),
        ((LOGITS, [0, 2]), BackendError, r"labels: got a builtins\.list"),
    ],
)
def test_wrong_arguments_are_named(arguments: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        F.softmax_cross_entropy(*arguments)
    assert str(caught.value).startswith("functional.softmax_cross_entropy: ")
