import numpy as np
import pytest

import gpunet as gn


@pytest.mark.parametrize(
    ("axes", "shape"),
    [((), (2, 60)), ((2,), (2, 3, 20)), ((1, 2), (2, 12, 5)), ((-2, -1), (2, 3, 20)), ((3, 3), (2, 3, 4, 5))],
)
def test_axes_are_joined_in_row_major_order(axes: tuple[int, ...], shape: tuple[int, ...]) -> None:
    x = np.arange(120.0).reshape(2, 3, 4, 5)
    layer = gn.Flatten(*axes)
    y = layer.forward(x, training=True)
    assert y.shape == shape
    np.testing.assert_array_equal(y.ravel(), x.ravel())
    np.testing.assert_array_equal(layer.backward(y), x)


@pytest.mark.parametrize("axes", [(0, -1), (2, 1), (1, 4), (-4, 1), (4, 4)])
def test_the_batch_and_absent_axes_are_refused(axes: tuple[int, int]) -> None:
    with pytest.raises(gn.ShapeError, match=rf"^Flatten: start_dim={axes[0]} and end_dim={axes[1]} are no axes"):
        gn.Flatten(*axes)(np.ones((2, 3, 4, 5)))


def test_text() -> None:
    assert repr(gn.Flatten()) == "Flatten()"
    assert repr(gn.Flatten(2)) == "Flatten(start_dim=2, end_dim=-1)"
