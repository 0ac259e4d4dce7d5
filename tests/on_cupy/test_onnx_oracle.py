"""Every operator that can be imported, on CuPy's arrays against NumPy's: forward and backward of ONNX's own cases."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import oracles
import pytest
from cupy_device import require_cupy
from tolerances import FLOAT32_LAYER_GRADIENT

import gpunet as gn
from gpunet.backends import Backend

oracles.require("onnx")

import onnx_cases  # noqa: E402 - it needs onnx
from onnx_cases import FOLDERS, PublishedCase  # noqa: E402

pytestmark = [pytest.mark.gpu, pytest.mark.slow]
require_cupy()


def outcome(net: gn.Module, inputs: list[np.ndarray]) -> list[np.ndarray]:
    """Outputs, gradients of the inputs and of the parameters, on the host."""
    backend = net.backend
    net.zero_grad()
    outputs: Any = net.forward(*map(backend.asarray, inputs), keep=True)
    as_tuple = outputs if isinstance(outputs, tuple) else (outputs,)
    sent: Any = net.backward(*(backend.asarray(np.ones(y.shape, y.dtype)) for y in as_tuple))
    arrays = [*as_tuple, *(sent if isinstance(sent, tuple) else (sent,)), *(p.grad for p in net.parameters())]
    assert all(backend.owns(array) for array in arrays)
    return [backend.to_numpy(array) for array in arrays]


def compared(case: PublishedCase, cupy: Backend) -> bool:
    """Whether the case is one that can be compared, having compared it."""
    sizes = [np.size(array) for array in case.inputs]
    if onnx_cases.unsuitable(case) or not sizes or min(sizes) == 0 or onnx_cases.run(case).outcome != "passed":
        return False
    net, inputs = onnx_cases.imported(case)
    if not inputs:
        return False
    wanted = outcome(net, inputs)
    for array, expected in zip(outcome(net.to(cupy), inputs), wanted, strict=True):
        assert array.dtype == expected.dtype, case.name
        tolerance = FLOAT32_LAYER_GRADIENT
        np.testing.assert_allclose(array, expected, rtol=tolerance, atol=tolerance, err_msg=case.name)
    return True


def test_both_backends_agree_on_every_operator(cupy: Backend) -> None:
    counts: Counter[str] = Counter()
    with np.errstate(all="ignore"):
        for case in onnx_cases.cases_of_known_operators():
            if case.operator not in FOLDERS and counts[case.operator] < 1 and "expanded" not in case.name:
                counts[case.operator] += compared(case, cupy)
    assert sum(counts.values()) > 90
