import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import gpunet as gn

ROWS = hnp.arrays(np.float64, hnp.array_shapes(min_dims=2, max_dims=4), elements=st.floats(-1e4, 1e4))


@given(ROWS)
def test_probabilities_sum_to_one_for_logits_of_any_size(x: np.ndarray) -> None:
    y = gn.Softmax()(x)
    assert ((y >= 0) & (y <= 1)).all()
    np.testing.assert_allclose(y.sum(axis=1), 1, rtol=1e-12)
    logarithm = gn.LogSoftmax()(x)
    assert np.isfinite(logarithm).all()
    np.testing.assert_allclose(np.exp(logarithm), y, rtol=1e-9, atol=1e-300)


@given(ROWS, st.floats(-100, 100))
def test_a_shift_of_all_logits_changes_nothing(x: np.ndarray, shift: float) -> None:
    np.testing.assert_allclose(gn.Softmax()(x + shift), gn.Softmax()(x), rtol=1e-9, atol=1e-9)


def test_values_by_hand() -> None:
    x = np.log(np.array([[1.0, 2.0, 5.0]]))
    np.testing.assert_allclose(gn.Softmax()(x), [[1 / 8, 2 / 8, 5 / 8]], rtol=1e-15)
    np.testing.assert_allclose(gn.LogSoftmax()(x), [[math.log(v / 8) for v in (1, 2, 5)]], rtol=1e-14)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_logits_of_ten_thousand(dtype: str) -> None:
    x = np.array([[1e4, -1e4, 0]], dtype)
    np.testing.assert_array_equal(gn.Softmax()(x), [[1, 0, 0]])
    np.testing.assert_array_equal(gn.LogSoftmax()(x), [[0, -2e4, -1e4]])


def test_the_axis() -> None:
    x = np.arange(24.0).reshape(2, 3, 4)
    for kind in (gn.Softmax, gn.LogSoftmax):
        np.testing.assert_array_equal(kind(2)(x), kind(dim=-1)(x))
        np.testing.assert_allclose(kind(1)(x), kind(-1)(x.swapaxes(1, 2)).swapaxes(1, 2), rtol=1e-14)


@pytest.mark.parametrize("dim", [0, 3, -3, -4])
def test_the_batch_and_absent_axes_are_refused(dim: int) -> None:
    with pytest.raises(gn.ShapeError, match=rf"^Softmax: dim={dim} is no axis of 3-d inputs .* Use a dim from 1 to 2"):
        gn.Softmax(dim)(np.ones((2, 3, 4)))


def test_an_empty_axis_is_refused() -> None:
    with pytest.raises(gn.ShapeError, match=r"^LogSoftmax: axis 1 .*\(0, 4\) without the batch is empty"):
        gn.LogSoftmax()(np.ones((2, 0, 4)))


def test_a_dim_that_is_no_integer_is_refused() -> None:
    with pytest.raises(gn.ShapeError, match=r"Softmax: dim must be an integer, got None"):
        gn.Softmax(None)  # type: ignore[arg-type]
