"""Softmax cross entropy judged by PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import oracles
import pytest
from numpy.testing import assert_allclose
from tolerances import ORACLE_FLOAT64

from gpunet.backends import Backend

torch = oracles.require("torch")
cross_entropy = torch.nn.functional.cross_entropy


@pytest.mark.parametrize("scale", [1.0, 1e4])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("ignore_index", [-100, 1])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", [(6, 5), (1, 3), (3, 4, 5), (2, 3, 4, 2), (0, 3)], ids=str)
def test_losses_and_gradient(
    backend: Backend, shape: Any, weighted: bool, ignore_index: int, smoothing: float, scale: float
) -> None:
    draw = np.random.default_rng(0)
    logits = draw.normal(0, scale, shape)
    labels = draw.integers(0, shape[1], (shape[0], *shape[2:]))
    labels[draw.random(labels.shape) < 0.2] = ignore_index
    if labels.size:
        labels.flat[0] = 0
    class_weight = draw.random(shape[1]) + 0.5 if weighted else None
    losses, grad = backend.softmax_cross_entropy(logits, labels, class_weight, ignore_index, smoothing)
    settings = {
        "weight": None if class_weight is None else torch.from_numpy(class_weight),
        "ignore_index": ignore_index,
        "label_smoothing": smoothing,
    }
    logits_tensor, labels_tensor = torch.from_numpy(logits).requires_grad_(), torch.from_numpy(labels)
    wanted = cross_entropy(logits_tensor, labels_tensor, reduction="none", **settings)
    assert_allclose(losses, wanted.detach().numpy(), rtol=ORACLE_FLOAT64, atol=ORACLE_FLOAT64 * scale)
    cross_entropy(logits_tensor, labels_tensor, **settings).backward()
    assert_allclose(grad, logits_tensor.grad.numpy(), rtol=ORACLE_FLOAT64, atol=ORACLE_FLOAT64)
