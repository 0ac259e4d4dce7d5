"""Parameters add up gradients without touching the arrays they are given."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from window_cases import read_only

from gpunet.errors import ShapeError
from gpunet.state import Buffer, Parameter


def test_gradients_add_up_and_what_was_given_stays() -> None:
    parameter = Parameter(np.zeros((2, 3)))
    assert parameter.grad is None
    first, second = read_only(np.ones((2, 3))), read_only(np.full((2, 3), 2.0))
    parameter.add_grad(first)
    parameter.add_grad(second)
    assert_array_equal(parameter.grad, np.full((2, 3), 3.0))
    assert_array_equal(first, np.ones((2, 3)))
    parameter.add_grad(second)
    assert_array_equal(parameter.grad, np.full((2, 3), 5.0))


def test_a_frozen_parameter_gathers_nothing() -> None:
    parameter = Parameter(np.zeros(2), trainable=False)
    parameter.add_grad(np.ones(2))
    assert parameter.grad is None
    parameter.trainable = True
    parameter.add_grad(np.ones(2))
    assert_array_equal(parameter.grad, np.ones(2))


def test_a_gradient_of_another_shape_is_refused_even_if_it_would_broadcast() -> None:
    parameter = Parameter(np.zeros((2, 3)))
    with pytest.raises(ShapeError, match=r"shape \(3,\) does not fit a parameter of \(2, 3\)"):
        parameter.add_grad(np.zeros(3))
    assert parameter.grad is None


def test_shape_and_repr() -> None:
    parameter = Parameter(np.zeros((2, 3), np.float32))
    assert parameter.shape == (2, 3)
    assert repr(parameter) == "Parameter(shape=(2, 3), dtype=float32, trainable=True)"
    assert repr(Buffer(np.zeros(4))) == "Buffer(shape=(4,), dtype=float64)"


def test_no_attribute_is_made_by_a_typing_error() -> None:
    with pytest.raises(AttributeError):
        Parameter(np.zeros(1)).gard = None  # type: ignore[attr-defined]
