import numpy as np
import pytest

import gpunet as gn


def test_one_slope_for_all() -> None:
    layer = gn.PReLU(init=0.5).astype("float64")
    x = np.array([[[-2.0, 4.0], [-6.0, 0.0]]])
    np.testing.assert_array_equal(layer.forward(x, keep=True), [[[-1, 4], [-3, 0]]])
    np.testing.assert_array_equal(layer.backward(np.array([[[1.0, 2.0], [3.0, 4.0]]])), [[[0.5, 2], [1.5, 2]]])
    np.testing.assert_array_equal(layer.weight.grad, [-2 * 1 + -6 * 3])


def test_a_slope_for_each_channel() -> None:
    layer = gn.PReLU(2).astype("float64")
    layer.weight.value = np.array([0.5, 2.0])
    x = np.array([[[-2.0, 4.0], [-6.0, -1.0]], [[-3.0, 4.0], [6.0, -1.0]]])
    np.testing.assert_array_equal(layer.forward(x, keep=True), [[[-1, 4], [-12, -2]], [[-1.5, 4], [6, -2]]])
    layer.backward(np.ones_like(x))
    np.testing.assert_array_equal(layer.weight.grad, [-5, -8])


def test_first_slopes() -> None:
    np.testing.assert_array_equal(gn.PReLU(3).weight.value, np.full(3, 0.25, np.float32))
    assert list(gn.PReLU().state_dict()) == ["weight"]


@pytest.mark.parametrize("shape", [(), (4,), (4, 3)])
def test_other_channels_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(
        gn.ShapeError, match=r"^PReLU: got an input of shape \(.*\) without the batch, wanted 3 channels"
    ):
        gn.PReLU(3)(np.ones((2, *shape), np.float32))


def test_no_slope_is_refused() -> None:
    with pytest.raises(gn.ShapeError, match="PReLU: num_parameters must be at least 1, got 0"):
        gn.PReLU(0)
