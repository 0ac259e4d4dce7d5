"""Batch normalisation judged by PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import oracles
import pytest
from numpy.testing import assert_allclose
from tolerances import ORACLE_FLOAT64

from gpunet.backends import Backend

torch = oracles.require("torch")

SHAPES = [(2, 3, 4, 5), (8, 5, 1, 1), (1, 2, 3, 3), (16, 4), (3, 2, 7), (2, 3, 2, 2, 2), (32, 16, 9, 8)]


def close(got: Any, wanted: Any) -> None:
    assert_allclose(got, wanted.detach().numpy(), rtol=ORACLE_FLOAT64, atol=ORACLE_FLOAT64)


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("eps", [1e-5, 1e-2])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_batch_norm_and_its_gradients(backend: Backend, shape: Any, eps: float, affine: bool) -> None:
    draw = np.random.default_rng(0)
    x, grad_y = draw.normal(1, 2, shape), draw.normal(0, 1, shape)
    weight, bias = (draw.normal(1, 1, shape[1]), draw.normal(0, 1, shape[1])) if affine else (None, None)
    tensors = [None if array is None else torch.from_numpy(array).requires_grad_() for array in (x, weight, bias)]
    y_tensor = torch.nn.functional.batch_norm(tensors[0], None, None, *tensors[1:], training=True, eps=eps)
    y_tensor.backward(torch.from_numpy(grad_y))
    y, mean, inv_std = backend.batch_norm(x, weight, bias, eps)
    close(y, y_tensor)
    grads = backend.batch_norm_backward(grad_y, x, weight, mean, inv_std)
    for grad, tensor in zip(grads, tensors, strict=True):
        if tensor is not None:
            close(grad, tensor.grad)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_inference(backend: Backend, shape: Any) -> None:
    draw = np.random.default_rng(0)
    x, (mean, weight, bias) = draw.normal(1, 2, shape), draw.normal(1, 1, (3, shape[1]))
    variance = draw.random(shape[1]) + 0.1
    wanted = torch.nn.functional.batch_norm(*map(torch.from_numpy, (x, mean, variance, weight, bias)), eps=1e-3)
    close(backend.batch_norm_inference(x, weight, bias, mean, 1 / np.sqrt(variance + 1e-3)), wanted)
