import numpy as np
import pytest

import gpunet as gn

X = np.array([[-np.inf, -7.0, -1.0, -0.5, 0.0, 0.5, 1.0, 6.0, 7.0, np.inf, np.nan]])


def by_hand(low: float, high: float) -> tuple[list[float], list[float]]:
    """Values and slopes, element by element; comparisons with NaN are false: it stays and passes."""
    values = [low if x < low else min(x, high) for x in X[0].tolist()]
    slopes = [0.0 if x <= low or x >= high else 1.0 for x in X[0].tolist()]
    return values, slopes


@pytest.mark.parametrize(("low", "high"), [(-1.0, 1.0), (0.0, 6.0), (-0.5, 7.0), (-np.inf, 0.5), (-1.0, np.inf)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_between_the_limits_the_input_itself(low: float, high: float, dtype: str) -> None:
    layer = gn.Hardtanh(low, high)
    values, slopes = by_hand(low, high)
    y = layer.forward(X.astype(dtype), keep=True)
    np.testing.assert_array_equal(y, [values])
    grad_y = np.arange(1, 12, dtype=dtype)[None]
    np.testing.assert_array_equal(layer.backward(grad_y), grad_y * [slopes])
    assert y.dtype == dtype


def test_an_infinite_gradient_does_not_pass_a_limit() -> None:
    layer = gn.ReLU6()
    layer.forward(np.array([[-1.0, 3.0, 9.0]]), keep=True)
    np.testing.assert_array_equal(layer.backward(np.full((1, 3), np.inf)), [[0, np.inf, 0]])


def test_relu6_is_the_one_from_0_to_6() -> None:
    values, slopes = by_hand(0.0, 6.0)
    layer = gn.ReLU6()
    np.testing.assert_array_equal(layer.forward(X, keep=True), [values])
    np.testing.assert_array_equal(layer.backward(np.ones_like(X)), [slopes])
    assert repr(layer) == "ReLU6()"


def test_defaults_and_text() -> None:
    assert repr(gn.Hardtanh()) == "Hardtanh(min_val=-1.0, max_val=1.0)"


@pytest.mark.parametrize("limits", [(1, 1), (2, 1), (np.nan, 1), (0, np.nan)])
def test_limits_in_another_order_are_refused(limits: tuple[float, float]) -> None:
    with pytest.raises(gn.DataError, match=r"^Hardtanh: min_val must be below max_val, got"):
        gn.Hardtanh(*limits)
