"""Batch normalisation on plain arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from formula_references import batch_norm_backward_reference, batch_norm_reference
from numpy.testing import assert_allclose
from tolerances import ORACLE_FLOAT64

import gpunet as gn
from gpunet.errors import BackendError, DataError, ShapeError

F = gn.functional
X, C = np.zeros((2, 3, 4, 4)), np.zeros(3)


@pytest.mark.parametrize("shape", [(4, 3), (2, 3, 4, 5), (1, 2, 3)], ids=str)
def test_batch_norm_its_gradients_and_inference(shape: Any) -> None:
    draw = np.random.default_rng(0)
    x, grad_y = draw.normal(2, 3, shape), draw.normal(0, 1, shape)
    weight, bias = draw.normal(0, 1, shape[1]), draw.normal(0, 1, shape[1])
    y, mean, inv_std = F.batch_norm(x, weight, bias)
    got = (y, mean, inv_std, *F.batch_norm_backward(grad_y, x, weight, mean, inv_std))
    wanted = (
        *batch_norm_reference(x, weight, bias, 1e-5),
        *batch_norm_backward_reference(grad_y, x, weight, 1e-5),
    )
    for result, reference in zip(got, wanted, strict=True):
        assert_allclose(result, reference, rtol=ORACLE_FLOAT64, atol=ORACLE_FLOAT64)
    again = F.batch_norm_inference(x, weight, bias, mean, inv_std)
    assert_allclose(again, y, rtol=ORACLE_FLOAT64, atol=ORACLE_FLOAT64)
    plain, *_ = F.batch_norm(x, None, None, eps=0.5)
    assert_allclose(plain, batch_norm_reference(x, None, None, 0.5)[0], rtol=ORACLE_FLOAT64, atol=ORACLE_FLOAT64)


def test_inference_takes_any_batch() -> None:
    assert F.batch_norm_inference(X[:0], C, C, C, C).shape == (0, 3, 4, 4)
    assert F.batch_norm_inference(X[:1, :, :1, :1], None, None, C, C).shape == (1, 3, 1, 1)


@pytest.mark.parametrize(
    ("function", "arguments", "error", "message"),
    [
        (F.batch_norm, (X[0, 0, 0], C, C), ShapeError, r"x has shape \(4,\), wanted \(N, C, \.\.\.\)"),
        (F.batch_norm, (X[:, :0], C[:0], C[:0]), ShapeError, "at least one channel"),
        (F.batch_norm, (X[:, :, :0], C, C), ShapeError, "one value in each"),
        (F.batch_norm, (X, C[:2], C), ShapeError, r"weight has shape \(2,\), wanted \(3,\): one value a channel"),
        (F.batch_norm, (X, C, C[:2]), ShapeError, r"bias has shape \(2,\)"),
        (F.batch_norm, (X[:1, :, :1, :1], C, C), ShapeError, "1 values a channel; their variance needs at least two"),
        (F.batch_norm, (X[:0], C, C), ShapeError, "0 values a channel"),
        (F.batch_norm, (X, C, C, 0.0), DataError, r"eps is 0\.0, wanted a number above 0"),
        (F.batch_norm, (X, C, C, float("nan")), DataError, "eps is nan"),
        (F.batch_norm, (X.astype("f4"), C, None), DataError, "weight has dtype float64, but x has float32"),
        (F.batch_norm, (X, C, 1.0), BackendError, r"bias: got a builtins\.float"),
        (F.batch_norm_backward, (X[:1], X, C, C, C), ShapeError, r"grad_y has shape \(1, .* wanted \(2, 3, 4, 4\)"),
        (F.batch_norm_backward, (X, X, C, C[:2], C), ShapeError, r"mean has shape \(2,\)"),
        (F.batch_norm_backward, (X, X, None, C, C[:2]), ShapeError, r"inv_std has shape \(2,\)"),
        (F.batch_norm_inference, (X, C, C, C, C[:2]), ShapeError, r"inv_std has shape \(2,\)"),
        (F.batch_norm_inference, (X, C, C, None, C), BackendError, "mean is None, wanted an array"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_named(function: Any, arguments: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        function(*arguments)
    assert str(caught.value).startswith(f"functional.{function.__name__}: ")
