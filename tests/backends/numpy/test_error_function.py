"""erf against Python's own."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from numpy.testing import assert_array_equal, assert_array_max_ulp

from gpunet.backends import Backend


def reference(x: np.ndarray) -> np.ndarray:
    return np.array([math.erf(value) for value in x.ravel().tolist()]).reshape(x.shape)


@pytest.mark.parametrize(("low", "high"), [(-7, 7), (-0.5, 0.5), (0.46, 0.48), (3.9, 4.1), (5.8, 6.2), (-1e-8, 1e-8)])
def test_every_element_to_a_few_units_in_the_last_place(backend: Backend, low: float, high: float) -> None:
    x = np.linspace(low, high, 20_001)
    assert_array_max_ulp(backend.erf(x), reference(x), maxulp=6)  # 1 - exp(-x * x) * ratio rounds that often
    single = x.astype(np.float32)
    got = backend.erf(single)
    assert got.dtype == np.float32
    assert_array_max_ulp(got, reference(single.astype(float)).astype(np.float32), maxulp=1)


def test_the_smallest_and_the_largest_numbers(backend: Backend) -> None:
    x = np.array([0.0, -0.0, np.inf, -np.inf, 1e-300, -1e-300, 1e200, -1e300, np.nan, 6.0, -6.0, 0.46875, 4.0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y = backend.erf(x)
    assert_array_equal(np.signbit(y[:2]), [False, True])
    assert np.isnan(y[8])
    finite = np.delete(np.arange(x.size), 8)
    assert_array_max_ulp(y[finite], reference(x[finite]), maxulp=4)


def test_it_is_odd(backend: Backend) -> None:
    x = np.random.default_rng(0).normal(0, 3, (3, 4, 5))
    assert_array_equal(backend.erf(-x), -backend.erf(x))


@pytest.mark.parametrize("shape", [(), (0,), (2, 0), (2, 3)], ids=str)
def test_every_shape(backend: Backend, shape: tuple[int, ...]) -> None:
    y = np.asarray(backend.erf(np.full(shape, 0.5, np.float32)))
    assert y.shape == shape
    assert y.dtype == np.float32
    assert_array_equal(y, np.full(shape, math.erf(0.5), np.float32))
