"""Every optimizer on CuPy's arrays beside the same on NumPy's, over several steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cupy_device import require_cupy
from numpy.testing import assert_allclose, assert_array_equal
from tolerances import OPTIMIZER_FLOAT32, OPTIMIZER_FLOAT64

import gpunet as gn
from gpunet.backends import Backend

pytestmark = pytest.mark.gpu
require_cupy()

SHAPES = ((4, 3, 5, 5), (4,), (), (7, 1000), (0, 3))
MAKERS: dict[str, Callable[[list[gn.Parameter]], gn.SGD | gn.Adam | gn.AdamW | gn.RMSprop]] = {
    "SGD": lambda parameters: gn.SGD(parameters, lr=0.1),
    "SGD momentum": lambda parameters: gn.SGD(parameters, lr=0.1, momentum=0.9, dampening=0.1, weight_decay=0.01),
    "SGD nesterov": lambda parameters: gn.SGD(parameters, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "Adam": lambda parameters: gn.Adam(parameters, lr=0.01, weight_decay=0.01),
    "AdamW": lambda parameters: gn.AdamW(parameters, lr=0.01, weight_decay=0.1),
    "RMSprop": lambda parameters: gn.RMSprop(parameters, lr=0.01, momentum=0.9, centered=True),
}


def trained(backend: Backend, name: str, dtype: str, steps: int = 5) -> list[Any]:
    """The parameters after some steps with clipping, on the host."""
    draw = np.random.default_rng(1)
    parameters = [gn.Parameter(backend.asarray(np.asarray(draw.normal(size=shape), dtype))) for shape in SHAPES]
    optimizer = MAKERS[name](parameters)
    arrays = [parameter.value for parameter in parameters]
    for _ in range(steps):
        for parameter in parameters:
            parameter.grad = backend.asarray(np.asarray(draw.normal(size=parameter.shape), dtype))
        gn.clip_grad_norm(parameters, 20.0)
        optimizer.step()
    assert all(parameter.value is array for parameter, array in zip(parameters, arrays, strict=True))
    return [backend.to_numpy(parameter.value) for parameter in parameters]


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", OPTIMIZER_FLOAT32), ("float64", OPTIMIZER_FLOAT64)])
@pytest.mark.parametrize("name", MAKERS)
def test_both_backends_agree(cupy: Backend, name: str, dtype: str, tolerance: float) -> None:
    wanted = trained(gn.Identity().backend, name, dtype)
    got = trained(cupy, name, dtype)
    for array, reference, again in zip(got, wanted, trained(cupy, name, dtype), strict=True):
        assert array.dtype == reference.dtype
        assert_allclose(array, reference, rtol=tolerance, atol=tolerance)
        assert_array_equal(array, again)


def test_the_state_goes_to_the_host_and_back(cupy: Backend) -> None:
    parameters = [gn.Parameter(cupy.xp.ones((3, 2), "float32"))]
    optimizer = gn.Adam(parameters, lr=0.1)
    parameters[0].grad = cupy.xp.full((3, 2), 2.0, "float32")
    optimizer.step()
    state = optimizer.state_dict()
    assert all(isinstance(array, np.ndarray) for array in state["arrays"].values())
    other = gn.Adam(parameters, lr=0.1)
    other.load_state_dict(state)
    assert all(cupy.owns(array) for name, array in other.state[parameters[0]].items() if name != "step")
