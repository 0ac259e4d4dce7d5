"""Convolution on plain arrays: the settings reach the primitive, and wrong ones are refused by name."""

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
    conv_transpose2d_reference,
    im2col_reference,
)
from window_cases import DTYPES, integers

import gpunet as gn
from gpunet.errors import BackendError, DataError, ShapeError
from gpunet.geometry import Window

F = gn.functional

SETTINGS: list[dict[str, Any]] = [
    {},
    {"stride": 2, "padding": 1},
    {"stride": (2, 1), "padding": (0, 2), "dilation": (1, 2)},
    {"padding": ((2, 0), (1, 3)), "dilation": 2},
    {"padding": "same"},
    {"padding": "valid", "stride": 3},
    {"groups": 2, "padding": 1},
    {"groups": 4},
]


def window_of(settings: dict[str, Any], kernel: Any = (3, 2)) -> tuple[Window, int]:
    rest = {key: value for key, value in settings.items() if key not in {"groups", "output_padding"}}
    return Window.create(kernel, **rest), settings.get("groups", 1)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("precision", ["fast", "strict"])
def test_convolution_and_its_gradients(settings: dict[str, Any], precision: str) -> None:
    window, groups = window_of(settings)
    for dtype in DTYPES:
        x, weight = integers((2, 4, 7, 8), 0, dtype), integers((8, 4 // groups, 3, 2), 1, dtype)
        bias = integers((8,), 2, dtype)
        y = F.conv2d(x, weight, bias, **settings, precision=precision)
        assert y.dtype == dtype
        assert_array_equal(y, conv2d_reference(x, weight, bias, window, groups))
        assert_array_equal(F.conv2d(x, weight, **settings), conv2d_reference(x, weight, None, window, groups))
        grad_y = integers(y.shape, 3, dtype)
        grad_x, grad_weight, grad_bias = F.conv2d_backward(grad_y, x, weight, **settings, precision=precision)
        assert grad_x.dtype == grad_weight.dtype == grad_bias.dtype == dtype
        assert_array_equal(grad_x, conv2d_backward_input_reference(grad_y, weight, x.shape, window, groups))
        assert_array_equal(grad_weight, conv2d_backward_weight_reference(grad_y, x, weight.shape, window, groups))
        assert_array_equal(grad_bias, grad_y.sum(axis=(0, 2, 3)))
        assert F.conv2d_backward(grad_y, x, weight, **settings, bias=False)[2] is None


TRANSPOSED: list[dict[str, Any]] = [
    {},
    {"stride": 2, "padding": 1},
    {"stride": 2, "padding": 1, "output_padding": 1},
    {"stride": (3, 2), "output_padding": (2, 0), "dilation": (1, 2)},
    {"dilation": 3, "output_padding": 2},  # beyond the stride: the image has room for more windows than inputs
    {"dilation": 2, "output_padding": (1, 0), "padding": ((1, 0), (0, 2))},
    {"groups": 2, "stride": 2},
    {"groups": 4, "padding": "same"},
]


@pytest.mark.parametrize("settings", TRANSPOSED, ids=str)
def test_transposed_convolution_and_its_gradients(settings: dict[str, Any]) -> None:
    window, groups = window_of(settings)
    extra = settings.get("output_padding", 0)
    extra = extra if isinstance(extra, tuple) else (extra, extra)
    for dtype in DTYPES:
        x, weight = integers((2, 4, 3, 5), 0, dtype), integers((4, 8 // groups, 3, 2), 1, dtype)
        bias = integers((8,), 2, dtype)
        y = F.conv_transpose2d(x, weight, bias, **settings)
        assert y.dtype == dtype
        assert_array_equal(y, conv_transpose2d_reference(x, weight, bias, window, extra, groups))
        assert_array_equal(F.conv_transpose2d(x, weight, **settings), y - bias[:, None, None])
        grad_y = integers(y.shape, 3, dtype)
        grad_x, grad_weight, grad_bias = F.conv_transpose2d_backward(grad_y, x, weight, **settings)
        assert grad_x.shape == x.shape
        assert grad_x.dtype == grad_weight.dtype == dtype
        # The adjoint identities, for every direction of x and of weight: exact on whole numbers.
        for grad, array in ((grad_x, x), (grad_weight, weight)):
            for place in itertools.islice(np.ndindex(array.shape), 0, None, 7):
                nudged = array.copy()
                nudged[place] += 1
                other = (nudged, weight) if array is x else (x, nudged)
                assert ((F.conv_transpose2d(*other, bias, **settings) - y) * grad_y).sum() == grad[place]
        assert_array_equal(grad_bias, grad_y.sum(axis=(0, 2, 3)))
        assert F.conv_transpose2d_backward(grad_y, x, weight, **settings, bias=False)[2] is None


def test_columns_and_back() -> None:
    x = integers((2, 3, 5, 6), 0, "float32")
    window = Window.create((3, 2), (2, 1), (1, 0), (1, 2))
    columns = F.im2col(x, (3, 2), (2, 1), (1, 0), (1, 2))
    assert_array_equal(columns, im2col_reference(x, window))
    image = F.col2im(columns, x.shape, (3, 2), (2, 1), (1, 0), (1, 2))
    assert_array_equal(image, col2im_reference(columns, x.shape, window))
    assert columns.dtype == image.dtype == np.float32
    assert_array_equal(F.im2col(x, 2), im2col_reference(x, Window.create(2)))
    assert_array_equal(F.col2im(F.im2col(x, 1), list(x.shape), 1), x)


def test_a_batch_of_no_images() -> None:
    x, weight = np.zeros((0, 2, 4, 4)), np.ones((3, 2, 3, 3))
    y = F.conv2d(x, weight, np.ones(3))
    assert y.shape == (0, 3, 2, 2)
    grad_x, grad_weight, grad_bias = F.conv2d_backward(y, x, weight)
    assert grad_x.shape == x.shape
    assert_array_equal(grad_weight, np.zeros_like(weight))
    assert_array_equal(grad_bias, np.zeros(3))
    transposed = F.conv_transpose2d(y, weight)
    assert transposed.shape == x.shape
    assert_array_equal(F.conv_transpose2d_backward(transposed, y, weight)[1], np.zeros_like(weight))
    columns = F.im2col(x, 3)
    assert columns.shape == (0, 18, 4)
    assert F.col2im(columns, x.shape, 3).shape == x.shape


X, W, B, G = np.zeros((2, 4, 5, 5)), np.zeros((6, 4, 3, 3)), np.zeros(6), np.zeros((2, 6, 3, 3))
COLUMNS = np.zeros((2, 36, 9))


@pytest.mark.parametrize(
    ("function", "arguments", "error", "message"),
    [
        (F.conv2d, (X[0], W), ShapeError, r"x has shape \(4, 5, 5\), wanted \(N, C, H, W\): one image is x\[None\]"),
        (F.conv2d, (X[:, :0], W), ShapeError, r"x has shape \(2, 0, 5, 5\); every image needs at least one channel"),
        (F.conv2d, (X[:, :, :0], W), ShapeError, "every image needs at least one channel, row and column"),
        (F.conv2d, (X, W[0]), ShapeError, r"weight has shape \(4, 3, 3\), wanted four axes"),
        (F.conv2d, (X, W[:, :3]), ShapeError, r"groups=1 takes 3 channels, but x has 4"),
        (F.conv2d, (X, W, B, 1, 0, 1, 2), ShapeError, r"groups=2 takes 8 channels, but x has 4"),
        (F.conv2d, (X, W[:5, :2], B[:5], 1, 0, 1, 2), ShapeError, "weight has 5 filters.* multiple of groups=2"),
        (F.conv2d, (X, W[:0]), ShapeError, "weight has 0 filters, wanted at least one"),
        (F.conv2d, (X, W[:, :, :0]), ShapeError, "kernel_size must be at least 1, got 0"),
        (F.conv2d, (X, W, B[:5]), ShapeError, r"bias has shape \(5,\), wanted \(6,\): one value a channel"),
        (F.conv2d, (X, W, B[:, None]), ShapeError, r"bias has shape \(6, 1\)"),
        (F.conv2d, (X, W, B, 0), ShapeError, "stride must be at least 1"),
        (F.conv2d, (X, W, B, 1, -1), ShapeError, "padding must be at least 0"),
        (F.conv2d, (X, W, B, 1, 0, 1, 0), ShapeError, "groups must be at least 1"),
        (F.conv2d, (X, W, B, 1, 0, 1, 1.0), ShapeError, r"groups must be an integer, got 1\.0"),
        (F.conv2d, (X, W, B, 1, 0, 3), ShapeError, r"3x3 kernel \(dilated to 7x7\) does not fit a 5x5 image"),
        (F.conv2d, (X, W, B, 1, 0, 1, 1, "tf32"), DataError, "precision 'tf32' is unknown: choose one of fast, strict"),
        (F.conv2d, (X.astype(int), W), DataError, r"x has dtype int64, wanted float32 or float64.*x\.astype"),
        (F.conv2d, (X.astype("f2"), W), DataError, "x has dtype float16"),
        (F.conv2d, (X.astype(">f8"), W), DataError, "x has dtype >f8, wanted float32 or float64"),
        (F.conv2d, (X, W.astype("f4")), DataError, "weight has dtype float32, but x has float64"),
        (F.conv2d, (X, W, B.astype("f4")), DataError, "bias has dtype float32, but x has float64"),
        (F.conv2d, (None, W), BackendError, "x is None, wanted an array"),
        (F.conv2d, (X.tolist(), W), BackendError, r"x: got a builtins\.list, wanted a numpy\.ndarray"),
        (F.conv2d, (X, W, [0.0] * 6), BackendError, r"bias: got a builtins\.list"),
        (F.conv2d_backward, (G[:, :5], X, W), ShapeError, r"grad_y has shape \(2, 5, 3, 3\), wanted \(2, 6, 3, 3\)"),
        (F.conv2d_backward, (G, X, W, 2), ShapeError, r"wanted \(2, 6, 2, 2\), as the output of conv2d"),
        (F.conv2d_backward, (G.astype("f4"), X, W), DataError, "x has dtype float64, but grad_y has float32"),
        (F.conv2d_backward, (G, X[0], W), ShapeError, r"x has shape \(4, 5, 5\)"),
        (F.conv_transpose2d, (G, W[:5]), ShapeError, r"weight has shape \(5, 4, 3, 3\), wanted .* the 6 channels of x"),
        (F.conv_transpose2d, (G, W[:, :0]), ShapeError, "F at least 1"),
        (F.conv_transpose2d, (G, W, None, 1, 0, 0, 4), ShapeError, "a multiple of groups=4"),
        (F.conv_transpose2d, (G, W, B), ShapeError, r"bias has shape \(6,\), wanted \(4,\)"),
        (F.conv_transpose2d, (G, W, None, 2, 0, 2), ShapeError, "output_padding 2 must be .* below stride 2"),
        (F.conv_transpose2d, (G, W, None, 1, 3), ShapeError, "Use less padding"),
        (F.conv_transpose2d_backward, (G, G, W), ShapeError, r"grad_y .* wanted \(2, 4, 5, 5\), as"),
        (F.im2col, (X[0], 3), ShapeError, r"x has shape \(4, 5, 5\)"),
        (F.im2col, (X, 6), ShapeError, "6x6 kernel does not fit"),
        (F.col2im, (COLUMNS, X.shape, 2), ShapeError, r"wanted \(2, 16, 16\) for images \(2, 4, 5, 5\)"),
        (F.col2im, (COLUMNS, (2, 4, 25), 3), ShapeError, r"x_shape is \(2, 4, 25\), wanted four sizes"),
        (F.col2im, (COLUMNS, 5, 3), ShapeError, "x_shape is 5, wanted four sizes"),
        (F.col2im, (COLUMNS, (2, 0, 5, 5), 3), ShapeError, r"x_shape\[1\] must be at least 1, got 0"),
        (F.col2im, (COLUMNS, (-1, 4, 5, 5), 3), ShapeError, r"x_shape\[0\] must be at least 0, got -1"),
        (F.col2im, (COLUMNS, (2, 4, 5.0, 5), 3), ShapeError, r"x_shape\[2\] must be an integer"),
        (F.col2im, (COLUMNS.astype(int), X.shape, 3), DataError, "columns has dtype int64"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_named(function: Any, arguments: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        function(*arguments)
    assert str(caught.value).startswith(f"functional.{function.__name__}: ")
    assert "\n" not in str(caught.value)
