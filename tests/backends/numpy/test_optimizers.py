"""Optimizer steps against the formulas, one number at a time, and what they may write to."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from formula_references import adam_reference, sgd_reference
from numpy.testing import assert_allclose, assert_array_equal
from tolerances import FLOAT32_ROUNDING, ORACLE_FLOAT64
from window_cases import read_only

from gpunet.backends import Backend

SHAPES = [(3, 2), (4,), (), (0, 2), (2, 1, 2, 2)]
STEPS = 4


def start(dtype: Any) -> tuple[list[Any], list[list[Any]]]:
    """(values, gradients of each step), one array of each shape."""
    draw = np.random.default_rng(0)
    values = [np.asarray(draw.normal(0, 1, shape), dtype) for shape in SHAPES]
    grads = [[read_only(np.asarray(draw.normal(0, 1, shape), dtype)) for shape in SHAPES] for _ in range(STEPS)]
    return values, grads


def compare(values: list[Any], wanted: list[Any], dtype: Any) -> None:
    tolerance = ORACLE_FLOAT64 if dtype == "float64" else 50 * FLOAT32_ROUNDING
    for value, reference in zip(values, wanted, strict=True):
        assert value.dtype == dtype
        assert_allclose(value, np.asarray(reference, float).reshape(value.shape), rtol=tolerance, atol=tolerance)


def each_number(function: Any, values: list[Any], grads: list[list[Any]], settings: dict[str, Any]) -> list[Any]:
    return [
        [
            function(float(value.flat[place]), [float(step[index].flat[place]) for step in grads], **settings)
            for place in range(value.size)
        ]
        for index, value in enumerate(values)
    ]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    ("momentum", "dampening", "nesterov", "weight_decay"),
    [
        *itertools.product([0.9], [0.0, 0.3], [False], [0.0, 0.1]),
        (0.9, 0.0, True, 0.1),
        (0.0, 0.0, False, 0.1),
        (0.0,) * 4,
    ],
)
def test_sgd_equals_the_formula(
    backend: Backend, momentum: float, dampening: float, nesterov: bool, weight_decay: float, dtype: str
) -> None:
    settings: dict[str, Any] = {
        "lr": 0.1,
        "momentum": momentum,
        "dampening": dampening,
        "nesterov": nesterov,
        "weight_decay": weight_decay,
    }
    values, grads = start(dtype)
    wanted = each_number(sgd_reference, values, grads, settings)
    buffers = [np.full_like(value, np.nan) for value in values] if momentum else None  # what they hold must not matter
    for step, grad in enumerate(grads):
        backend.sgd_step(values, grad, buffers, **settings, first=step == 0)
    compare(values, wanted, dtype)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("decoupled", [False, True])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_adam_equals_the_formula(backend: Backend, decoupled: bool, weight_decay: float, dtype: str) -> None:
    settings: dict[str, Any] = {
        "lr": 0.1,
        "beta1": 0.9,
        "beta2": 0.99,
        "eps": 1e-8,
        "weight_decay": weight_decay,
        "decoupled": decoupled,
    }
    values, grads = start(dtype)
    wanted = each_number(adam_reference, values, grads, settings)
    averages, squares = [np.zeros_like(value) for value in values], [np.zeros_like(value) for value in values]
    for step, grad in enumerate(grads, start=1):
        backend.adam_step(values, grad, averages, squares, **settings, step=step)
    compare(values, wanted, dtype)


def test_the_first_step_of_momentum_copies_the_gradient(backend: Backend) -> None:
    """The buffer must not become the gradient's own memory, which the next step would then write to."""
    grad, value = np.ones(3), np.zeros(3)
    buffer = np.zeros(3)
    settings: dict[str, Any] = {"lr": 1.0, "momentum": 0.5, "dampening": 0.0, "nesterov": False, "weight_decay": 0.0}
    backend.sgd_step([value], [grad], [buffer], **settings, first=True)
    assert not np.shares_memory(grad, buffer)
    backend.sgd_step([value], [grad], [buffer], **settings, first=False)
    assert_array_equal(grad, np.ones(3))
    assert_array_equal(buffer, np.full(3, 1.5))
    assert_array_equal(value, np.full(3, -2.5))


def test_the_sum_of_squares(backend: Backend) -> None:
    arrays = [np.array([[1.0, 2.0], [3.0, 4.0]]), np.array(5.0), np.zeros((0, 3)), np.ones((2, 3))[:, ::2]]
    total = backend.sum_of_squares(arrays)
    assert total.shape == ()
    assert total == 1 + 4 + 9 + 16 + 25 + 4
    assert backend.sum_of_squares([np.ones(3, np.float32)]).dtype == np.float32
    assert backend.sum_of_squares([]) == 0
    assert np.isnan(backend.sum_of_squares([np.array([np.nan, 1])]))
