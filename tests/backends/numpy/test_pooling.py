"""Pooling against loops over pixels, and each of its rules by name."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from references import (
    avg_pool2d_backward_reference,
    avg_pool2d_reference,
    max_pool2d_backward_reference,
    max_pool2d_reference,
    pooled_shape,
)
from tolerances import ORACLE_FLOAT64
from window_cases import DTYPES, POOLINGS, Pooling, integers, layouts, read_only

from gpunet.backends import Backend
from gpunet.geometry import Window

UNDILATED = [case for case in POOLINGS if case.window.dilation == (1, 1)]
SOME = [case for case in POOLINGS if case.x_shape[0] > 1][::4]


def ties(shape: Any, seed: int, dtype: Any) -> Any:
    """Few different values, so that most windows have ties."""
    return integers(shape, seed, dtype, -1, 1)


def salted(x: Any, seed: int, *salts: float) -> Any:
    """``x`` with about a third of its elements replaced by each of ``salts`` in turn."""
    draw = np.random.default_rng(seed)
    x = x.copy()
    for salt in salts:
        x[draw.random(x.shape) < 0.3] = salt
    return read_only(x)


@pytest.mark.parametrize("case", POOLINGS, ids=str)
def test_max_pooling_equals_the_loops(backend: Backend, case: Pooling) -> None:
    for dtype in DTYPES:
        x = ties(case.x_shape, 0, dtype)
        for images in (
            x,
            salted(x, 1, np.nan),
            salted(x, 2, -np.inf, np.inf),
            salted(x, 3, -np.inf, -np.inf, -np.inf, np.nan),
        ):
            y, offsets = backend.max_pool2d(images, case.window)
            wanted, wanted_offsets, indices = max_pool2d_reference(images, case.window)
            assert y.dtype == dtype
            assert y.shape == offsets.shape == wanted.shape
            assert offsets.dtype.kind == "u"
            assert_array_equal(y, wanted)
            assert_array_equal(offsets, wanted_offsets)
            grad_y = integers(y.shape, 4, dtype)
            grad_x = backend.max_pool2d_backward(grad_y, offsets, case.x_shape, case.window)
            assert grad_x.dtype == dtype
            assert_array_equal(grad_x, max_pool2d_backward_reference(grad_y, indices, case.x_shape))


@pytest.mark.parametrize("count_include_pad", [True, False])
@pytest.mark.parametrize("case", UNDILATED, ids=str)
def test_average_pooling_equals_the_loops(backend: Backend, case: Pooling, count_include_pad: bool) -> None:
    x = integers(case.x_shape, 0)
    wanted = avg_pool2d_reference(x, case.window, count_include_pad)
    # Multiples of 2520 divide without rounding by every window size up to 10.
    grad_y = 2520 * integers(pooled_shape(case.x_shape, case.window), 1)
    wanted_grad = avg_pool2d_backward_reference(grad_y, case.x_shape, case.window, count_include_pad)
    for dtype in DTYPES:
        y = backend.avg_pool2d(x.astype(dtype), case.window, count_include_pad)
        assert y.dtype == dtype
        assert y.shape == wanted.shape
        assert_array_equal(y, wanted.astype(dtype))  # one division of exact integers: rounded alike
        grad_x = backend.avg_pool2d_backward(grad_y.astype(dtype), case.x_shape, case.window, count_include_pad)
        assert grad_x.dtype == dtype
        assert grad_x.shape == case.x_shape
        if case.window.area <= 10:
            assert_array_equal(grad_x, wanted_grad)
        elif dtype == np.float64:
            np.testing.assert_allclose(grad_x, wanted_grad, atol=2520 * ORACLE_FLOAT64)


@pytest.mark.parametrize("case", SOME, ids=str)
def test_strides_of_the_arrays_do_not_matter(backend: Backend, case: Pooling) -> None:
    x = ties(case.x_shape, 0, "float64")
    y, offsets = backend.max_pool2d(x, case.window)
    grad_y = 2520 * integers(y.shape, 1)
    wanted = (
        y,
        offsets,
        backend.max_pool2d_backward(grad_y, offsets, case.x_shape, case.window),
        backend.avg_pool2d(x, case.window),
        backend.avg_pool2d_backward(grad_y, case.x_shape, case.window),
    )
    for other, other_offsets, other_grad in zip(layouts(x), layouts(offsets), layouts(grad_y), strict=True):
        got = (
            *backend.max_pool2d(other, case.window),
            backend.max_pool2d_backward(other_grad, other_offsets, case.x_shape, case.window),
            backend.avg_pool2d(other, case.window),
            backend.avg_pool2d_backward(other_grad, case.x_shape, case.window),
        )
        for result, reference in zip(got, wanted, strict=True):
            assert_array_equal(result, reference)


def pool(backend: Backend, image: Any, window: Window) -> tuple[Any, Any]:
    """(y, offsets) of one plane."""
    y, offsets = backend.max_pool2d(read_only(np.array(image, float)[None, None]), window)
    return y[0, 0], offsets[0, 0]


@pytest.mark.parametrize("rows", [[[3, 3], [3, 3]], [[1, 3], [3, 2]], [[0, 1], [1, 1]]])
def test_the_first_of_equal_elements_wins(backend: Backend, rows: Any) -> None:
    y, offsets = pool(backend, rows, Window.create(2))
    assert y == np.max(rows)
    assert offsets == np.argmax(rows)


@pytest.mark.parametrize("row", [[0.0, -0.0], [-0.0, 0.0], [-1.0, -0.0, 0.0], [-0.0, -0.0, 0.0, -1.0]])
def test_zeros_of_both_signs_tie_and_the_chosen_one_keeps_its_sign(backend: Backend, row: Any) -> None:
    y, offsets = pool(backend, [row], Window.create((1, len(row))))
    first = row.index(0.0)
    assert offsets == first
    assert np.signbit(y[0, 0]) == np.signbit(row[first])


def test_many_zeros_of_both_signs_keep_the_sign_of_the_chosen_element(backend: Backend) -> None:
    x = np.where(np.random.default_rng(0).random((2, 3, 33, 35)) < 0.5, 0.0, -0.0).astype(np.float32)
    window = Window.create(3, 2, 1)
    y, offsets = backend.max_pool2d(x, window)
    wanted, wanted_offsets, _ = max_pool2d_reference(x, window)
    assert_array_equal(offsets, wanted_offsets)
    assert_array_equal(np.signbit(y), np.signbit(wanted))


@pytest.mark.parametrize(
    ("rows", "offset"),
    [
        ([[1, np.nan], [np.nan, 2]], 2),  # numpy.argmax would say 1
        ([[np.nan, np.inf], [5, 2]], 0),
        ([[np.nan, np.nan], [np.nan, np.nan]], 3),
        ([[-np.inf, -np.inf], [np.nan, -np.inf]], 2),
    ],
)
def test_nan_wins_and_the_last_of_several(backend: Backend, rows: Any, offset: int) -> None:
    y, offsets = pool(backend, rows, Window.create(2))
    assert np.isnan(y).all()
    assert offsets == offset
    grad_x = backend.max_pool2d_backward(
        np.full((1, 1, 1, 1), 7.0), offsets[None, None], (1, 1, 2, 2), Window.create(2)
    )
    assert grad_x.flat[offset] == 7
    assert np.count_nonzero(grad_x) == 1


def test_padding_never_wins_over_minus_infinity(backend: Backend) -> None:
    """Each window chooses its first real element, and the gradient goes there."""
    window = Window.create(3, 2, 1)
    y, offsets = pool(backend, np.full((3, 3), -np.inf), window)
    assert_array_equal(y, np.full((2, 2), -np.inf))
    assert_array_equal(offsets, [[4, 3], [1, 0]])
    grad_x = backend.max_pool2d_backward(np.array([[[[1.0, 2], [3, 4]]]]), offsets[None, None], (1, 1, 3, 3), window)
    assert_array_equal(grad_x[0, 0], [[1, 2, 0], [3, 4, 0], [0, 0, 0]])


def test_padding_never_wins_over_negative_numbers(backend: Backend) -> None:
    y, _ = pool(backend, [[-5.0]], Window.create(3, 1, 1))
    assert_array_equal(y, [[-5.0]])


def test_gradients_of_overlapping_windows_add(backend: Backend) -> None:
    x = np.zeros((1, 1, 3, 3))
    x[0, 0, 1, 1] = 1
    _, offsets = backend.max_pool2d(x, Window.create(2, 1))
    grad_x = backend.max_pool2d_backward(np.array([[[[1.0, 2], [3, 4]]]]), offsets, x.shape, Window.create(2, 1))
    assert grad_x[0, 0, 1, 1] == 10
    assert np.count_nonzero(grad_x) == 1


@pytest.mark.parametrize("kernel", [(16, 16), (1, 256), (16, 17), (1, 300)])
def test_offsets_of_large_windows_fit_their_dtype(backend: Backend, kernel: tuple[int, int]) -> None:
    """255 is the last offset that a byte holds."""
    last = kernel[0] * kernel[1] - 1
    image = np.zeros(kernel)
    image.flat[last] = 1
    _, offsets = pool(backend, image, Window.create(kernel))
    assert offsets == last
    _, offsets = pool(backend, np.full(kernel, np.nan), Window.create(kernel))
    assert offsets == last


def test_ceil_mode_keeps_a_window_that_starts_on_the_image(backend: Backend) -> None:
    y, _ = pool(backend, [[1, 2, 3]], Window.create((1, 2), 2, 0, 1, True))
    assert_array_equal(y, [[2, 3]])


def test_ceil_mode_drops_a_window_that_starts_past_the_image(backend: Backend) -> None:
    """Stride 3 over 3 columns: the second window would start at column 3, also without any padding."""
    y, _ = pool(backend, [[1, 2, 3]], Window.create((1, 1), 3, 0, 1, True))
    assert_array_equal(y, [[1]])
    y, _ = pool(backend, [[1, 2, 3]], Window.create((1, 2), 4, (0, 1), 1, True))
    assert_array_equal(y, [[1]])


def test_ceil_mode_allows_a_kernel_larger_than_the_image(backend: Backend) -> None:
    y, offsets = pool(backend, [[1, 5], [3, 4]], Window.create(3, 2, 0, 1, True))
    assert_array_equal(y, [[5]])
    assert_array_equal(offsets, [[1]])
    assert_array_equal(backend.avg_pool2d(np.ones((1, 1, 2, 2)), Window.create(3, 2, 0, 1, True)), [[[[1.0]]]])


def test_count_include_pad_counts_the_window_clipped_to_the_padded_image(backend: Backend) -> None:
    """A ceil_mode window hangs over the padded image; what hangs over is not counted."""
    x = np.full((1, 1, 1, 4), 12.0)
    window = Window.create((1, 3), 2, (0, 1), 1, True)  # columns -1..1, 1..3, 3..5 of which 5 is past the padding
    assert_array_equal(backend.avg_pool2d(x, window, True)[0, 0], [[8, 12, 6]])
    assert_array_equal(backend.avg_pool2d(x, window, False)[0, 0], [[12, 12, 12]])
    grad_y = np.full((1, 1, 1, 3), 6.0)
    assert_array_equal(backend.avg_pool2d_backward(grad_y, x.shape, window, True)[0, 0], [[2, 4, 2, 5]])
    assert_array_equal(backend.avg_pool2d_backward(grad_y, x.shape, window, False)[0, 0], [[3, 5, 2, 8]])


def test_average_pooling_spreads_nan_to_the_windows_that_see_it(backend: Backend) -> None:
    x = np.ones((1, 1, 1, 4))
    x[0, 0, 0, 0] = np.nan
    assert_array_equal(backend.avg_pool2d(x, Window.create((1, 2)))[0, 0], [[np.nan, 1, 1]])


def test_infinite_images_raise_no_warning(backend: Backend) -> None:
    x = np.array([[[[np.inf, -np.inf], [np.nan, 0.0]]]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        backend.max_pool2d(x, Window.create(2, 1, 1))


def test_a_batch_above_65535(backend: Backend) -> None:
    images = 65_537
    x = integers((images, 1, 2, 3), 0, "float32")
    window = Window.create(2, 1)
    y, offsets = backend.max_pool2d(x, window)
    grad_y = integers(y.shape, 1, "float32")
    grad_x = backend.max_pool2d_backward(grad_y, offsets, x.shape, window)
    average = backend.avg_pool2d(x, window)
    ends = np.r_[0:2, images - 2 : images]
    wanted, wanted_offsets, indices = max_pool2d_reference(x[ends], window)
    assert_array_equal(y[ends], wanted)
    assert_array_equal(offsets[ends], wanted_offsets)
    assert_array_equal(grad_x[ends], max_pool2d_backward_reference(grad_y[ends], indices, (4, 1, 2, 3)))
    assert_array_equal(average[ends], avg_pool2d_reference(x[ends], window, True))


@pytest.mark.numpy_only("an image that takes no memory here would take gigabytes on a device")
def test_an_image_of_more_than_two_to_the_31_elements(backend: Backend) -> None:
    """Every row is the same memory, so that 2**32 elements take little of it."""
    row = np.full(65_536, 2, np.float32)
    row[65_535] = 3
    x = np.broadcast_to(row, (1, 1, 65_537, 65_536))
    window = Window.create(1, (65_536, 65_535))
    y, offsets = backend.max_pool2d(x, window)
    assert_array_equal(y[0, 0], [[2, 3], [2, 3]])
    assert_array_equal(offsets, np.zeros((1, 1, 2, 2)))
    assert_array_equal(backend.avg_pool2d(x, window), y)
