"""Convolution against loops over pixels: equal, not close, because small integers make float sums exact."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from references import (
    col2im_reference,
    conv2d_backward_input_reference,
    conv2d_backward_weight_reference,
    conv2d_reference,
    im2col_reference,
)
from window_cases import CONVOLUTIONS, DTYPES, Convolution, integers, layouts

from gpunet.backends import Backend
from gpunet.backends.numpy import columns as column_products
from gpunet.geometry import Window

# A few of each algorithm: columns, groups, depthwise, one element a window.
SOME = [case for case in CONVOLUTIONS if case.x_shape[0] > 1][::4]


def arrays(case: Convolution, dtype: Any = "float64") -> tuple[Any, Any, Any, Any]:
    """(x, weight, bias, grad_y) of small integers."""
    shapes = (case.x_shape, case.weight_shape, (case.filters,), case.y_shape)
    x, weight, bias, grad_y = (integers(shape, seed, dtype) for seed, shape in enumerate(shapes))
    return x, weight, bias, grad_y


def everything(backend: Backend, case: Convolution, x: Any, weight: Any, bias: Any, grad_y: Any) -> list[Any]:
    """All that the family computes."""
    settings = (case.window, case.groups)
    columns = backend.im2col(x, case.window)
    return [
        backend.conv2d(x, weight, bias, *settings),
        backend.conv2d(x, weight, None, *settings),
        backend.conv2d_backward_input(grad_y, weight, case.x_shape, *settings),
        backend.conv2d_backward_weight(grad_y, x, case.weight_shape, *settings),
        columns,
        backend.col2im(columns, case.x_shape, case.window),
    ]


@pytest.mark.parametrize("case", CONVOLUTIONS, ids=str)
def test_convolution_and_its_gradients_equal_the_loops(backend: Backend, case: Convolution) -> None:
    x, weight, bias, grad_y = arrays(case)
    wanted = (
        conv2d_reference(x, weight, bias, case.window, case.groups),
        conv2d_backward_input_reference(grad_y, weight, case.x_shape, case.window, case.groups),
        conv2d_backward_weight_reference(grad_y, x, case.weight_shape, case.window, case.groups),
    )
    for dtype, precision in itertools.product(DTYPES, ("fast", "strict")):
        x, weight, bias, grad_y = arrays(case, dtype)
        settings = (case.window, case.groups, precision)
        got = (
            backend.conv2d(x, weight, bias, *settings),
            backend.conv2d_backward_input(grad_y, weight, case.x_shape, *settings),
            backend.conv2d_backward_weight(grad_y, x, case.weight_shape, *settings),
        )
        for result, reference in zip(got, wanted, strict=True):
            assert result.dtype == dtype
            assert_array_equal(result, reference, strict=False)
            assert result.shape == reference.shape


@pytest.mark.parametrize("case", CONVOLUTIONS, ids=str)
def test_columns_equal_the_loops(backend: Backend, case: Convolution) -> None:
    x = integers(case.x_shape, 0)
    wanted = im2col_reference(x, case.window)
    columns = integers(wanted.shape, 1)
    wanted_image = col2im_reference(columns, case.x_shape, case.window)
    for dtype in DTYPES:
        got = backend.im2col(x.astype(dtype), case.window)
        image = backend.col2im(columns.astype(dtype), case.x_shape, case.window)
        assert got.dtype == image.dtype == dtype
        assert got.shape == wanted.shape
        assert image.shape == case.x_shape
        assert_array_equal(got, wanted)
        assert_array_equal(image, wanted_image)


@pytest.mark.parametrize("case", SOME, ids=str)
def test_strides_of_the_arrays_do_not_matter(backend: Backend, case: Convolution) -> None:
    inputs = arrays(case)
    wanted = everything(backend, case, *inputs)
    for others in zip(*(list(layouts(array)) for array in inputs), strict=True):
        for got, reference in zip(everything(backend, case, *others), wanted, strict=True):
            assert_array_equal(got, reference)


@pytest.mark.numpy_only("sets the size of NumPy's blocks")
@pytest.mark.parametrize("block_bytes", [1, 700, 5000])
@pytest.mark.parametrize("case", SOME, ids=str)
def test_the_size_of_the_column_blocks_does_not_matter(
    backend: Backend, case: Convolution, block_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = Convolution((7, *case.x_shape[1:]), case.filters, case.window, case.groups)
    inputs = arrays(case)
    wanted = everything(backend, case, *inputs)
    monkeypatch.setattr(column_products, "BLOCK_BYTES", block_bytes)
    for got, reference in zip(everything(backend, case, *inputs), wanted, strict=True):
        assert_array_equal(got, reference)


@pytest.mark.parametrize("case", SOME, ids=str)
def test_relu_gives_the_bits_of_one_after_the_other(backend: Backend, case: Convolution) -> None:
    draw = np.random.default_rng(0)
    for dtype in DTYPES:
        x, weight, bias = (
            draw.normal(0, 1, shape).astype(dtype) for shape in (case.x_shape, case.weight_shape, case.filters)
        )
        x[0, 0, 0, 0] = np.nan
        for given in (None, bias):
            plain = backend.conv2d(x, weight, given, case.window, case.groups)
            y = backend.conv2d(x, weight, given, case.window, case.groups, relu=True)
            assert y.tobytes() == backend.relu(plain).tobytes()


@pytest.mark.parametrize("filters", [2, 4])
def test_groups_are_convolutions_of_their_own(backend: Backend, filters: int) -> None:
    window = Window.create((3, 2), 2, 1)
    case = Convolution((2, 4, 6, 5), filters, window, 2)
    x, weight, bias, _ = arrays(case)
    half = filters // 2
    parts = [
        backend.conv2d(x[:, 2 * g : 2 * g + 2], weight[g * half :][:half], bias[g * half :][:half], window)
        for g in range(2)
    ]
    assert_array_equal(backend.conv2d(x, weight, bias, window, 2), np.concatenate(parts, axis=1))


def test_same_padding_keeps_the_size_and_puts_the_odd_element_at_the_end(backend: Backend) -> None:
    x = integers((1, 1, 4, 3), 0)
    weight = np.ones((1, 1, 2, 2))
    y = backend.conv2d(x, weight, None, Window.create(2, 1, "same"))
    assert y.shape == x.shape
    assert_array_equal(y, backend.conv2d(x, weight, None, Window.create(2, 1, ((0, 1), (0, 1)))))


def test_valid_padding_is_none(backend: Backend) -> None:
    x, weight = integers((1, 1, 4, 3), 0), integers((1, 1, 2, 2), 1)
    got = backend.conv2d(x, weight, None, Window.create(2, 2, "valid"))
    assert_array_equal(got, backend.conv2d(x, weight, None, Window.create(2, 2, 0)))


def test_the_gradient_where_windows_overlap_is_the_sum_of_what_they_send(backend: Backend) -> None:
    """Planted: nine overlapping 3x3 windows of ones over a 5x5 image, each sending one."""
    grad_x = backend.conv2d_backward_input(np.ones((1, 1, 3, 3)), np.ones((1, 1, 3, 3)), (1, 1, 5, 5), Window.create(3))
    reach = np.array([1, 2, 3, 2, 1])
    assert_array_equal(grad_x[0, 0], np.outer(reach, reach))


def test_elements_that_no_window_touches_get_no_gradient(backend: Backend) -> None:
    grad_x = backend.conv2d_backward_input(
        np.ones((1, 1, 1, 2)), np.ones((1, 1, 1, 1)), (1, 1, 3, 5), Window.create(1, (3, 4))
    )
    assert_array_equal(grad_x[0, 0], [[1, 0, 0, 0, 1], [0] * 5, [0] * 5])


def test_a_batch_of_no_images_gives_empty_outputs_and_zero_gradients(backend: Backend) -> None:
    for groups, kernel in ((1, 3), (1, 1), (4, 3), (2, 3)):
        case = Convolution((0, 4, 5, 5), 4, Window.create(kernel), groups)
        x, weight, bias, grad_y = arrays(case)
        assert backend.conv2d(x, weight, bias, case.window, groups, relu=True).shape == case.y_shape
        assert backend.conv2d_backward_input(grad_y, weight, x.shape, case.window, groups).shape == x.shape
        grad_weight = backend.conv2d_backward_weight(grad_y, x, case.weight_shape, case.window, groups)
        assert_array_equal(grad_weight, np.zeros(case.weight_shape))


@pytest.mark.parametrize("groups", [1, 2])
def test_a_batch_above_65535(backend: Backend, groups: int) -> None:
    images = 65_537
    case = Convolution((images, 2, 2, 2), 2, Window.create(2, 1, ((0, 0), (0, 1))), groups)
    x, weight, bias, grad_y = arrays(case, "float32")
    y = backend.conv2d(x, weight, bias, case.window, groups)
    grad_x = backend.conv2d_backward_input(grad_y, weight, x.shape, case.window, groups)
    ends = np.r_[0:2, images - 2 : images]  # the last ones have indices that 16 bits cannot hold
    assert_array_equal(y[ends], conv2d_reference(x[ends], weight, bias, case.window, groups))
    assert_array_equal(
        grad_x[ends], conv2d_backward_input_reference(grad_y[ends], weight, (4, 2, 2, 2), case.window, groups)
    )
    halves = [
        backend.conv2d_backward_weight(grad_y[part], x[part], case.weight_shape, case.window, groups)
        for part in (slice(0, 40_000), slice(40_000, None))
    ]
    whole = backend.conv2d_backward_weight(grad_y, x, case.weight_shape, case.window, groups)
    assert_array_equal(whole, halves[0] + halves[1])  # below 2**24: exact in float32


def test_nan_and_infinity_reach_exactly_the_windows_that_see_them(backend: Backend) -> None:
    x = np.ones((1, 1, 4, 4))
    x[0, 0, 0, 0], x[0, 0, 3, 3] = np.nan, np.inf
    y = backend.conv2d(x, np.ones((1, 1, 2, 2)), None, Window.create(2))
    assert_array_equal(y[0, 0], [[np.nan, 4, 4], [4, 4, 4], [4, 4, np.inf]])


@pytest.mark.numpy_only("an image that takes no memory here would take gigabytes on a device")
def test_an_image_of_more_than_two_to_the_31_elements(backend: Backend) -> None:
    """Every row is the same memory, so that 2**32 elements take little of it."""
    row = np.full(65_536, 2, np.float32)
    row[65_535] = 3
    x = np.broadcast_to(row, (1, 1, 65_537, 65_536))
    window = Window.create(1, (65_536, 65_535))
    weight, corners = np.full((1, 1, 1, 1), 5, np.float32), np.array([[2, 3], [2, 3]])
    assert_array_equal(backend.conv2d(x, weight, None, window)[0, 0], 5 * corners)
    assert_array_equal(backend.im2col(x, window)[0, 0], corners.reshape(-1))
    grad_y = np.array([[[[1, 10], [100, 1000]]]], np.float32)
    assert backend.conv2d_backward_weight(grad_y, x, (1, 1, 1, 1), window) == 3232
