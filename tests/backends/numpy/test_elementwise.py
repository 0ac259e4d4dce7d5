"""The rectifier, alone and after a bias, and dropout: its mask word by word against Philox in plain integers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from formula_references import bias_relu_backward_reference, bias_relu_reference, dropout_mask_reference
from numpy.testing import assert_allclose, assert_array_equal
from tolerances import FLOAT32_ROUNDING
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


BIASED = [(2, 3, 4, 5), (7, 3), (1, 1), (2, 3, 7), (2, 2, 2, 3, 2), (0, 3), (0, 3, 2, 2), (3, 2, 0)]


@pytest.mark.parametrize("shape", BIASED, ids=str)
def test_relu_after_a_bias_and_its_gradients_equal_the_loops(backend: Backend, shape: Any) -> None:
    for dtype in DTYPES:
        x, bias, grad_y = integers(shape, 0, dtype), integers(shape[1], 1, dtype), integers(shape, 2, dtype)
        y = backend.bias_relu(x, bias)
        grad_x, grad_bias = backend.bias_relu_backward(grad_y, y)
        assert y.dtype == grad_x.dtype == grad_bias.dtype == dtype
        assert_array_equal(y, bias_relu_reference(x, bias), strict=dtype == "float64")
        wanted = bias_relu_backward_reference(grad_y, y)
        for got, reference in zip((grad_x, grad_bias), wanted, strict=True):
            assert_array_equal(got, reference, strict=dtype == "float64")


@pytest.mark.parametrize("shape", [(40, 3, 30, 50), (700, 90)], ids=str)
def test_relu_after_a_bias_gives_the_bits_of_one_after_the_other(backend: Backend, shape: Any) -> None:
    draw = np.random.default_rng(0)
    for dtype in DTYPES:
        x, grad_y = draw.normal(0, 1, shape).astype(dtype), draw.normal(0, 1, shape).astype(dtype)
        bias = draw.normal(0, 1, shape[1]).astype(dtype)
        y = backend.bias_relu(x, bias)
        assert y.tobytes() == backend.relu(x + bias.reshape(-1, *(1,) * (x.ndim - 2))).tobytes()
        grad_x, grad_bias = backend.bias_relu_backward(grad_y, y)
        assert grad_x.tobytes() == backend.relu_backward(grad_y, y).tobytes()
        size = np.abs(grad_x).sum(axis=(0, *range(2, x.ndim)), dtype=np.float64)
        exact = grad_x.sum(axis=(0, *range(2, x.ndim)), dtype=np.float64)
        assert_allclose(grad_bias / size, exact / size, atol=8 * FLOAT32_ROUNDING, rtol=0)


def test_relu_after_a_bias_at_zero_and_where_nothing_is_finite(backend: Backend) -> None:
    x = read_only(np.array([[-3.0, 3.0], [3.0, -3.0], [np.nan, np.inf], [-np.inf, 4.0]]))
    y = backend.bias_relu(x, np.array([3.0, -3.0]))
    assert_array_equal(y, [[0, 0], [6, 0], [np.nan, np.inf], [0, 1]])
    grad_y = read_only(np.array([[np.nan, np.inf], [2.0, -np.inf], [5.0, 7.0], [np.inf, -1.0]]))
    grad_x, grad_bias = backend.bias_relu_backward(grad_y, y)
    assert_array_equal(grad_x, [[0, 0], [2, 0], [5, 7], [0, -1]])
    assert_array_equal(grad_bias, [7, 6])
    _, grad_bias = backend.bias_relu_backward(np.array([[np.nan, np.inf], [1.0, 1.0]]), np.ones((2, 2)))
    assert_array_equal(grad_bias, [np.nan, np.inf])


@pytest.mark.parametrize("shape", [(200_000, 2), (60_000, 2, 2, 1), (8, 2, 200, 200)], ids=str)
def test_the_gradient_of_a_bias_sums_many_values_accurately(backend: Backend, shape: Any) -> None:
    """Float32 sums taken one after another would be wrong in the third digit here."""
    grad_y = np.full(shape, 0.1, np.float32)
    _, grad_bias = backend.bias_relu_backward(grad_y, np.ones(shape, np.float32))
    assert_allclose(grad_bias, np.full(2, np.float64(np.float32(0.1)) * grad_y.size / 2), rtol=32 * FLOAT32_ROUNDING)


def test_relu_after_a_bias_of_arrays_in_any_strides(backend: Backend) -> None:
    x, bias, grad_y = integers((3, 4, 5), 0), integers(4, 1), integers((3, 4, 5), 2)
    wanted = bias_relu_reference(x, bias)
    wanted_grads = bias_relu_backward_reference(grad_y, wanted)
    for others in zip(*map(layouts, (x, bias, grad_y, wanted)), strict=True):
        other, other_bias, other_grad, other_y = others
        assert_array_equal(backend.bias_relu(other, other_bias), wanted)
        for got, reference in zip(backend.bias_relu_backward(other_grad, other_y), wanted_grads, strict=True):
            assert_array_equal(got, reference)


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
