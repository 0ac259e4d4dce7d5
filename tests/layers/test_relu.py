import numpy as np
import pytest

import gpunet as gn


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_values_and_gradients_at_the_edges(dtype: str) -> None:
    x = np.array([[-np.inf, -2, -0.0, 0.0, 3, np.inf, np.nan]], dtype)
    layer = gn.ReLU()
    np.testing.assert_array_equal(layer.forward(x, keep=True), [[0, 0, 0, 0, 3, np.inf, np.nan]])
    np.testing.assert_array_equal(layer.backward(np.full_like(x, 7)), [[0, 0, 0, 0, 7, 7, 7]])


def test_infinite_gradients_stop_where_the_input_was_negative() -> None:
    layer = gn.ReLU()
    layer.forward(np.array([[-1.0, 1.0]]), keep=True)
    np.testing.assert_array_equal(layer.backward(np.array([[np.inf, np.nan]])), [[0, np.nan]])


def test_it_keeps_its_output_which_the_next_layer_keeps_as_well() -> None:
    layer = gn.ReLU()
    y = layer.forward(np.ones((2, 3, 4, 5), np.float32), training=True)
    assert len(layer._context.saved) == 1
    assert layer._context.saved[0] is y
