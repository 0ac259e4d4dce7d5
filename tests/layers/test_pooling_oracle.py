"""Pooling against PyTorch."""

import itertools

import numpy as np
import oracles
import pytest

import gpunet as gn

torch = oracles.require("torch")
from torch_layers import assert_same, normal  # noqa: E402 - imports torch

SETTINGS = list(itertools.product([2, 3, (2, 3)], [None, 1, (3, 2)], [0, 1], [False, True]))
SIZES = [(7, 8), (5, 5), (3, 9)]


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize(("kernel", "stride", "padding", "ceil_mode"), SETTINGS)
@pytest.mark.parametrize("dilation", [1, (1, 2)], ids=str)
def test_max_pool2d(
    kernel: object, stride: object, padding: int, ceil_mode: bool, dilation: object, size: tuple
) -> None:
    assert_same(
        gn.MaxPool2d(kernel, stride, padding, dilation, ceil_mode=ceil_mode),
        torch.nn.MaxPool2d(kernel, stride, padding, dilation, ceil_mode=ceil_mode),
        normal((2, 3, *size)),
    )


def test_max_pool2d_of_many_ties_and_nan() -> None:
    x = np.random.default_rng(0).choice([0.0, -0.0, 1.0, np.nan, -np.inf], (4, 5, 9, 9))
    for settings in [{"kernel_size": 2}, {"kernel_size": 3, "stride": 2, "padding": 1}]:
        assert_same(gn.MaxPool2d(**settings), torch.nn.MaxPool2d(**settings), x)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize(("kernel", "stride", "padding", "ceil_mode"), SETTINGS)
@pytest.mark.parametrize("count_include_pad", [True, False])
def test_avg_pool2d(
    kernel: object, stride: object, padding: int, ceil_mode: bool, count_include_pad: bool, size: tuple
) -> None:
    settings = (kernel, stride, padding, ceil_mode, count_include_pad)
    assert_same(gn.AvgPool2d(*settings), torch.nn.AvgPool2d(*settings), normal((2, 3, *size)))


@pytest.mark.parametrize("size", [(1, 1), (5, 8), (7, 7), (3, 10)], ids=str)
@pytest.mark.parametrize("output_size", [1, 2, (3, 4), (None, 2), (7, None), 9, (1, 5)], ids=str)
def test_adaptive_avg_pool2d(output_size: object, size: tuple) -> None:
    assert_same(gn.AdaptiveAvgPool2d(output_size), torch.nn.AdaptiveAvgPool2d(output_size), normal((2, 3, *size)))


@pytest.mark.parametrize("size", [(1, 1), (5, 8), (7, 2)], ids=str)
def test_global_max_pool2d(size: tuple[int, int]) -> None:
    assert_same(gn.GlobalMaxPool2d(), torch.nn.AdaptiveMaxPool2d(1), normal((2, 3, *size)))
