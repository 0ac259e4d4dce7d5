"""Winograd's algorithm: exact where arithmetic is, close elsewhere, chosen where it pays and where it may be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from references import conv2d_reference
from tolerances import WINOGRAD_FLOAT32, WINOGRAD_FLOAT64
from window_cases import integers

from gpunet.backends.numpy import NumpyBackend, columns, convolution, memory, winograd, winograd_rows
from gpunet.geometry import Window

pytestmark = pytest.mark.numpy_only("an algorithm of the NumPy backend")

SIZES = [
    # images, channels, filters, height, width
    (2, 32, 33, 8, 8),
    (1, 3, 5, 4, 4),
    (3, 2, 3, 5, 9),  # tiles that the output does not fill
    (1, 2, 2, 70, 66),  # more tiles than a block takes: rows of tiles
    (70, 1, 2, 3, 3),  # many images a block
    (0, 2, 2, 4, 4),
]
PADDINGS: list[Any] = [1, 0, ((0, 2), (1, 0)), 3]


def problem(size: tuple[int, ...], padding: Any, dtype: Any = np.float64) -> tuple[Any, Any, Any, Any, Window]:
    images, channels, filters, height, width = size
    window = Window.create(3, 1, padding)
    x = integers((images, channels, height, width), 0).astype(dtype)
    weight = integers((filters, channels, 3, 3), 1).astype(dtype)
    bias = integers((filters,), 2).astype(dtype)
    grad_y = integers((images, filters, *window.output_size(height, width)), 3).astype(dtype)
    return x, weight, bias, grad_y, window


def assert_close(got: Any, wanted: Any) -> None:
    assert got.shape == wanted.shape
    assert np.abs(got - wanted).max(initial=0) <= WINOGRAD_FLOAT64 * max(1, np.abs(wanted).max(initial=0))


@pytest.fixture(params=[winograd, winograd_rows], ids=["both axes", "rows"])
def algorithm(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.mark.parametrize("padding", PADDINGS, ids=str)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_it_gives_what_columns_give(algorithm: Any, size: tuple[int, ...], padding: Any) -> None:
    if padding == 0 and min(size[3:]) < 3:
        padding = 1
    x, weight, bias, grad_y, window = problem(size, padding)
    for relu in (False, True):
        y = algorithm.correlate(x, weight, bias, window, relu)
        assert_close(y, columns.correlate(x, weight, bias, window, relu=relu))
    grad_weight = algorithm.weight_gradient(grad_y, x, window)
    assert_close(grad_weight, columns.weight_gradient(grad_y, x, weight.shape, window))


def test_it_gives_what_the_loops_give(algorithm: Any) -> None:
    x, weight, bias, _, window = problem((2, 3, 4, 6, 5), 1)
    assert_close(algorithm.correlate(x, weight, bias, window), conv2d_reference(x, weight, bias, window))


def test_float32_stays_within_its_error(algorithm: Any) -> None:
    draw = np.random.default_rng(0)
    x, weight = draw.normal(0, 1, (4, 64, 16, 16)), draw.normal(0, 1, (64, 64, 3, 3)) / 24
    grad_y, window = draw.normal(0, 1, (4, 64, 16, 16)), Window.create(3, 1, 1)
    exact = columns.correlate(x, weight, None, window)
    single = algorithm.correlate(x.astype("f4"), weight.astype("f4"), None, window)
    assert single.dtype == np.float32
    assert np.abs(single - exact).max() <= WINOGRAD_FLOAT32 * np.abs(exact).max()
    exact = columns.weight_gradient(grad_y, x, weight.shape, window)
    single = algorithm.weight_gradient(grad_y.astype("f4"), x.astype("f4"), window)
    assert np.abs(single - exact).max() <= WINOGRAD_FLOAT32 * np.abs(exact).max()


def test_the_layout_of_the_images_does_not_matter(algorithm: Any) -> None:
    x, weight, bias, grad_y, window = problem((2, 4, 4, 8, 8), 1)
    x_last, grad_last = (np.ascontiguousarray(a.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2) for a in (x, grad_y))
    assert_array_equal(algorithm.correlate(x, weight, bias, window), algorithm.correlate(x_last, weight, bias, window))
    assert_array_equal(winograd.weight_gradient(grad_y, x, window), winograd.weight_gradient(grad_last, x_last, window))


def test_the_choice_follows_from_sizes_and_precision() -> None:
    def choice(weight_shape: tuple[int, ...], window: Window, groups: int = 1, precision: str = "fast") -> str:
        return convolution._algorithm(weight_shape, window, (16, 16), groups, precision)

    window = Window.create(3, 1, 1)
    assert choice((64, 64, 3, 3), window) == "winograd"
    assert choice((64, 64, 3, 3), window, precision="strict") == "columns"
    assert choice((64, 16, 3, 3), window) == "winograd rows"
    assert choice((64, 3, 3, 3), window) == "columns"
    assert choice((6, 64, 3, 3), window) == "row columns"
    assert choice((6, 64, 1, 1), Window.create(1)) == "columns"
    assert choice((64, 32, 3, 3), window, groups=2) == "columns"
    assert choice((64, 64, 3, 3), Window.create(3, 2, 1)) == "columns"
    assert choice((64, 64, 3, 3), Window.create(3, 1, 1, 2)) == "columns"
    assert choice((64, 1, 3, 3), window, groups=64) == "depthwise"
    # Most of a tile would be thrown away.
    assert convolution._algorithm((64, 64, 3, 3), window, (2, 2), 1, "fast") == "columns"


def test_nothing_left_in_a_workspace_reaches_a_result() -> None:
    """Rows past the end are multiplied too: what stands in them must be numbers."""
    x, weight, _, grad_y, window = problem((1, 2, 2, 5, 5), 1)
    wanted = winograd_rows.weight_gradient(grad_y, x, window)
    for name in ("winograd changed", "winograd gradients", "winograd changed gradients", "winograd frame"):
        memory.workspace(name, (4096,), np.float64)[...] = np.nan
    assert_array_equal(winograd_rows.weight_gradient(grad_y, x, window), wanted)
    assert np.isfinite(winograd_rows.correlate(x, weight, None, window)).all()


def test_strict_is_as_exact_as_a_direct_sum() -> None:
    """The largest error of many sums of 576 products, in units of float32's rounding of the sum of magnitudes."""
    draw = np.random.default_rng(0)
    x, weight = draw.normal(0, 1, (2, 64, 8, 8)).astype("f4"), draw.normal(0, 1, (64, 64, 3, 3)).astype("f4")
    window, backend = Window.create(3, 1, 1), NumpyBackend()
    exact = backend.conv2d(x.astype("f8"), weight.astype("f8"), None, window)
    magnitude = backend.conv2d(np.abs(x).astype("f8"), np.abs(weight).astype("f8"), None, window)
    errors = {
        precision: (np.abs(backend.conv2d(x, weight, None, window, 1, precision) - exact) / magnitude).max()
        for precision in ("strict", "fast")
    }
    unit = np.finfo("f4").eps / 2
    assert errors["strict"] < 24 * unit  # the square root of the number of products
    assert errors["strict"] < errors["fast"]
