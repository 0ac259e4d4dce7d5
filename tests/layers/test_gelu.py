import math

import numpy as np
import pytest

import gpunet as gn

POINTS = [-1e4, -30.0, -5.0, -1.0, -1e-8, 0.0, 1e-8, 0.3, 2.0, 7.0, 30.0, 1e4]


def exact(x: float) -> float:
    return 0.5 * x * math.erfc(-x / math.sqrt(2))


def exact_slope(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2)) + x * math.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def test_the_exact_formula() -> None:
    x = np.array([POINTS])
    layer = gn.GELU()
    np.testing.assert_allclose(layer.forward(x, keep=True)[0], [exact(p) for p in POINTS], rtol=1e-14, atol=1e-14)
    slopes = layer.backward(np.ones_like(x))[0]
    np.testing.assert_allclose(slopes, [exact_slope(p) for p in POINTS], rtol=1e-14, atol=1e-14)


def test_the_approximation_stays_near_the_exact_formula() -> None:
    x = np.linspace(-6, 6, 1001)[None]
    difference = np.abs(gn.GELU("tanh")(x) - gn.GELU()(x)).max()
    assert 1e-4 < difference < 1e-3  # what the paper's approximation is good for, and not the exact formula itself


@pytest.mark.parametrize("approximate", ["none", "tanh"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_large_numbers_neither_overflow_nor_warn(approximate: str, dtype: str) -> None:
    x = np.array([[-1e30, -1e4, 1e4, 1e30]], dtype)
    layer = gn.GELU(approximate)
    np.testing.assert_array_equal(layer.forward(x, keep=True), np.maximum(x, 0))
    np.testing.assert_array_equal(layer.backward(np.ones_like(x)), [[0, 0, 1, 1]])


def test_an_unknown_approximation_is_refused() -> None:
    with pytest.raises(gn.DataError, match="GELU: approximate must be 'none' or 'tanh', got 'fast'"):
        gn.GELU("fast")
