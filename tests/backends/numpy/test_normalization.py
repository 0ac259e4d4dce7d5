"""Batch normalisation against its definition, and its behaviour at the edges."""

from __future__ import annotations

import itertools
import warnings
from typing import Any

import numpy as np
import pytest
from formula_references import batch_norm_backward_reference, batch_norm_reference
from numpy.testing import assert_allclose, assert_array_equal
from tolerances import FLOAT32_ROUNDING, ORACLE_FLOAT64
from window_cases import integers, layouts, read_only

from gpunet.backends import Backend

SHAPES = [(2, 3, 4, 5), (1, 2, 3, 1), (5, 1, 1, 1), (3, 2, 2, 2), (6, 4), (2, 3, 7), (2, 2, 2, 3, 2)]


def arrays(shape: Any, dtype: Any = "float64") -> tuple[Any, Any, Any, Any]:
    """(x, weight, bias, grad_y), x far from zero mean."""
    draw = np.random.default_rng(len(shape) * 100 + shape[0])
    x, grad_y = draw.normal(3, 2, shape).astype(dtype), draw.normal(0, 1, shape).astype(dtype)
    weight, bias = draw.normal(1, 1, shape[1]).astype(dtype), draw.normal(0, 1, shape[1]).astype(dtype)
    return x, weight, bias, grad_y


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("eps", [1e-5, 0.1])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_batch_norm_and_its_gradients_equal_the_definition(
    backend: Backend, shape: Any, eps: float, affine: bool
) -> None:
    x, weight, bias, grad_y = arrays(shape)
    if not affine:
        weight = bias = None
    wanted = (
        *batch_norm_reference(x, weight, bias, eps),
        *batch_norm_backward_reference(grad_y, x, weight, eps),
    )
    y, mean, inv_std = backend.batch_norm(x, weight, bias, eps)
    got = (y, mean, inv_std, *backend.batch_norm_backward(grad_y, x, weight, mean, inv_std))
    for result, reference in zip(got, wanted, strict=True):
        assert result.shape == reference.shape
        assert_allclose(result, reference, rtol=ORACLE_FLOAT64, atol=ORACLE_FLOAT64)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_float32_gives_float32_and_its_precision(backend: Backend, shape: Any) -> None:
    x, weight, bias, grad_y = arrays(shape, "float32")
    y, mean, inv_std = backend.batch_norm(x, weight, bias, 1e-5)
    got = (y, mean, inv_std, *backend.batch_norm_backward(grad_y, x, weight, mean, inv_std))
    wanted = (
        *batch_norm_reference(x, weight, bias, 1e-5),
        *batch_norm_backward_reference(grad_y, x, weight, 1e-5),
    )
    for result, reference in zip(got, wanted, strict=True):
        assert result.dtype == np.float32
        assert_allclose(result, reference, rtol=100 * FLOAT32_ROUNDING, atol=100 * FLOAT32_ROUNDING)


def test_exact_values_where_floats_are_exact(backend: Backend) -> None:
    """Mean 2, variance 1, eps 3: inv_std is 1/2."""
    x = np.array([1.0, 3.0]).reshape(2, 1, 1, 1)
    y, mean, inv_std = backend.batch_norm(x, np.array([4.0]), np.array([10.0]), 3.0)
    assert_array_equal(mean, [2])
    assert_array_equal(inv_std, [0.5])
    assert_array_equal(y.ravel(), [8, 12])
    grad_x, grad_weight, grad_bias = backend.batch_norm_backward(
        np.array([3.0, 1.0]).reshape(x.shape), x, np.array([4.0]), mean, inv_std
    )
    assert_array_equal(grad_bias, [4])
    assert_array_equal(grad_weight, [-1])  # 3 * -1/2 + 1 * 1/2
    assert_array_equal(grad_x.ravel(), [1.5, -1.5])  # 4 * 1/2 * (grad - 2 + 1/2 * normalised)


def test_the_variance_is_biased_over_all_values_of_a_channel(backend: Backend) -> None:
    x = integers((2, 3, 4, 5), 0)
    _, mean, inv_std = backend.batch_norm(x, None, None, 1e-5)
    assert_allclose(mean, x.mean(axis=(0, 2, 3)), rtol=ORACLE_FLOAT64)
    assert_allclose(1 / inv_std**2 - 1e-5, x.var(axis=(0, 2, 3)), rtol=ORACLE_FLOAT64)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_inference_uses_the_statistics_it_is_given(backend: Backend, shape: Any) -> None:
    x, weight, bias, _ = arrays(shape)
    channels = shape[1]
    mean, inv_std = np.arange(channels) + 0.5, 1 / (np.arange(channels) + 2.0)

    def spread(values: Any) -> Any:
        return values.reshape(1, channels, *(1,) * (len(shape) - 2))

    plain = (x - spread(mean)) * spread(inv_std)
    assert_allclose(backend.batch_norm_inference(x, None, None, mean, inv_std), plain, rtol=ORACLE_FLOAT64)
    got = backend.batch_norm_inference(x, weight, bias, mean, inv_std)
    assert_allclose(got, plain * spread(weight) + spread(bias), rtol=ORACLE_FLOAT64, atol=ORACLE_FLOAT64)


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("shape", [*SHAPES, (30, 5, 31, 29)], ids=str)
def test_residual_and_relu_give_the_bits_of_one_after_the_other(backend: Backend, shape: Any, affine: bool) -> None:
    for dtype in ("float32", "float64"):
        x, weight, bias, residual = arrays(shape, dtype)
        if not affine:
            weight = bias = None
        residual[0, 0] = np.nan
        plain, mean, inv_std = backend.batch_norm(x, weight, bias, 1e-5)
        inference = backend.batch_norm_inference(x, weight, bias, inv_std, mean)
        for added, relu in itertools.product((None, residual), (False, True)):
            y, *statistics = backend.batch_norm(x, weight, bias, 1e-5, added, relu)
            fixed = backend.batch_norm_inference(x, weight, bias, inv_std, mean, added, relu)
            assert_array_equal(statistics, [mean, inv_std])
            for got, wanted in ((y, plain), (fixed, inference)):
                wanted = wanted if added is None else wanted + added
                assert got.tobytes() == (backend.relu(wanted) if relu else wanted).tobytes()


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("shape", [*SHAPES, (30, 5, 31, 29)], ids=str)
def test_a_gradient_is_stopped_at_relu_as_relu_itself_would(backend: Backend, shape: Any, affine: bool) -> None:
    for dtype in ("float32", "float64"):
        x, weight, bias, grad_y = arrays(shape, dtype)
        if not affine:
            weight = bias = None
        y, mean, inv_std = backend.batch_norm(x, weight, bias, 1e-5, relu=True)
        wanted = backend.batch_norm_backward(backend.relu_backward(grad_y, y), x, weight, mean, inv_std)
        got = backend.batch_norm_backward(grad_y, x, weight, mean, inv_std, y)
        for result, reference in zip(got, wanted, strict=True):
            assert result.tobytes() == reference.tobytes()


def test_a_gradient_that_is_not_finite_stops_where_y_is_not_above_zero(backend: Backend) -> None:
    x = np.array([1.0, 3.0]).reshape(2, 1)
    y = read_only(np.array([[-0.0], [np.nan]]))
    wanted = backend.batch_norm_backward(np.array([[0.0], [2.0]]), x, None, np.array([2.0]), np.array([1.0]))
    got = backend.batch_norm_backward(np.array([[np.inf], [2.0]]), x, None, np.array([2.0]), np.array([1.0]), y)
    for result, reference in zip(got, wanted, strict=True):
        assert_array_equal(result, reference)
    assert_array_equal(got[2], [2])


def test_a_constant_channel_becomes_its_bias(backend: Backend) -> None:
    x = np.full((2, 1, 2, 2), 7, np.float32)
    y, _, inv_std = backend.batch_norm(x, np.ones(1, np.float32), np.full(1, 3, np.float32), 1e-5)
    assert_array_equal(y, np.full_like(x, 3))
    assert_allclose(inv_std, 1e-5**-0.5, rtol=FLOAT32_ROUNDING)


@pytest.mark.parametrize("shape", [(200_000, 2), (120_000, 2), (60_000, 2, 2, 1), (8, 2, 200, 200)], ids=str)
@pytest.mark.parametrize("offset", [0, 1000])
def test_statistics_of_many_values_far_from_zero_stay_accurate(backend: Backend, shape: Any, offset: int) -> None:
    """Float32 sums taken one after another would be wrong in the second digit here."""
    x = np.random.default_rng(0).normal(offset, 1, shape).astype(np.float32)
    axes = (0, *range(2, x.ndim))
    y, mean, inv_std = backend.batch_norm(x, None, None, 1e-5)
    assert_allclose(mean, x.mean(axis=axes, dtype=np.float64), atol=4 * FLOAT32_ROUNDING * max(1, offset))
    assert_allclose(inv_std, (x.var(axis=axes, dtype=np.float64) + 1e-5) ** -0.5, rtol=1000 * FLOAT32_ROUNDING)
    assert_allclose(y.mean(axis=axes, dtype=np.float64), 0, atol=4 * FLOAT32_ROUNDING * max(1, offset))
    ones = np.ones_like(x)
    _, _, grad_bias = backend.batch_norm_backward(ones, x, None, mean, inv_std)
    assert_array_equal(grad_bias, np.full(2, x.size // 2))


def test_one_channel_does_not_touch_another(backend: Backend) -> None:
    x, weight, bias, _ = arrays((2, 3, 4, 5))
    wanted, *_ = backend.batch_norm(x, weight, bias, 1e-5)
    x = x.copy()
    x[:, 1] = np.nan
    y, *_ = backend.batch_norm(x, weight, bias, 1e-5)
    assert np.isnan(y[:, 1]).all()
    assert_array_equal(y[:, ::2], wanted[:, ::2])


@pytest.mark.parametrize("shape", [(0, 3, 2, 2), (0, 3)], ids=str)
def test_a_batch_of_no_images_is_empty_and_its_sums_are_zero(backend: Backend, shape: Any) -> None:
    x = np.zeros(shape)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y, mean, inv_std = backend.batch_norm(x, np.ones(3), np.ones(3), 1e-5)
        grad_x, grad_weight, grad_bias = backend.batch_norm_backward(x, x, np.ones(3), mean, inv_std)
        assert backend.batch_norm_inference(x, None, None, mean, inv_std, x, relu=True).shape == shape
    assert y.shape == grad_x.shape == shape
    assert_array_equal(grad_weight, np.zeros(3))
    assert_array_equal(grad_bias, np.zeros(3))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_strides_of_the_arrays_do_not_matter(backend: Backend, shape: Any) -> None:
    x, weight, bias, grad_y = arrays(shape)
    y, mean, inv_std = backend.batch_norm(x, weight, bias, 1e-5)
    wanted = (y, *backend.batch_norm_backward(grad_y, x, weight, mean, inv_std))
    rectified, *_ = backend.batch_norm(x, weight, bias, 1e-5, grad_y, relu=True)
    wanted = (*wanted, rectified, *backend.batch_norm_backward(grad_y, x, weight, mean, inv_std, rectified))
    for others in zip(*map(layouts, (x, weight, bias, grad_y, rectified)), strict=True):
        other_x, other_weight, other_bias, other_grad, other_y = others
        y, mean, inv_std = backend.batch_norm(other_x, other_weight, other_bias, 1e-5)
        got = (
            y,
            *backend.batch_norm_backward(other_grad, other_x, other_weight, mean, inv_std),
            backend.batch_norm(other_x, other_weight, other_bias, 1e-5, other_grad, relu=True)[0],
            *backend.batch_norm_backward(other_grad, other_x, other_weight, mean, inv_std, other_y),
        )
        for result, reference in zip(got, wanted, strict=True):
            assert_allclose(result, reference, rtol=ORACLE_FLOAT64, atol=ORACLE_FLOAT64)
