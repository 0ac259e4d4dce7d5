"""The kernels of softmax cross entropy: few and many classes, many samples, odd launches, labels that do not exist."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cupy_device import require_cupy
from device_cases import GEOMETRIES, NUMPY, assert_same_bits, on_device
from numpy.testing import assert_allclose, assert_array_equal
from tolerances import FLOAT32_ROUNDING, ORACLE_FLOAT64

pytestmark = pytest.mark.gpu
backend: Any = require_cupy()

# A thread a sample; a block a sample, with fewer and more classes than threads; more samples than one block sums up.
SHAPES = [(5, 10), (3, 7, 4, 5), (4, 33), (3, 1000), (2, 40, 3), (9001, 3)]


def samples(shape: Any, dtype: Any = "float32") -> tuple[Any, Any, Any]:
    """(logits, labels of which some are ignored, class weights)."""
    draw = np.random.default_rng(sum(shape))
    labels = draw.integers(0, shape[1], (shape[0], *shape[2:]))
    labels.flat[::3] = -100
    return draw.normal(0, 4, shape).astype(dtype), labels, draw.uniform(0.5, 2, shape[1]).astype(dtype)


@pytest.mark.parametrize("geometry", [None, *GEOMETRIES], ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_any_launch_gives_the_results_of_numpy(shape: Any, geometry: tuple[int, int] | None) -> None:
    for dtype, tolerance in (("float64", ORACLE_FLOAT64), ("float32", 100 * FLOAT32_ROUNDING)):
        logits, labels, weight = samples(shape, dtype)
        for arguments in ((logits, labels), (logits, labels, weight, -100, 0.1)):
            if geometry is None:
                results = on_device(backend, backend.softmax_cross_entropy, *arguments)
            else:
                with backend.library.geometry(*geometry):
                    results = on_device(backend, backend.softmax_cross_entropy, *arguments)
            for result, wanted in zip(results, NUMPY.softmax_cross_entropy(*arguments), strict=True):
                assert result.dtype == dtype
                assert_allclose(result, wanted, rtol=tolerance, atol=tolerance * max(1, np.abs(wanted).max()))


@pytest.mark.parametrize("classes", [3, 100])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("label", [-1, -101, "classes", 2**62])
def test_a_label_out_of_range_gives_nan(label: Any, smoothing: float, classes: int) -> None:
    """Looking at the labels would wait for the device; nothing outside of the arrays is read."""
    logits = np.zeros((3, classes), np.float32)
    labels = np.array([0, classes if label == "classes" else label, -100])
    for weight in (None, np.ones(classes, np.float32)):
        losses, grad = on_device(
            backend, backend.softmax_cross_entropy, logits, labels, weight, label_smoothing=smoothing
        )
        assert_allclose(losses[0], np.log(classes), rtol=4 * FLOAT32_ROUNDING)
        assert np.isnan(losses[1])
        assert losses[2] == 0
        assert np.isnan(grad).all()


@pytest.mark.parametrize("classes", [3, 100])
def test_the_rules_hold_for_many_classes_too(classes: int) -> None:
    """NaN stays in its sample, impossible classes are legal, ignored samples count for nothing whatever they hold."""
    logits = np.zeros((5, classes))
    logits[0, classes - 1] = np.nan
    logits[1, 0] = -np.inf
    logits[2] = np.inf
    logits[3, 1], logits[3, 2:] = 1e4, -1e4
    labels = np.array([0, 1, -100, 1, classes - 1])
    losses, grad = on_device(backend, backend.softmax_cross_entropy, logits, labels)
    assert np.isnan(losses[0])
    assert np.isnan(grad[0]).all()
    assert_allclose(losses[1:], [np.log(classes - 1), 0, 0, np.log(classes)], rtol=ORACLE_FLOAT64)
    assert grad[1, 0] == 0
    assert_array_equal(grad[2:4], np.zeros((2, classes)))
    assert_allclose(grad[4, :-1], 1 / classes / 4, rtol=ORACLE_FLOAT64)


@pytest.mark.parametrize("shape", [(4, 3), (4, 100), (5000, 3)], ids=str)
def test_with_no_label_left_the_losses_are_zero_and_the_gradient_nan(shape: Any) -> None:
    labels = np.full(shape[0], -100)
    losses, grad = on_device(backend, backend.softmax_cross_entropy, np.zeros(shape, np.float32), labels)
    assert_array_equal(losses, np.zeros(shape[0]))
    assert np.isnan(grad).all()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_two_runs_give_the_same_bits_with_any_number_of_blocks(shape: Any) -> None:
    wanted = on_device(backend, backend.softmax_cross_entropy, *samples(shape))
    for max_blocks in (1, 3, 1000):
        with backend.library.geometry(max_blocks=max_blocks):
            for result, same in zip(
                on_device(backend, backend.softmax_cross_entropy, *samples(shape)), wanted, strict=True
            ):
                assert_same_bits(result, same)


@pytest.mark.parametrize("classes", [4, 50])
def test_views_give_what_their_copies_give(classes: int) -> None:
    wide = np.random.default_rng(0).normal(0, 2, (classes, 12)).astype(np.float32)
    labels = np.arange(12) % classes
    got = backend.softmax_cross_entropy(backend.asarray(wide).T[::2], backend.asarray(labels)[::2])
    for result, wanted in zip(got, NUMPY.softmax_cross_entropy(wide.T[::2], labels[::2]), strict=True):
        assert_allclose(backend.to_numpy(result), wanted, rtol=50 * FLOAT32_ROUNDING, atol=50 * FLOAT32_ROUNDING)
