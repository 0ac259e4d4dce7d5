"""The kernels of pooling: every one of them against the loops, under odd launches, and bit for bit against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cupy_device import require_cupy
from device_cases import GEOMETRIES, NUMPY, assert_same_bits, on_device
from numpy.testing import assert_array_equal
from references import max_pool2d_backward_reference, max_pool2d_reference, pooled_shape
from window_cases import DTYPES, POOLINGS, Pooling, integers, may_pool

from gpunet.backends.cupy import windows
from gpunet.backends.cupy.options import Options
from gpunet.geometry import Window

pytestmark = pytest.mark.gpu
backend: Any = require_cupy()

# Windows that tiles are compiled for, with every phase that padding may give, and ragged or even rows of tiles.
TILED = [
    Pooling((2, 2, height, width), Window.create(kernel, stride, padding, 1, ceil))
    for kernel, stride in ((2, 2), (3, 2), (3, 1), (5, 2))
    for padding in (0, 1, ((0, 1), (1, 0)), 2)
    for height, width in ((7, 8), (8, 9))
    for ceil in (False, True)
    if may_pool(Window.create(kernel, stride, padding, 1, ceil), height, width)
]
GENERAL = [case for case in POOLINGS if case.x_shape[0] > 1 and not windows.constants(case.window)][::6]


def reals(shape: Any, seed: int, dtype: Any) -> Any:
    return np.random.default_rng(seed).normal(0, 1, shape).astype(dtype)


def everything(case: Pooling, dtype: Any) -> list[tuple[Any, Any]]:
    """(result on the device, result of NumPy) of each primitive, on real numbers."""
    x, grad_y = reals(case.x_shape, 0, dtype), reals(pooled_shape(case.x_shape, case.window), 1, dtype)
    y, offsets = on_device(backend, backend.max_pool2d, x, case.window)
    wanted, wanted_offsets = NUMPY.max_pool2d(x, case.window)
    pairs = [
        (y, wanted),
        (offsets, wanted_offsets.astype(offsets.dtype)),
        (
            on_device(backend, backend.max_pool2d_backward, grad_y, offsets, case.x_shape, case.window),
            NUMPY.max_pool2d_backward(grad_y, wanted_offsets, case.x_shape, case.window),
        ),
    ]
    for count_include_pad in (True, False):
        rest = (case.window, count_include_pad)
        pairs += [
            (on_device(backend, backend.avg_pool2d, x, *rest), NUMPY.avg_pool2d(x, *rest)),
            (
                on_device(backend, backend.avg_pool2d_backward, grad_y, case.x_shape, *rest),
                NUMPY.avg_pool2d_backward(grad_y, case.x_shape, *rest),
            ),
        ]
    return pairs


@pytest.mark.parametrize("case", TILED + GENERAL, ids=str)
def test_real_numbers_are_added_in_the_order_of_numpy(case: Pooling) -> None:
    """Equal, not nearly equal: both add in the row-major order of the places inside the window."""
    for dtype in DTYPES:
        for result, wanted in everything(case, dtype):
            assert result.dtype == wanted.dtype
            assert_array_equal(result, wanted)


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
@pytest.mark.parametrize("case", [TILED[0], TILED[9], GENERAL[3]], ids=str)
def test_results_do_not_depend_on_the_launch(case: Pooling, geometry: tuple[int, int]) -> None:
    wanted = [result for result, _ in everything(case, "float32")]
    with backend.library.geometry(*geometry):
        for (result, _), same in zip(everything(case, "float32"), wanted, strict=True):
            assert_same_bits(result, same)


@pytest.mark.parametrize("case", [TILED[0], *TILED[8::9], *GENERAL[::3]], ids=str)
def test_the_atomic_scatter_adds_the_same_integers(case: Pooling, options: Options) -> None:
    x = integers(case.x_shape, 0, "float32")
    _, offsets, indices = max_pool2d_reference(x, case.window)
    grad_y = integers(offsets.shape, 1, "float32")
    options.scatter = "atomic"
    for dtype in DTYPES:
        got = on_device(backend, backend.max_pool2d_backward, grad_y.astype(dtype), offsets, case.x_shape, case.window)
        assert got.dtype == dtype
        assert_array_equal(got, max_pool2d_backward_reference(grad_y, indices, case.x_shape))


@pytest.mark.parametrize("scatter", ["gather", "atomic"])
def test_windows_of_more_than_256_elements_have_wide_offsets(scatter: str, options: Options) -> None:
    window = Window.create((17, 16), (5, 7), 2)
    x = integers((2, 1, 40, 33), 0, "float32", -1, 1)
    y, offsets = on_device(backend, backend.max_pool2d, x, window)
    wanted, wanted_offsets, indices = max_pool2d_reference(x, window)
    assert offsets.dtype == np.uint32
    assert_array_equal(y, wanted)
    assert_array_equal(offsets, wanted_offsets)
    options.scatter = scatter
    grad_y = integers(y.shape, 1, "float32")
    got = on_device(backend, backend.max_pool2d_backward, grad_y, offsets, x.shape, window)
    assert_array_equal(got, max_pool2d_backward_reference(grad_y, indices, x.shape))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int64"])
def test_offsets_of_any_integer_dtype_serve_the_gradient(dtype: str) -> None:
    window = Window.create(3, 2, 1)
    x = integers((1, 2, 6, 6), 0, "float32")
    _, offsets, indices = max_pool2d_reference(x, window)
    grad_y = integers(offsets.shape, 1, "float32")
    got = on_device(backend, backend.max_pool2d_backward, grad_y, offsets.astype(dtype), x.shape, window)
    assert_array_equal(got, max_pool2d_backward_reference(grad_y, indices, x.shape))


@pytest.mark.parametrize("window", [Window.create(2, 2), Window.create(3, 1, 1, 2)], ids=["tiles", "gather"])
def test_views_give_what_their_copies_give(window: Window) -> None:
    wide = reals((3, 2, 9, 20), 0, "float32")
    for view in (lambda array: array[1:, :, 1:, ::2], lambda array: array[:, :, :, ::-1], lambda a: a.swapaxes(2, 3)):
        x, device_x = view(wide), view(backend.asarray(wide))
        y, offsets = NUMPY.max_pool2d(x, window)
        assert_array_equal(backend.to_numpy(backend.max_pool2d(device_x, window)[0]), y)
        assert_array_equal(backend.to_numpy(backend.avg_pool2d(device_x, window)), NUMPY.avg_pool2d(x, window))
        grad_y = reals(y.shape, 1, "float32").swapaxes(0, 1).copy().swapaxes(0, 1)
        got = on_device(backend, backend.max_pool2d_backward, grad_y, offsets, x.shape, window)
        assert_array_equal(got, NUMPY.max_pool2d_backward(grad_y, offsets, x.shape, window))


@pytest.mark.parametrize("start", range(5))
def test_arrays_may_begin_anywhere_in_memory(start: int) -> None:
    """A pair of elements is loaded at once only where hardware can."""
    shape, window = (2, 3, 6, 8), Window.create(2)
    for dtype in DTYPES:
        values = reals(start + np.prod(shape), 0, dtype)
        x, device_x = values[start:].reshape(shape), backend.asarray(values)[start:].reshape(shape)
        for result, wanted in zip(backend.max_pool2d(device_x, window), NUMPY.max_pool2d(x, window), strict=True):
            assert_array_equal(backend.to_numpy(result), wanted)
        assert_same_bits(backend.to_numpy(backend.avg_pool2d(device_x, window)), NUMPY.avg_pool2d(x, window))


def test_a_batch_above_65535() -> None:
    x = integers((65_537, 1, 2, 3), 0, "float32")
    for window in (Window.create(2, 1), Window.create(2, 2), Window.create(3, 1, 1)):
        y, offsets = on_device(backend, backend.max_pool2d, x, window)
        wanted, wanted_offsets = NUMPY.max_pool2d(x, window)
        assert_array_equal(y, wanted)
        assert_array_equal(offsets, wanted_offsets)
        got = on_device(backend, backend.max_pool2d_backward, y, offsets, x.shape, window)
        assert_array_equal(got, NUMPY.max_pool2d_backward(wanted, wanted_offsets, x.shape, window))


def test_offsets_of_another_pooling_write_nowhere_else(options: Options) -> None:
    """An offset outside of its window or image is dropped by the scatter, and never matched by the gathers."""
    grad_y, offsets = np.ones((1, 1, 2, 2), np.float32), np.full((1, 1, 2, 2), 255, np.uint8)
    for scatter in ("gather", "atomic"):
        options.scatter = scatter
        for window in (Window.create(3, 2), Window.create((3, 2), (2, 1))):
            x_shape = (1, 1, 5, 5 if window.kernel == (3, 3) else 3)
            got = on_device(backend, backend.max_pool2d_backward, grad_y, offsets, x_shape, window)
            assert_array_equal(got, np.zeros(x_shape))
