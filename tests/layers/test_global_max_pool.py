import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import gpunet as gn

# Few values, so that ties, several NaN and planes of -inf are frequent.
IMAGES = hnp.arrays(
    np.float64,
    hnp.array_shapes(min_dims=4, max_dims=4, max_side=4),
    elements=st.sampled_from([0.0, -0.0, 1.0, -2.0, np.nan, -np.inf, np.inf]),
)


@given(IMAGES)
def test_it_is_max_pooling_over_the_whole_image(x: np.ndarray) -> None:
    layer, pooling = gn.GlobalMaxPool2d(), gn.MaxPool2d(x.shape[2:])
    np.testing.assert_array_equal(layer.forward(x, keep=True), pooling.forward(x, keep=True))
    grad_y = np.arange(1.0, 1 + x.shape[0] * x.shape[1]).reshape(*x.shape[:2], 1, 1)
    np.testing.assert_array_equal(layer.backward(grad_y), pooling.backward(grad_y))


def test_the_last_nan_wins() -> None:
    x = np.array([[[[1, np.nan], [np.nan, 2]]]])
    layer = gn.GlobalMaxPool2d()
    layer.forward(x, keep=True)
    np.testing.assert_array_equal(layer.backward(np.ones((1, 1, 1, 1))), [[[[0, 0], [1, 0]]]])


@pytest.mark.parametrize("shape", [(3, 4), (3, 0, 4), (0, 3, 4)])
def test_other_inputs_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(gn.ShapeError, match=r"^GlobalMaxPool2d: got images of shape"):
        gn.GlobalMaxPool2d()(np.ones((1, *shape)))
