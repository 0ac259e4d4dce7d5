"""The signatures of the contract, the house rules at this door, and the names on errors."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from window_cases import read_only

import gpunet as gn
from gpunet.errors import ShapeError
from gpunet.layers.module import Context, Module

F = gn.functional

# As the contract writes them; a default that it leaves out may be there.
CONTRACT = {
    "conv2d": "x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1",
    "conv2d_backward": "grad_y, x, weight, stride=1, padding=0, dilation=1, groups=1, bias=True",
    "max_pool2d": "x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False",
    "max_pool2d_backward": (
        "grad_y, indices, x_shape, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False"
    ),
    "avg_pool2d": "x, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True",
    "avg_pool2d_backward": (
        "grad_y, x_shape, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True"
    ),
    "batch_norm": "x, weight, bias, eps=1e-05",
    "batch_norm_backward": "grad_y, x, weight, mean, inv_std",
    "softmax_cross_entropy": "logits, labels",
    "im2col": "x, kernel_size, stride=1, padding=0, dilation=1",
    "col2im": "columns, x_shape, kernel_size, stride=1, padding=0, dilation=1",
    "conv_transpose2d": "x, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1",
}
WITH_PRECISION = {"conv2d", "conv2d_backward", "conv_transpose2d", "conv_transpose2d_backward"}


@pytest.mark.parametrize("name", CONTRACT)
def test_signatures(name: str) -> None:
    parameters = inspect.signature(getattr(F, name)).parameters.values()
    written = [p.name if p.default is p.empty else f"{p.name}={p.default}" for p in parameters]
    precision = ["precision=fast"] if name in WITH_PRECISION else []
    assert written == [*CONTRACT[name].split(", "), *precision]


def test_every_function_has_a_docstring_that_says_what_it_takes_gives_and_raises() -> None:
    assert set(CONTRACT) < set(F.__all__)
    for name in F.__all__:
        text = inspect.getdoc(getattr(F, name)) or ""
        assert all(part in text for part in ("Args:", "Returns:", "Raises:")), name


def all_calls() -> list[tuple[Callable[..., Any], tuple[Any, ...]]]:
    draw = np.random.default_rng(0)

    def normal(*shape: int) -> Any:
        return read_only(draw.normal(0, 1, shape).astype(np.float32))

    x, y, channel = normal(2, 3, 4, 4), normal(2, 5, 4, 4), normal(3)
    square, point = normal(5, 3, 3, 3), normal(5, 3, 1, 1)
    pooled = normal(2, 3, 2, 2)
    indices = read_only(F.max_pool2d(x, 2)[1])
    return [
        (F.conv2d, (x, square, normal(5), 1, 1)),
        (F.conv2d, (x, point)),
        (F.conv2d_backward, (y, x, square, 1, 1)),
        (F.conv2d_backward, (y, x, point)),
        (F.conv_transpose2d, (y, square, channel, 1, 1)),
        (F.conv_transpose2d, (y, point)),
        (F.conv_transpose2d_backward, (x, y, square, 1, 1)),
        (F.conv_transpose2d_backward, (normal(2, 3, 5, 5), y, normal(5, 3, 2, 2))),
        (F.im2col, (x, 1)),
        (F.im2col, (x, 3)),
        (F.col2im, (normal(2, 3, 16), x.shape, 1)),
        (F.max_pool2d, (x, 2)),
        (F.max_pool2d, (x, 1)),
        (F.max_pool2d_backward, (pooled, indices, x.shape, 2)),
        (F.avg_pool2d, (x, 2)),
        (F.avg_pool2d, (x, 1)),
        (F.avg_pool2d_backward, (pooled, x.shape, 2)),
        (F.avg_pool2d_backward, (x, x.shape, 1)),
        (F.batch_norm, (x, channel, channel)),
        (F.batch_norm_backward, (x, x, channel, channel, channel)),
        (F.batch_norm_inference, (x, None, None, channel, channel)),
        (F.softmax_cross_entropy, (normal(2, 3), read_only(np.array([0, 2])))),
    ]


def test_inputs_stay_as_they_are_and_results_share_nothing_with_them() -> None:
    calls = all_calls()
    assert {function.__name__ for function, _ in calls} == set(F.__all__)
    for function, arguments in calls:
        inputs = [argument for argument in arguments if isinstance(argument, np.ndarray)]
        before = [array.copy() for array in inputs]
        results = function(*arguments)
        for result in results if isinstance(results, tuple) else (results,):
            assert result.flags.writeable, function.__name__
            assert not any(np.shares_memory(result, array) for array in inputs), function.__name__
            result += 1  # the caller's own
        for array, copy in zip(inputs, before, strict=True):
            assert_array_equal(array, copy)


def test_an_error_inside_a_layer_names_the_layer_and_the_function() -> None:
    class Blur(Module):
        def compute(self, context: Context, x: Any) -> Any:
            return F.avg_pool2d(x, 9)

    with pytest.raises(ShapeError, match=r"^Blur: functional\.avg_pool2d: a 9x9 kernel does not fit a 4x4 image"):
        Blur()(np.zeros((1, 1, 4, 4), np.float32))
