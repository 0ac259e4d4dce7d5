"""The rectifier, and dropout: its mask word by word against Philox in plain integers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from formula_references import dropout_mask_reference
from numpy.testing import assert_array_equal
from window_cases import DTYPES, integers, layouts, read_only

from gpunet.backends import Backend
from gpunet.random import Stream


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (7,), (0, 3), (3, 0, 2)], ids=str)
def test_relu_and_its_gradient(backend: Backend, shape: Any) -> None:
    for dtype in DTYPES:
        x, grad_y = integers(shape, 0, dtype, -2, 2), integers(shape, 1, dtype)
        y = backend.relu(x)
        grad_x = backend.relu_backward(grad_y, y)
        assert y.dtype == grad_x.dtype == dtype
        assert_array_equal(y, np.where(x > 0, x, 0))
        assert_array_equal(grad_x, np.where(x > 0, grad_y, 0))


def test_the_gradient_of_relu_is_zero_at_zero_and_one_at_nan(backend: Backend) -> None:
    x = read_only(np.array([0.0, -0.0, np.nan, np.inf, -np.inf, 5e-324, -5e-324]))
    y = backend.relu(x)
    assert_array_equal(y, [0, 0, np.nan, np.inf, 0, 5e-324, 0])
    assert_array_equal(backend.relu_backward(read_only(np.full(7, 3.0)), y), [0, 0, 3, 3, 0, 3, 0])


def test_a_gradient_that_is_not_finite_stops_at_relu_where_x_is_below_zero(backend: Backend) -> None:
    y = backend.relu(np.array([-1.0, -1.0, 1.0, 1.0]))
    assert_array_equal(backend.relu_backward(np.array([np.nan, np.inf, np.nan, -np.inf]), y), [0, 0, np.nan, -np.inf])


def test_relu_of_arrays_in_any_strides(backend: Backend) -> None:
    x, grad_y = integers((3, 4, 5), 0), integers((3, 4, 5), 1)
    for other, other_grad in zip(layouts(x), layouts(grad_y), strict=True):
        y = backend.relu(other)
        assert_array_equal(y, np.maximum(x, 0))
        assert_array_equal(backend.relu_backward(other_grad, y), np.where(x > 0, grad_y, 0))


ADDRESS = (7, "features.3", 2, 11)  # seed, name, epoch, step


@pytest.mark.parametrize("probability", [0.0, 1e-9, 0.1, 0.5, 0.9, 1 - 2**-32, 1.0])
@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (7,), (1, 1), (0, 3), (3, 0, 2)], ids=str)
def test_the_mask_equals_that_of_plain_integers(backend: Backend, shape: Any, probability: float) -> None:
    for dtype in DTYPES:
        x = np.arange(1, np.prod(shape, dtype=int) + 1, dtype=dtype).reshape(shape)
        y, mask = backend.dropout(x, probability, Stream(*ADDRESS))
        assert mask.dtype == bool
        assert y.dtype == dtype
        assert_array_equal(mask, dropout_mask_reference(shape, probability, *ADDRESS))
        scale = dtype.type(0 if probability == 1 else 1 / (1 - probability))
        assert_array_equal(y, np.where(mask, x * scale, 0))


@pytest.mark.numpy_only("replaces the random words, which a device computes itself")
def test_a_word_equal_to_the_threshold_is_kept(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    words = np.array([2**31 - 1, 2**31, 2**31 + 1, 0, 2**32 - 1], np.uint32)
    monkeypatch.setattr(Stream, "bits", lambda self, count, start=0: words[start : start + count])
    _, mask = backend.dropout(np.ones(5), 0.5, Stream(0, "dropout"))
    assert mask.tolist() == [False, True, True, False, True]


def test_the_gradient_uses_the_very_mask_of_the_forward_pass(backend: Backend) -> None:
    x = np.ones((3, 4, 5, 6), np.float32)
    y, mask = backend.dropout(x, 0.3, Stream(0, "dropout"))
    grad_x = backend.dropout_backward(x, mask, 0.3)
    assert_array_equal(grad_x, y)
    assert grad_x.dtype == np.float32


def test_probability_zero_keeps_and_one_drops_everything(backend: Backend) -> None:
    x = np.arange(6.0)
    assert_array_equal(backend.dropout(x, 0.0, Stream(0, "dropout"))[0], x)
    assert_array_equal(backend.dropout(x, 1.0, Stream(0, "dropout"))[0], np.zeros(6))
    assert_array_equal(backend.dropout_backward(x, np.zeros(6, bool), 1.0), np.zeros(6))


def test_dropped_elements_are_zero_even_where_x_is_not_finite(backend: Backend) -> None:
    x = np.array([np.nan, np.inf, -np.inf, 1.0])
    y, _ = backend.dropout(x, 1.0, Stream(0, "dropout"))
    assert_array_equal(y, np.zeros(4))


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.8])
def test_the_share_of_dropped_elements_and_the_mean(backend: Backend, probability: float) -> None:
    count = 200_000
    y, mask = backend.dropout(np.ones(count), probability, Stream(3, "dropout"))
    deviation = (probability * (1 - probability) / count) ** 0.5
    assert abs(1 - mask.mean() - probability) < 4 * deviation
    assert abs(y.mean() - 1) < 4 * deviation / (1 - probability)


def test_the_mask_follows_the_logical_order_whatever_the_memory_layout(backend: Backend) -> None:
    x = np.ones((3, 4, 5))
    y, mask = backend.dropout(x, 0.5, Stream(0, "dropout"))
    for other in layouts(x):
        got, got_mask = backend.dropout(other, 0.5, Stream(0, "dropout"))
        assert_array_equal(got_mask, mask)
        assert_array_equal(got, y)


def test_another_step_gives_another_mask(backend: Backend) -> None:
    x = np.ones(64)
    masks = {backend.dropout(x, 0.5, Stream(0, "dropout", 0, step))[1].tobytes() for step in range(10)}
    assert len(masks) == 10
