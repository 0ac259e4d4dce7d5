"""The kernels of batch normalisation: accuracy far from zero, channels of many parts, odd launches, the same bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cupy_device import require_cupy
from device_cases import GEOMETRIES, NUMPY, assert_same_bits, on_device
from numpy.testing import assert_allclose, assert_array_equal
from tolerances import FLOAT32_ROUNDING, ORACLE_FLOAT64

pytestmark = pytest.mark.gpu
backend: Any = require_cupy()

# Fewer values a channel than threads; several parts, the last one ragged; no axes after the channels.
SHAPES = [(3, 5, 2, 3), (2, 3, 70, 71), (9001, 2), (5, 4, 1, 1)]


def reals(shape: Any, seed: int, dtype: Any, mean: float = 0.0, std: float = 1.0) -> Any:
    return np.random.default_rng(seed).normal(mean, std, shape).astype(dtype)


def forward_and_backward(shape: Any, dtype: Any) -> tuple[list[Any], list[Any]]:
    """All results on the device, and those of NumPy."""
    x, grad_y = reals(shape, 0, dtype, 3, 2), reals(shape, 1, dtype)
    weight, bias = reals(shape[1], 2, dtype), reals(shape[1], 3, dtype)
    y, mean, inv_std = on_device(backend, backend.batch_norm, x, weight, bias, 1e-5)
    grads = on_device(backend, backend.batch_norm_backward, grad_y, x, weight, mean, inv_std)
    inference = on_device(backend, backend.batch_norm_inference, x, weight, None, mean, inv_std, grad_y, relu=True)
    wanted_y, wanted_mean, wanted_inv_std = NUMPY.batch_norm(x, weight, bias, 1e-5)
    wanted_grads = NUMPY.batch_norm_backward(grad_y, x, weight, wanted_mean, wanted_inv_std)
    wanted_inference = NUMPY.batch_norm_inference(x, weight, None, wanted_mean, wanted_inv_std, grad_y, relu=True)
    return (
        [y, mean, inv_std, *grads, inference],
        [wanted_y, wanted_mean, wanted_inv_std, *wanted_grads, wanted_inference],
    )


@pytest.mark.parametrize("geometry", [None, *GEOMETRIES], ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_any_launch_gives_the_results_of_numpy(shape: Any, geometry: tuple[int, int] | None) -> None:
    for dtype, tolerance in (("float64", ORACLE_FLOAT64), ("float32", 100 * FLOAT32_ROUNDING)):
        if geometry is None:
            results, wanted = forward_and_backward(shape, dtype)
        else:
            with backend.library.geometry(*geometry):
                results, wanted = forward_and_backward(shape, dtype)
        for result, reference in zip(results, wanted, strict=True):
            assert result.dtype == dtype
            # Sums over a channel round in proportion to its largest partial sum, not to what is left of it.
            assert_allclose(result, reference, rtol=tolerance, atol=tolerance * max(1, np.abs(reference).max()))


@pytest.mark.parametrize("geometry", [(256, 10**6), *GEOMETRIES], ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_any_launch_gives_the_bits_of_residual_and_relu_by_themselves(shape: Any, geometry: tuple[int, int]) -> None:
    for dtype in ("float64", "float32"):
        x, grad_y, residual = (backend.asarray(reals(shape, seed, dtype)) for seed in range(3))
        weight = backend.asarray(reals(shape[1], 3, dtype))
        with backend.library.geometry(*geometry):
            plain, mean, inv_std = backend.batch_norm(x, weight, None, 1e-5)
            added, *_ = backend.batch_norm(x, weight, None, 1e-5, residual, relu=True)
            y, *_ = backend.batch_norm(x, weight, None, 1e-5, relu=True)
            got = backend.batch_norm_backward(grad_y, x, weight, mean, inv_std, y)
            wanted = backend.batch_norm_backward(backend.relu_backward(grad_y, y), x, weight, mean, inv_std)
            pairs = [(added, backend.relu(plain + residual)), (y, backend.relu(plain)), *zip(got, wanted, strict=True)]
        for result, reference in pairs:
            assert_same_bits(backend.to_numpy(result), backend.to_numpy(reference))


@pytest.mark.parametrize("shape", [(200, 2, 40, 50), (150_000, 2), (7, 3)], ids=str)
@pytest.mark.parametrize(("mean", "std"), [(1e4, 1e-2), (-3e3, 1.0), (0.0, 1.0), (1e4, 0.0)])
def test_far_from_zero_it_is_as_accurate_as_numpy(shape: Any, mean: float, std: float) -> None:
    """Judged by float64 on the very same float32 values; one unit in the last place of a mean of 1e4 is 1e-3."""
    x = reals(shape, 0, "float32", mean, std)
    exact_y, exact_mean, exact_inv_std = NUMPY.batch_norm(x.astype(np.float64), None, None, 1e-5)

    def errors(results: Any) -> list[float]:
        y, center, inv_std = results
        return [
            float(np.abs(y - exact_y).max()),
            float(np.abs(center - exact_mean).max()),
            float(np.abs(inv_std / exact_inv_std - 1).max()),
        ]

    got = errors(on_device(backend, backend.batch_norm, x, None, None, 1e-5))
    numpy = errors(NUMPY.batch_norm(x, None, None, 1e-5))
    # Half the spacing of float32 at the mean, to which none can be better known, and a few roundings of the distances.
    allowed = FLOAT32_ROUNDING * (abs(mean) + 4 * std)
    limits = (4 * allowed * float(exact_inv_std.max()), allowed, 50 * FLOAT32_ROUNDING)
    for mine, theirs, limit in zip(got, numpy, limits, strict=True):
        assert mine <= max(2 * theirs, limit)


def test_a_first_value_far_from_all_others_costs_no_digits() -> None:
    """Values are measured from the first one, which here is the one that says nothing about the rest."""
    x = reals((100_000, 1), 0, "float32", 1e4, 1.0)
    x[0] = 0
    _, mean, inv_std = on_device(backend, backend.batch_norm, x, None, None, 1e-5)
    _, exact_mean, exact_inv_std = NUMPY.batch_norm(x.astype(np.float64), None, None, 1e-5)
    assert_allclose(mean, exact_mean, rtol=4 * FLOAT32_ROUNDING)
    assert_allclose(inv_std, exact_inv_std, rtol=1000 * FLOAT32_ROUNDING)


def test_a_million_equal_gradients_add_up_exactly() -> None:
    ones = np.ones((64, 1, 128, 129), np.float32)
    zero, one = np.zeros(1, np.float32), np.ones(1, np.float32)
    _, _, grad_bias = on_device(backend, backend.batch_norm_backward, ones, ones, None, zero, one)
    assert_array_equal(grad_bias, [ones.size])


def test_two_runs_give_the_same_bits() -> None:
    first, second = (forward_and_backward((4, 3, 60, 61), "float32")[0] for _ in range(2))
    for result, same in zip(first, second, strict=True):
        assert_same_bits(result, same)


def test_the_number_of_blocks_does_not_change_a_bit() -> None:
    wanted = forward_and_backward((4, 3, 60, 61), "float32")[0]
    with backend.library.geometry(max_blocks=2):
        for result, same in zip(forward_and_backward((4, 3, 60, 61), "float32")[0], wanted, strict=True):
            assert_same_bits(result, same)


def test_views_give_what_their_copies_give() -> None:
    wide, weight = reals((4, 6, 5, 8), 0, "float32"), reals(12, 1, "float32")
    x, device_x = wide[1:, ::2].swapaxes(2, 3), backend.asarray(wide)[1:, ::2].swapaxes(2, 3)
    results = backend.batch_norm(device_x, backend.asarray(weight)[::4], None, 1e-5)
    for result, wanted in zip(results, NUMPY.batch_norm(x, weight[::4], None, 1e-5), strict=True):
        assert_allclose(backend.to_numpy(result), wanted, rtol=100 * FLOAT32_ROUNDING, atol=100 * FLOAT32_ROUNDING)


def test_nan_stays_in_its_channel() -> None:
    x = reals((3, 3, 50, 50), 0, "float32")
    wanted, *_ = on_device(backend, backend.batch_norm, x, None, None, 1e-5)
    x[2, 1, 49, 49] = np.nan
    y, mean, inv_std = on_device(backend, backend.batch_norm, x, None, None, 1e-5)
    assert np.isnan(y[:, 1]).all()
    assert np.isnan([mean[1], inv_std[1]]).all()
    assert_array_equal(y[:, ::2], wanted[:, ::2])
