"""Convolution judged by PyTorch, on numbers that are not whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import oracles
import pytest
from numpy.testing import assert_allclose
from tolerances import ORACLE_FLOAT64
from window_cases import CONVOLUTIONS, Convolution

import gpunet as gn
from gpunet.backends import Backend

torch = oracles.require("torch")
F = torch.nn.functional


def normal(shape: Any, seed: int) -> Any:
    return np.random.default_rng(seed).normal(0, 1, shape)


def tensor(array: Any) -> Any:
    return torch.from_numpy(array.copy()).requires_grad_()


def close(got: Any, wanted: Any) -> None:
    wanted = wanted.detach().numpy()
    assert got.shape == wanted.shape
    assert_allclose(got, wanted, rtol=ORACLE_FLOAT64, atol=ORACLE_FLOAT64)


@pytest.mark.parametrize("case", CONVOLUTIONS, ids=str)
def test_convolution_and_its_gradients(backend: Backend, case: Convolution) -> None:
    x, weight, bias = normal(case.x_shape, 0), normal(case.weight_shape, 1), normal(case.filters, 2)
    window, groups = case.window, case.groups
    x_tensor, weight_tensor, bias_tensor = tensor(x), tensor(weight), tensor(bias)
    (top, bottom), (left, right) = window.padding
    padded = F.pad(x_tensor, (left, right, top, bottom))
    y_tensor = F.conv2d(padded, weight_tensor, bias_tensor, window.stride, 0, window.dilation, groups)
    close(backend.conv2d(x, weight, bias, window, groups), y_tensor)
    grad_y = normal(y_tensor.shape, 3)
    y_tensor.backward(torch.from_numpy(grad_y))
    close(backend.conv2d_backward_input(grad_y, weight, x.shape, window, groups), x_tensor.grad)
    close(backend.conv2d_backward_weight(grad_y, x, weight.shape, window, groups), weight_tensor.grad)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel:UserWarning")
@pytest.mark.parametrize("kernel", [1, 2, 3, 4, (2, 5)])
@pytest.mark.parametrize("dilation", [1, 2, (2, 1)])
def test_same_padding(kernel: Any, dilation: Any) -> None:
    x = normal((2, 3, 7, 6), 0)
    weight = normal((4, 3, *((kernel, kernel) if isinstance(kernel, int) else kernel)), 1)
    wanted = F.conv2d(torch.from_numpy(x), torch.from_numpy(weight), padding="same", dilation=dilation)
    close(gn.functional.conv2d(x, weight, padding="same", dilation=dilation), wanted)


TRANSPOSED = [
    (kernel, stride, padding, extra, dilation, groups)
    for kernel in (1, 3, (2, 4))
    for stride in (1, 2, (3, 2))
    for padding in (0, 1)
    for extra in (0, (0, 1), (1, 0))
    for dilation in (1, 2)
    for groups in (1, 2, 4)
    if extra == 0 or stride != 1 or dilation != 1
    if not (kernel == 1 and padding)
]


@pytest.mark.parametrize(("kernel", "stride", "padding", "extra", "dilation", "groups"), TRANSPOSED, ids=str)
def test_transposed_convolution_and_its_gradients(
    kernel: Any, stride: Any, padding: Any, extra: Any, dilation: int, groups: int
) -> None:
    x = normal((2, 4, 5, 4), 0)
    weight = normal((4, 8 // groups, *((kernel, kernel) if isinstance(kernel, int) else kernel)), 1)
    bias = normal(8, 2)
    x_tensor, weight_tensor, bias_tensor = tensor(x), tensor(weight), tensor(bias)
    settings = (stride, padding, extra, groups, dilation)
    y_tensor = F.conv_transpose2d(x_tensor, weight_tensor, bias_tensor, *settings)
    close(gn.functional.conv_transpose2d(x, weight, bias, *settings), y_tensor)
    grad_y = normal(y_tensor.shape, 3)
    y_tensor.backward(torch.from_numpy(grad_y))
    grads = gn.functional.conv_transpose2d_backward(grad_y, x, weight, *settings)
    for grad, wanted in zip(grads, (x_tensor, weight_tensor, bias_tensor), strict=True):
        close(grad, wanted.grad)


@pytest.mark.parametrize("kernel", [1, 2, (3, 2)])
@pytest.mark.parametrize("stride", [1, 2, (3, 1)])
@pytest.mark.parametrize("padding", [0, 1, (2, 0)])
@pytest.mark.parametrize("dilation", [1, 2, (1, 3)])
def test_columns_and_back(kernel: Any, stride: Any, padding: Any, dilation: Any) -> None:
    x = normal((2, 3, 7, 8), 0)
    wanted = F.unfold(torch.from_numpy(x), kernel, dilation, padding, stride)
    columns = gn.functional.im2col(x, kernel, stride, padding, dilation)
    close(columns, wanted)
    back = F.fold(wanted, (7, 8), kernel, dilation, padding, stride)
    close(gn.functional.col2im(columns, x.shape, kernel, stride, padding, dilation), back)
