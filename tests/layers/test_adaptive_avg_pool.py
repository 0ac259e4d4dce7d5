import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gpunet as gn

SIZES = st.integers(1, 9)


@given(SIZES, SIZES, SIZES, SIZES)
def test_each_output_is_the_mean_of_its_window(height: int, width: int, rows: int, cols: int) -> None:
    x = np.random.default_rng(0).integers(-9, 10, (2, 3, height, width)).astype(np.float64)
    layer = gn.AdaptiveAvgPool2d((rows, cols))
    y = layer.forward(x, keep=True)
    grad_y = np.random.default_rng(1).integers(-9, 10, y.shape).astype(np.float64)
    grad_x = np.zeros_like(x)
    for i in range(rows):
        for j in range(cols):
            window = (
                ...,
                slice(math.floor(i * height / rows), math.ceil((i + 1) * height / rows)),
                slice(math.floor(j * width / cols), math.ceil((j + 1) * width / cols)),
            )
            np.testing.assert_allclose(y[:, :, i, j], x[window].mean(axis=(2, 3)), rtol=1e-14, atol=1e-14)
            count = x[window].shape[2] * x[window].shape[3]
            grad_x[window] += (grad_y[:, :, i, j] / count)[:, :, None, None]
    np.testing.assert_allclose(layer.backward(grad_y), grad_x, rtol=1e-13, atol=1e-13)


def test_what_is_not_finite_stays_in_its_window() -> None:
    x = np.zeros((1, 1, 4, 4))
    x[0, 0, 0, 0] = np.inf
    np.testing.assert_array_equal(gn.AdaptiveAvgPool2d(2)(x), [[[[np.inf, 0], [0, 0]]]])


def test_sizes() -> None:
    assert gn.AdaptiveAvgPool2d(3).output_shape((2, 7, 8)) == (2, 3, 3)
    assert gn.AdaptiveAvgPool2d((None, 5)).output_shape((2, 7, 8)) == (2, 7, 5)
    assert repr(gn.AdaptiveAvgPool2d(1)) == "AdaptiveAvgPool2d(output_size=(1, 1))"


def test_bad_sizes_are_refused() -> None:
    for size in (0, (1, 0), 1.5):
        with pytest.raises(gn.ShapeError, match="AdaptiveAvgPool2d: output_size must be"):
            gn.AdaptiveAvgPool2d(size)
    with pytest.raises(gn.ShapeError, match="output_size must be an int or a pair, got \\(1, 2, 3\\)"):
        gn.AdaptiveAvgPool2d((1, 2, 3))


@pytest.mark.parametrize("shape", [(3, 4), (3, 0, 4), (0, 3, 4)])
def test_other_inputs_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(gn.ShapeError, match=r"^AdaptiveAvgPool2d: got images of shape"):
        gn.AdaptiveAvgPool2d(1)(np.ones((1, *shape)))
