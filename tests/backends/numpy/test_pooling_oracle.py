"""Pooling judged by PyTorch: values, indices, gradients, and which settings are legal."""

from __future__ import annotations

import itertools
import random
from typing import Any

import numpy as np
import oracles
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from tolerances import ORACLE_FLOAT64
from window_cases import POOLINGS, Pooling

import gpunet as gn
from gpunet.errors import ShapeError
from gpunet.geometry import Window

torch = oracles.require("torch")
F = torch.nn.functional

# PyTorch's padding is the same on both sides.
SYMMETRIC = [case for case in POOLINGS if all(before == after for before, after in case.window.padding)]


def settings_of(window: Window) -> dict[str, Any]:
    return {
        "kernel_size": window.kernel,
        "stride": window.stride,
        "padding": tuple(before for before, _ in window.padding),
        "ceil_mode": window.ceil_mode,
    }


def images(shape: Any, seed: int) -> list[Any]:
    """Numbers without ties, few different numbers, and those with NaN and infinities."""
    draw = np.random.default_rng(seed)
    ties = draw.integers(-1, 2, shape).astype(float)
    salted = ties.copy()
    salted[draw.random(shape) < 0.3] = np.nan
    infinite = np.where(draw.random(shape) < 0.7, -np.inf, ties)
    zeros = np.where(draw.random(shape) < 0.5, 0.0, -0.0)
    return [draw.normal(0, 1, shape), ties, salted, infinite, zeros, np.full(shape, -np.inf), np.full(shape, np.nan)]


@pytest.mark.parametrize("case", SYMMETRIC, ids=str)
def test_max_pooling(case: Pooling) -> None:
    settings = settings_of(case.window) | {"dilation": case.window.dilation}
    for seed, x in enumerate(images(case.x_shape, 0)):
        x_tensor = torch.from_numpy(x).requires_grad_()
        y_tensor, wanted_indices = F.max_pool2d(x_tensor, **settings, return_indices=True)
        y, indices = gn.functional.max_pool2d(x, **settings)
        wanted = y_tensor.detach().numpy()
        assert_array_equal(y, wanted)
        is_number = ~np.isnan(y)
        assert_array_equal(np.signbit(y[is_number]), np.signbit(wanted[is_number]))
        assert_array_equal(indices, wanted_indices.numpy())
        grad_y = np.random.default_rng(seed).normal(0, 1, y.shape)
        y_tensor.backward(torch.from_numpy(grad_y))
        grad_x = gn.functional.max_pool2d_backward(grad_y, indices, x.shape, **settings)
        assert_allclose(grad_x, x_tensor.grad.numpy(), rtol=ORACLE_FLOAT64, atol=ORACLE_FLOAT64)


@pytest.mark.parametrize("count_include_pad", [True, False])
@pytest.mark.parametrize("case", [case for case in SYMMETRIC if case.window.dilation == (1, 1)], ids=str)
def test_average_pooling(case: Pooling, count_include_pad: bool) -> None:
    settings = settings_of(case.window) | {"count_include_pad": count_include_pad}
    x = np.random.default_rng(0).normal(0, 1, case.x_shape)
    x_tensor = torch.from_numpy(x).requires_grad_()
    y_tensor = F.avg_pool2d(x_tensor, **settings)
    y = gn.functional.avg_pool2d(x, **settings)
    assert y.shape == tuple(y_tensor.shape)
    assert_allclose(y, y_tensor.detach().numpy(), rtol=ORACLE_FLOAT64, atol=ORACLE_FLOAT64)
    grad_y = np.random.default_rng(1).normal(0, 1, y.shape)
    y_tensor.backward(torch.from_numpy(grad_y))
    grad_x = gn.functional.avg_pool2d_backward(grad_y, x.shape, **settings)
    assert_allclose(grad_x, x_tensor.grad.numpy(), rtol=ORACLE_FLOAT64, atol=ORACLE_FLOAT64)


# Along one axis; the other has one window of one element.
ALONG_AN_AXIS = list(itertools.product(range(1, 8), range(1, 7), range(1, 6), range(3), (1, 2, 3), (False, True)))


def output_of(pool: Any) -> Any:
    """Shape of a pooling's output, or None if it is refused."""
    try:
        return tuple(pool().shape)
    except (RuntimeError, ShapeError):
        return None


def test_sizes_and_refusals_along_an_axis() -> None:
    """Every small size, kernel, stride, padding, dilation and ceil_mode; also kernels larger than the padded input."""
    differences = []
    for size, kernel, stride, padding, dilation, ceil_mode in ALONG_AN_AXIS:
        settings = ((1, kernel), (1, stride), (0, padding), (1, dilation), ceil_mode)
        x = np.ones((1, 1, 1, size))
        theirs = output_of(lambda x=x, s=settings: F.max_pool2d(torch.from_numpy(x), *s))
        ours = output_of(lambda x=x, s=settings: gn.functional.max_pool2d(x, *s)[0])
        if ours != theirs:
            differences.append((size, kernel, stride, padding, dilation, ceil_mode, theirs))
    # The one difference that the contract wants: PyTorch lets a dilated window see padding alone, and reads -inf there.
    for size, kernel, stride, padding, dilation, ceil_mode, theirs in differences:
        assert dilation > 1, (size, kernel, stride, padding, dilation, ceil_mode, theirs)
        window = Window.create((1, kernel), (1, stride), (0, padding), (1, dilation), ceil_mode)
        assert theirs == (1, 1, *window.output_size(1, size))
        assert not window.real_elements(1, size)[1].any(axis=1).all()
    assert len(ALONG_AN_AXIS) > 10 * len(differences) > 0


def test_sizes_and_refusals_of_average_pooling() -> None:
    draw = random.Random(0)
    for _ in range(2000):
        pair = [[draw.randint(low, high) for _ in range(2)] for low, high in ((1, 8), (1, 6), (1, 5), (0, 3))]
        size, kernel, stride, padding = pair
        settings = (kernel, stride, padding, draw.random() < 0.5, draw.random() < 0.5)
        x = np.ones((1, 1, *size))
        theirs = output_of(lambda x=x, s=settings: F.avg_pool2d(torch.from_numpy(x), *s))
        assert output_of(lambda x=x, s=settings: gn.functional.avg_pool2d(x, *s)) == theirs, (size, settings)
