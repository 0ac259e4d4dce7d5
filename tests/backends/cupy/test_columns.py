"""Columns by gather and by atomics, under every geometry, equal to the NumPy backend's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cupy_device import require_cupy
from numpy.testing import assert_allclose, assert_array_equal
from references import col2im_reference, im2col_reference
from tolerances import FLOAT32_ROUNDING
from window_cases import CONVOLUTIONS, DTYPES, Convolution, integers

from gpunet.backends.cupy.backend import CupyBackend
from gpunet.backends.cupy.options import Options
from gpunet.backends.numpy import NumpyBackend
from gpunet.geometry import Window

pytestmark = pytest.mark.gpu
require_cupy()

# Every hand-written window, and enough of the sampled ones.
CASES = [case for case in CONVOLUTIONS[:19] if case.x_shape[0]] + CONVOLUTIONS[19:120:4]
# The windows that are compiled in, and one that is not, on images that leave odd rims.
TILED = [
    Convolution((2, 3, 11, 9), 1, Window.create(kernel, stride, padding))
    for kernel, stride, padding in [
        (1, 2, 0),
        (2, 2, ((0, 1), (1, 0))),
        (3, 1, 1),
        (3, 2, ((2, 0), (1, 2))),
        (5, 1, 2),
        (5, 2, 0),
        (7, 2, 3),
        (4, 3, 2),
    ]
]


@pytest.mark.parametrize("case", [*CASES, *TILED], ids=str)
def test_columns_equal_the_loops_by_gather_and_by_atomics(
    cupy: CupyBackend, options: Options, case: Convolution
) -> None:
    x = integers(case.x_shape, 0)
    wanted = im2col_reference(x, case.window)
    columns = integers(wanted.shape, 1)
    wanted_image = col2im_reference(columns, case.x_shape, case.window)
    for dtype in DTYPES:
        got = cupy.im2col(cupy.asarray(x, dtype), case.window)
        assert got.dtype == dtype
        assert_array_equal(cupy.to_numpy(got), wanted)
        for scatter in ("gather", "atomic"):
            options.scatter = scatter
            image = cupy.col2im(cupy.asarray(columns, dtype), case.x_shape, case.window)
            assert image.dtype == dtype
            assert_array_equal(cupy.to_numpy(image), wanted_image, err_msg=scatter)


@pytest.mark.parametrize("max_blocks", [1, 5, 2**31 - 1])
@pytest.mark.parametrize("block_size", [1, 33, 96, 1024])
def test_no_geometry_changes_them(cupy: CupyBackend, options: Options, block_size: int, max_blocks: int) -> None:
    for case in (TILED[3], TILED[7]):
        x = integers(case.x_shape, 0, "float32")
        wanted = NumpyBackend().im2col(x, case.window)
        image = NumpyBackend().col2im(wanted, case.x_shape, case.window)
        with cupy.library.geometry(block_size, max_blocks):
            columns = cupy.im2col(cupy.asarray(x), case.window)
            assert_array_equal(cupy.to_numpy(columns), wanted)
            for scatter in ("gather", "atomic"):
                options.scatter = scatter
                assert_array_equal(cupy.to_numpy(cupy.col2im(columns, case.x_shape, case.window)), image)


@pytest.mark.parametrize("case", [TILED[2], TILED[3], TILED[7]], ids=str)
def test_the_gather_adds_in_the_order_of_numpy_and_the_atomics_in_any(
    cupy: CupyBackend, options: Options, case: Convolution
) -> None:
    shape = NumpyBackend().im2col(np.zeros(case.x_shape, "float32"), case.window).shape
    columns = np.random.default_rng(3).standard_normal(shape).astype("float32")
    wanted = NumpyBackend().col2im(columns, case.x_shape, case.window)

    def image() -> Any:
        return cupy.to_numpy(cupy.col2im(cupy.asarray(columns), case.x_shape, case.window))

    assert image().tobytes() == image().tobytes() == wanted.tobytes()
    options.scatter = "atomic"
    bound = case.window.area * NumpyBackend().col2im(np.abs(columns), case.x_shape, case.window)
    assert_allclose(image() / np.maximum(bound, 1), wanted / np.maximum(bound, 1), rtol=0, atol=2 * FLOAT32_ROUNDING)


def test_views_are_made_contiguous_once(cupy: CupyBackend) -> None:
    x = integers((2, 3, 6, 8), 0, "float32")
    window = Window.create(3, 1, 1)
    wanted = NumpyBackend().im2col(x, window)
    turned = cupy.asarray(np.ascontiguousarray(x.transpose(3, 2, 1, 0))).transpose(3, 2, 1, 0)
    assert not turned.flags.c_contiguous
    assert_array_equal(cupy.to_numpy(cupy.im2col(turned, window)), wanted)
