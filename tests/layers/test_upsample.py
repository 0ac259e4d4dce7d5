import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gpunet as gn
from gpunet.layers.resampling import Resampling

X = np.arange(12.0).reshape(1, 1, 3, 4)


def test_nearest_by_a_whole_factor_repeats() -> None:
    layer = gn.Upsample(scale_factor=(2, 3))
    np.testing.assert_array_equal(layer.forward(X, keep=True), X.repeat(2, axis=2).repeat(3, axis=3))
    grad_y = np.arange(72.0).reshape(1, 1, 6, 12)
    np.testing.assert_array_equal(layer.backward(grad_y), grad_y.reshape(1, 1, 3, 2, 4, 3).sum(axis=(3, 5)))


def test_nearest_to_a_size() -> None:
    np.testing.assert_array_equal(gn.Upsample(size=(2, 6))(X), X[:, :, [0, 1]][..., [0, 0, 1, 2, 2, 3]])
    np.testing.assert_array_equal(gn.Upsample(size=5)(X)[0, 0, :, 0], [0, 0, 4, 4, 8])


def test_bilinear_by_two() -> None:
    row = np.array([[[[0.0, 4.0, 8.0]]]])
    np.testing.assert_array_equal(
        gn.Upsample(scale_factor=2, mode="bilinear")(row)[0, 0], [[0, 1, 3, 5, 7, 8], [0, 1, 3, 5, 7, 8]]
    )


def test_bilinear_with_aligned_corners() -> None:
    row = np.array([[[[0.0, 4.0, 8.0]]]])
    aligned = gn.Upsample(size=(1, 5), mode="bilinear", align_corners=True)
    np.testing.assert_array_equal(aligned(row)[0, 0], [[0, 2, 4, 6, 8]])


SIZES = st.integers(1, 9)


@given(SIZES, SIZES, SIZES, SIZES, st.sampled_from([("nearest", None), ("bilinear", False), ("bilinear", True)]))
def test_what_all_modes_keep(height: int, width: int, rows: int, cols: int, mode: tuple[str, bool | None]) -> None:
    layer = gn.Upsample(size=(rows, cols), mode=mode[0], align_corners=mode[1])
    constant = np.full((1, 2, height, width), 3.0)
    np.testing.assert_allclose(layer(constant), np.full((1, 2, rows, cols), 3.0), rtol=1e-15)
    x = np.random.default_rng(0).normal(size=(1, 2, height, width))
    y = layer.forward(x, keep=True)
    assert y.min() >= x.min() - 1e-12
    assert y.max() <= x.max() + 1e-12
    # The transposed matrices: <resize(x), g> = <x, backward(g)>.
    grad_y = np.random.default_rng(1).normal(size=y.shape)
    assert (y * grad_y).sum() == pytest.approx((x * layer.backward(grad_y)).sum(), abs=1e-10)
    if (rows, cols) == (height, width):
        np.testing.assert_array_equal(y, x)


def test_what_is_not_finite_reaches_its_neighbours_alone() -> None:
    x = np.zeros((1, 1, 1, 4))
    x[..., 0] = np.inf
    with np.errstate(invalid="ignore"):  # infinity times 0
        y = gn.Upsample(scale_factor=2, mode="bilinear")(x)
    assert np.isfinite(y[..., 3:]).all()


def test_a_matrix_row_for_each_output() -> None:
    axis = Resampling.linear(3, 7, None, align_corners=False)
    np.testing.assert_allclose(axis.matrix().sum(axis=1), 1)
    np.testing.assert_array_equal(Resampling.nearest(2, 4, None).matrix(), [[1, 0], [1, 0], [0, 1], [0, 1]])


def test_sizes() -> None:
    assert gn.Upsample(scale_factor=1.5).output_shape((3, 3, 5)) == (3, 4, 7)
    assert gn.Upsample((7, 9)).output_shape((3, 3, 5)) == (3, 7, 9)
    assert gn.Upsample(scale_factor=(0.5, 2.0)).output_shape((3, 5, 5)) == (3, 2, 10)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({}, gn.ShapeError, "got size=None and scale_factor=None, wanted one of the two"),
        ({"size": 3, "scale_factor": 2}, gn.ShapeError, "wanted one of the two"),
        ({"size": 0}, gn.ShapeError, "Upsample: size must be at least 1"),
        ({"scale_factor": 0}, gn.DataError, "scale_factor must be above 0 and finite, got 0"),
        ({"scale_factor": float("inf")}, gn.DataError, "above 0 and finite"),
        ({"scale_factor": (1, 2, 3)}, gn.ShapeError, "scale_factor must be a number or a pair"),
        ({"size": 3, "mode": "bicubic"}, gn.DataError, "mode must be 'nearest' or 'bilinear', got 'bicubic'"),
        ({"size": 3, "align_corners": True}, gn.DataError, "align_corners says how to interpolate"),
    ],
)
def test_bad_settings_are_refused(settings: dict, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"^Upsample: .*{message}|^{message}"):
        gn.Upsample(**settings)


def test_other_inputs_are_refused() -> None:
    with pytest.raises(gn.ShapeError, match=r"^Upsample: got images of shape \(3, 0, 4\)"):
        gn.Upsample(2)(np.ones((1, 3, 0, 4)))
    with pytest.raises(gn.ShapeError, match=r"^Upsample: a 1x8 image times \(0.5, 0.5\) has no element left"):
        gn.Upsample(scale_factor=0.5)(np.ones((1, 3, 1, 8)))


def test_text() -> None:
    assert repr(gn.Upsample(scale_factor=2)) == "Upsample(scale_factor=(2.0, 2.0), mode='nearest')"
    assert repr(gn.Upsample(3, mode="bilinear", align_corners=True)) == (
        "Upsample(size=(3, 3), mode='bilinear', align_corners=True)"
    )
