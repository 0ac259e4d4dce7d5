import numpy as np
import pytest

import gpunet as gn


@pytest.mark.parametrize("slope", [0.01, 0.5, 0.0, -1.0, 2.0])
def test_both_sides_and_zero(slope: float) -> None:
    layer = gn.LeakyReLU(slope)
    x = np.array([[-2.0, 0.0, 3.0, np.nan]])
    np.testing.assert_array_equal(layer.forward(x, keep=True), [[-2 * slope, 0, 3, np.nan]])
    np.testing.assert_array_equal(layer.backward(np.full_like(x, 4)), [[4 * slope, 4 * slope, 4, 4 * slope]])


def test_the_default_slope_is_that_of_pytorch() -> None:
    assert repr(gn.LeakyReLU()) == "LeakyReLU(negative_slope=0.01)"
