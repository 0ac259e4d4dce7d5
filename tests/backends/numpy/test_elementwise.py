"""Dropout: the mask word by word against Philox in plain integers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from formula_references import dropout_mask_reference
from numpy.testing import assert_array_equal
from window_cases import DTYPES, layouts

from gpunet.backends import Backend
from gpunet.random import Stream

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
