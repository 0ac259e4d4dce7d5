"""Softmax cross entropy against its definition, and each of its rules by name."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from formula_references import softmax_cross_entropy_reference
from numpy.testing import assert_allclose, assert_array_equal
from tolerances import FLOAT32_ROUNDING, ORACLE_FLOAT64
from window_cases import layouts

from gpunet.backends import Backend
from gpunet.errors import DataError

SHAPES = [(1, 1), (1, 4), (6, 3), (2, 5, 3), (2, 3, 2, 4), (0, 3), (0, 3, 2, 2)]


def samples(shape: Any, ignored: bool, dtype: Any = "float64") -> tuple[Any, Any]:
    draw = np.random.default_rng(sum(shape))
    logits = draw.normal(0, 3, shape).astype(dtype)
    labels = draw.integers(0, shape[1], (shape[0], *shape[2:]))
    if ignored and labels.size > 1:
        labels.flat[::3] = -100
    return logits, labels


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("ignored", [False, True])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_losses_and_gradient_equal_the_definition(
    backend: Backend, shape: Any, ignored: bool, weighted: bool, smoothing: float
) -> None:
    class_weight = np.arange(1, shape[1] + 1) / 2 if weighted else None
    for dtype, tolerance in (("float64", ORACLE_FLOAT64), ("float32", 200 * FLOAT32_ROUNDING)):
        logits, labels = samples(shape, ignored, dtype)
        weight = None if class_weight is None else class_weight.astype(dtype)
        losses, grad = backend.softmax_cross_entropy(logits, labels, weight, -100, smoothing)
        wanted, wanted_grad = softmax_cross_entropy_reference(logits, labels, class_weight, -100, smoothing)
        assert losses.dtype == grad.dtype == dtype
        assert losses.shape == labels.shape
        assert grad.shape == logits.shape
        assert_allclose(losses, wanted, rtol=tolerance, atol=tolerance)
        assert_allclose(grad, wanted_grad, rtol=tolerance, atol=tolerance)


def test_logits_of_plus_and_minus_ten_thousand_are_exact(backend: Backend) -> None:
    logits = np.array([[1e4, -1e4], [1e4, -1e4], [-1e4, -1e4]], np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        losses, grad = backend.softmax_cross_entropy(logits, np.array([0, 1, 0]))
    assert_array_equal(losses, np.array([0, 2e4, np.log(2)], np.float32))
    assert_array_equal(grad, np.array([[0, 0], [1, -1], [-0.5, 0.5]], np.float32) / np.float32(3))


def test_a_shift_of_all_logits_changes_nothing(backend: Backend) -> None:
    logits, labels = np.random.default_rng(0).integers(-8, 8, (5, 4)).astype(np.float64), np.array([0, 1, 2, 3, 0])
    for got, wanted in zip(
        backend.softmax_cross_entropy(logits + 1024, labels),
        backend.softmax_cross_entropy(logits, labels),
        strict=True,
    ):
        assert_array_equal(got, wanted)


def test_the_gradient_of_each_sample_sums_to_zero(backend: Backend) -> None:
    logits, labels = samples((7, 5), ignored=True)
    _, grad = backend.softmax_cross_entropy(logits, labels)
    assert_allclose(grad.sum(axis=1), 0, atol=ORACLE_FLOAT64)


def test_the_gradient_divides_by_the_number_of_labels_that_count(backend: Backend) -> None:
    logits = np.zeros((4, 2))
    losses, grad = backend.softmax_cross_entropy(logits, np.array([0, -100, 1, -100]))
    assert_array_equal(losses, [np.log(2), 0, np.log(2), 0])
    assert_array_equal(grad, [[-0.25, 0.25], [0, 0], [0.25, -0.25], [0, 0]])


def test_the_gradient_divides_by_the_class_weights_of_the_labels_that_count(backend: Backend) -> None:
    logits = np.zeros((3, 2))
    losses, grad = backend.softmax_cross_entropy(logits, np.array([0, 1, -100]), np.array([1.0, 3.0]))
    assert_array_equal(losses, np.log(2) * np.array([1, 3, 0]))
    assert_array_equal(grad, np.array([[-0.5, 0.5], [1.5, -1.5], [0, 0]]) / 4)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_with_no_label_left_the_losses_are_zero_and_the_gradient_nan(backend: Backend, smoothing: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        losses, grad = backend.softmax_cross_entropy(
            np.zeros((2, 3)), np.array([-100, -100]), label_smoothing=smoothing
        )
    assert_array_equal(losses, [0, 0])
    assert np.isnan(grad).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_an_ignored_sample_counts_for_nothing_whatever_its_logits(
    backend: Backend, bad: float, smoothing: float
) -> None:
    logits = np.array([[bad, 0.0], [1.0, 2.0]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        losses, grad = backend.softmax_cross_entropy(logits, np.array([-100, 1]), label_smoothing=smoothing)
    wanted, wanted_grad = backend.softmax_cross_entropy(logits[1:], np.array([1]), label_smoothing=smoothing)
    assert_array_equal(losses, [0, wanted[0]])
    assert_array_equal(grad, [[0, 0], wanted_grad[0]])


def test_impossible_classes_have_logits_of_minus_infinity(backend: Backend) -> None:
    losses, grad = backend.softmax_cross_entropy(np.array([[0.0, -np.inf, 0.0]]), np.array([2]))
    assert_array_equal(losses, [np.log(2)])
    assert_array_equal(grad, [[0.5, 0, -0.5]])


def test_nan_logits_give_nan_for_their_sample_alone(backend: Backend) -> None:
    losses, grad = backend.softmax_cross_entropy(np.array([[np.nan, 0.0], [0.0, 0.0]]), np.array([0, 0]))
    assert np.isnan(losses[0])
    assert np.isnan(grad[0]).all()
    assert losses[1] == np.log(2)
    assert_array_equal(grad[1], [-0.25, 0.25])


@pytest.mark.parametrize("ignore_index", [-1, 1, 255])
def test_any_label_can_be_the_ignored_one(backend: Backend, ignore_index: int) -> None:
    losses, _ = backend.softmax_cross_entropy(np.zeros((2, 3)), np.array([ignore_index, 0]), None, ignore_index)
    assert_array_equal(losses, [0, np.log(3)])


@pytest.mark.numpy_only("a device gives NaN, because looking at the labels would wait for it")
@pytest.mark.parametrize("label", [-1, 3, -101, 2**40])
def test_a_label_out_of_range_is_named(backend: Backend, label: int) -> None:
    with pytest.raises(DataError, match=rf"label {label} is outside \[0, 3\).*3 outputs"):
        backend.softmax_cross_entropy(np.zeros((2, 3)), np.array([0, label]))


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "int64", "uint64"])
def test_labels_of_every_integer_dtype(backend: Backend, dtype: str) -> None:
    losses, grad = backend.softmax_cross_entropy(np.zeros((2, 3), np.float32), np.array([0, 2], dtype))
    assert_array_equal(losses, np.full(2, np.log(3), np.float32))
    assert losses.dtype == grad.dtype == np.float32


def test_strides_of_the_arrays_do_not_matter(backend: Backend) -> None:
    logits, labels = samples((2, 3, 2, 4), ignored=True)
    wanted = backend.softmax_cross_entropy(logits, labels, label_smoothing=0.1)
    for other, other_labels in zip(layouts(logits), layouts(labels), strict=True):
        got = backend.softmax_cross_entropy(other, other_labels, label_smoothing=0.1)
        for result, reference in zip(got, wanted, strict=True):
            assert_allclose(result, reference, rtol=ORACLE_FLOAT64, atol=ORACLE_FLOAT64)
