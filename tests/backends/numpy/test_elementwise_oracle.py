"""The rectifier and erf judged by PyTorch."""

from __future__ import annotations

import numpy as np
import oracles
from numpy.testing import assert_allclose, assert_array_equal
from tolerances import ORACLE_FLOAT64

from gpunet.backends import Backend

torch = oracles.require("torch")

EDGES = [0.0, -0.0, np.nan, np.inf, -np.inf, 1e-300, -1e-300, 5.9, 6.0, 27.0]


def test_relu_and_its_gradient(backend: Backend) -> None:
    x = np.concatenate((EDGES, np.random.default_rng(0).normal(0, 1, 100)))
    x_tensor = torch.from_numpy(x).requires_grad_()
    y_tensor = torch.relu(x_tensor)
    y_tensor.backward(torch.full_like(y_tensor, 3))
    y = backend.relu(x)
    assert_array_equal(y, y_tensor.detach().numpy())
    assert_array_equal(backend.relu_backward(np.full_like(x, 3), y), x_tensor.grad.numpy())


def test_erf(backend: Backend) -> None:
    x = np.concatenate((EDGES, np.linspace(-7, 7, 5001)))
    assert_allclose(backend.erf(x), torch.erf(torch.from_numpy(x)).numpy(), rtol=ORACLE_FLOAT64)
