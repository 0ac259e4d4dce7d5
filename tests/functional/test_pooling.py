"""Pooling on plain arrays: indices inside the planes, both ways, and refused arguments."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from references import (
    avg_pool2d_backward_reference,
    avg_pool2d_reference,
    max_pool2d_backward_reference,
    max_pool2d_reference,
)
from window_cases import DTYPES, POOLINGS, Pooling, integers, poolings

import gpunet as gn
from gpunet.errors import BackendError, DataError, ShapeError
from gpunet.functional.plane_indices import indices_to_offsets, offsets_to_indices
from gpunet.geometry import Window

F = gn.functional


def settings_of(window: Window) -> dict[str, Any]:
    return {
        "kernel_size": window.kernel,
        "stride": window.stride,
        "padding": window.padding,
        "dilation": window.dilation,
        "ceil_mode": window.ceil_mode,
    }


@pytest.mark.parametrize("case", POOLINGS, ids=str)
def test_max_pooling_gives_indices_of_the_planes_and_takes_them_back(case: Pooling) -> None:
    settings = settings_of(case.window)
    for dtype in DTYPES:
        x = integers(case.x_shape, 0, dtype, -1, 1)
        y, indices = F.max_pool2d(x, **settings)
        wanted, _, wanted_indices = max_pool2d_reference(x, case.window)
        assert y.dtype == dtype
        assert indices.dtype == np.int64
        assert indices.shape == y.shape
        assert_array_equal(y, wanted)
        assert_array_equal(indices, wanted_indices)
        grad_y = integers(y.shape, 1, dtype)
        indices.flags.writeable = False
        grad_x = F.max_pool2d_backward(grad_y, indices, case.x_shape, **settings)
        assert grad_x.dtype == dtype
        assert_array_equal(grad_x, max_pool2d_backward_reference(grad_y, indices, case.x_shape))


@given(poolings(), st.integers(0, 1000))
def test_indices_and_offsets_are_inverse(case: Pooling, seed: int) -> None:
    """For every offset that lies on the image, chosen or not."""
    window, (height, width) = case.window, case.x_shape[2:]
    x = integers(case.x_shape, seed)
    _, indices = F.max_pool2d(x, **settings_of(window))
    offsets = indices_to_offsets(np, indices, window, (height, width))
    assert offsets.dtype == np.min_scalar_type(window.area - 1)
    assert_array_equal(offsets_to_indices(np, offsets, window, width), indices)
    assert (indices >= 0).all()
    assert (indices < height * width).all()
    planes = x.reshape(*x.shape[:2], height * width)
    picked = np.take_along_axis(planes, indices.reshape(*x.shape[:2], indices.shape[2] * indices.shape[3]), axis=2)
    assert_array_equal(picked.reshape(indices.shape), F.max_pool2d(x, **settings_of(window))[0])


@pytest.mark.numpy_only("an image that takes no memory here would take gigabytes on a device")
def test_indices_of_a_plane_of_more_than_two_to_the_32_elements() -> None:
    window = Window.create(1, (65_536, 65_535))
    x = np.broadcast_to(np.float32(1), (1, 1, 65_537, 65_536))
    _, indices = F.max_pool2d(x, 1, (65_536, 65_535))
    assert_array_equal(indices[0, 0], [[0, 65_535], [2**32, 2**32 + 65_535]])
    assert_array_equal(indices_to_offsets(np, indices, window, (65_537, 65_536)), np.zeros((1, 1, 2, 2)))


@pytest.mark.parametrize("count_include_pad", [True, False])
@pytest.mark.parametrize(
    "case", [case for case in POOLINGS if case.window.dilation == (1, 1) and case.window.area <= 10][::3], ids=str
)
def test_average_pooling(case: Pooling, count_include_pad: bool) -> None:
    settings = {key: value for key, value in settings_of(case.window).items() if key != "dilation"}
    settings["count_include_pad"] = count_include_pad
    for dtype in DTYPES:
        x = integers(case.x_shape, 0, dtype)
        y = F.avg_pool2d(x, **settings)
        assert_array_equal(y, avg_pool2d_reference(x, case.window, count_include_pad).astype(dtype))
        grad_y = 2520 * integers(y.shape, 1, dtype)
        grad_x = F.avg_pool2d_backward(grad_y, case.x_shape, **settings)
        assert grad_x.dtype == dtype
        assert_array_equal(grad_x, avg_pool2d_backward_reference(grad_y, case.x_shape, case.window, count_include_pad))


def test_the_stride_is_the_kernel_unless_given() -> None:
    x = integers((1, 2, 6, 6), 0)
    assert_array_equal(F.max_pool2d(x, (2, 3))[0], F.max_pool2d(x, (2, 3), (2, 3))[0])
    assert_array_equal(F.avg_pool2d(x, (2, 3)), F.avg_pool2d(x, (2, 3), (2, 3)))
    y, indices = F.max_pool2d(x, 2)
    assert_array_equal(
        F.max_pool2d_backward(y, indices, x.shape, 2), F.max_pool2d_backward(y, indices, list(x.shape), 2, 2)
    )
    assert_array_equal(F.avg_pool2d_backward(y, x.shape, 2), F.avg_pool2d_backward(y, x.shape, 2, 2))


def test_the_example_of_the_contract() -> None:
    _, indices = F.max_pool2d(np.array([[[[1, np.nan], [np.nan, 2]]]]), 2)
    assert indices.tolist() == [[[[2]]]]


X, G, INDICES = np.zeros((1, 1, 4, 4)), np.zeros((1, 1, 2, 2)), np.array([[[[0, 2], [8, 10]]]])


@pytest.mark.parametrize(
    ("function", "arguments", "error", "message"),
    [
        (F.max_pool2d, (X[0], 2), ShapeError, r"x has shape \(1, 4, 4\), wanted \(N, C, H, W\)"),
        (F.max_pool2d, (X[:, :0], 2), ShapeError, "at least one channel"),
        (F.max_pool2d, (X, 5), ShapeError, "5x5 kernel does not fit a 4x4 image"),
        (F.max_pool2d, (X, 2, 2, 2), ShapeError, "padding 2 is more than half of the kernel's 2"),
        (F.max_pool2d, (X[:, :, :2], 2, 1, 1, 3), ShapeError, "sees nothing but padding"),
        (F.max_pool2d, (X.astype(int), 2), DataError, "x has dtype int64"),
        (F.max_pool2d, ([[1.0]], 2), BackendError, r"x: got a builtins\.list"),
        (F.max_pool2d_backward, (G, INDICES, X.shape, 3), ShapeError, r"grad_y has .* wanted \(1, 1, 1, 1\)"),
        (F.max_pool2d_backward, (G, INDICES[:, :, :1], X.shape, 2), ShapeError, r"indices has shape \(1, 1, 1, 2\)"),
        (F.max_pool2d_backward, (G, INDICES, (1, 4, 4), 2), ShapeError, r"x_shape is \(1, 4, 4\)"),
        (F.max_pool2d_backward, (G, INDICES.astype("i4"), X.shape, 2), DataError, "int32, wanted int64"),
        (F.max_pool2d_backward, (G, INDICES.astype(float), X.shape, 2), DataError, "indices have dtype float64"),
        (F.max_pool2d_backward, (G, INDICES.tolist(), X.shape, 2), BackendError, r"indices: got a builtins\.list"),
        (F.max_pool2d_backward, (G, INDICES + 1, X.shape, 2, 2, ((0, 0), (0, 0)), (1, 1)), None, ""),
        (F.max_pool2d_backward, (G, INDICES + 2, X.shape, 2), DataError, r"indices\[0, 0, 0, 0\] is 2, which is"),
        (F.max_pool2d_backward, (G, INDICES - 1, X.shape, 2), DataError, r"is -1, .* of a 4x4 image"),
        (F.max_pool2d_backward, (G, INDICES + [[[[0, 0], [0, 6]]]], X.shape, 2), DataError, r"\[0, 0, 1, 1\] is 16,"),
        (F.max_pool2d_backward, (G, INDICES + 4, X.shape, 2, 2, 0, 1), None, ""),
        (F.max_pool2d_backward, (G, INDICES, X.shape, 2, 1, 0, 2), DataError, r"indices\[0, 0, 0, 1\] is 2, which"),
        (F.avg_pool2d, (X, 2, 2, 2), ShapeError, "padding 2 is more than half"),
        (F.avg_pool2d, (X[0, 0], 2), ShapeError, "wanted"),
        (F.avg_pool2d, (X.astype("f2"), 2), DataError, "x has dtype float16"),
        (F.avg_pool2d_backward, (G, X.shape, 3), ShapeError, r"wanted \(1, 1, 1, 1\), as the output of avg_pool2d"),
        (F.avg_pool2d_backward, (G, (1, 1, 0, 4), 2), ShapeError, r"x_shape\[2\] must be at least 1"),
        (F.avg_pool2d_backward, (G.astype(int), X.shape, 2), DataError, "grad_y has dtype int64"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_named(function: Any, arguments: Any, error: type[Exception] | None, message: str) -> None:
    if error is None:  # legal neighbours of what is refused
        function(*arguments)
        return
    with pytest.raises(error, match=message) as caught:
        function(*arguments)
    assert str(caught.value).startswith(f"functional.{function.__name__}: ")
    assert "\n" not in str(caught.value)


def test_an_index_on_the_next_row_is_not_mistaken_for_one_on_the_padding() -> None:
    """On a 2x2 image with padding 1, index 2 is (1, 0); as a flat distance it could be (0, 2), which is padding."""
    window = Window.create(3, 2, 1)
    indices = np.array([[[[2]]]])
    offsets = indices_to_offsets(np, indices, window, (2, 2))
    assert offsets.tolist() == [[[[7]]]]
    assert offsets_to_indices(np, offsets, window, 2).tolist() == [[[[2]]]]
