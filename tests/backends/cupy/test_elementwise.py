"""The elementwise kernels under odd launches, and dropout's masks bit for bit."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from cupy_device import require_cupy
from device_cases import GEOMETRIES, NUMPY, assert_same_bits, on_device
from formula_references import dropout_mask_reference
from numpy.testing import assert_allclose, assert_array_equal
from window_cases import DTYPES, integers, layouts

from gpunet.random import Stream

pytestmark = pytest.mark.gpu
backend: Any = require_cupy()

SPECIAL = [0.0, -0.0, 1.0, -1.0, np.nan, np.inf, -np.inf, 1e30, -1e-30]


def numbers(shape: Any, dtype: Any) -> Any:
    """Whole numbers, with NaN, infinities and both zeros among them."""
    x = integers(shape, 0, dtype).copy()
    x.flat[: min(x.size, len(SPECIAL))] = SPECIAL[: x.size]
    return x


@pytest.mark.parametrize("geometry", [(256, 10**6), *GEOMETRIES], ids=str)
@pytest.mark.parametrize("shape", [(), (1,), (3, 5, 7), (1021,), (0, 4)], ids=str)
def test_any_launch_gives_the_bits_of_numpy(shape: Any, geometry: tuple[int, int]) -> None:
    stream = Stream(3, "dropout.1", epoch=4, step=2**32 - 1)
    with backend.library.geometry(*geometry):
        for dtype in DTYPES:
            x, grad_y = numbers(shape, dtype), integers(shape, 1, dtype)
            y = on_device(backend, backend.relu, x)
            assert_array_equal(y, np.where(x <= 0, dtype.type(0), x))
            assert y.dtype == dtype
            assert_array_equal(on_device(backend, backend.relu_backward, grad_y, y), np.where(y <= 0, 0, grad_y))
            dropped, mask = on_device(backend, backend.dropout, x, 0.4, stream)
            wanted, wanted_mask = _dropout(x, 0.4, stream)
            assert_same_bits(mask, wanted_mask)
            assert_array_equal(dropped, wanted)
            assert_array_equal(
                on_device(backend, backend.dropout_backward, x, mask, 0.4), np.where(mask, x * dtype.type(1 / 0.6), 0)
            )
            errors = on_device(backend, backend.erf, x)
            expected = np.vectorize(math.erf, otypes=[float])(x.astype(float))
            assert_allclose(errors, expected, rtol=4 * np.finfo(dtype).eps)
            assert errors.dtype == dtype


def _dropout(x: Any, probability: float, stream: Stream) -> tuple[Any, Any]:
    mask = dropout_mask_reference(x.shape, probability, stream.seed, stream.name, stream.epoch, stream.step)
    with np.errstate(invalid="ignore"):
        return np.where(mask, x * x.dtype.type(1 / (1 - probability)), x.dtype.type(0)), mask


# No axes after the channels; fewer values a channel than threads; several parts, the last one ragged; nothing at all.
CHANNELS = [(1, 1), (9001, 2), (3, 5, 2, 3), (2, 3, 70, 71), (0, 3, 2, 2), (3, 2, 0)]


@pytest.mark.parametrize("geometry", [(256, 10**6), *GEOMETRIES], ids=str)
@pytest.mark.parametrize("shape", CHANNELS, ids=str)
def test_relu_after_a_bias_is_that_of_numpy_in_any_launch(shape: Any, geometry: tuple[int, int]) -> None:
    with backend.library.geometry(*geometry):
        for dtype in DTYPES:
            x, bias, grad_y = numbers(shape, dtype), integers(shape[1], 1, dtype), integers(shape, 2, dtype)
            y = on_device(backend, backend.bias_relu, x, bias)
            assert_array_equal(y, NUMPY.bias_relu(x, bias))
            grad_x, grad_bias = on_device(backend, backend.bias_relu_backward, grad_y, y)
            assert y.dtype == grad_x.dtype == grad_bias.dtype == dtype
            wanted, wanted_bias = NUMPY.bias_relu_backward(grad_y, y)
            assert_array_equal(grad_x, wanted)
            assert_array_equal(grad_bias, wanted_bias)


def test_the_number_of_blocks_does_not_change_a_bit_of_a_bias_gradient() -> None:
    draw = np.random.default_rng(0)
    y, grad_y = (draw.normal(0, 1, (4, 3, 60, 61)).astype(np.float32) for _ in range(2))
    _, wanted = on_device(backend, backend.bias_relu_backward, grad_y, y)
    for max_blocks in (10**6, 2, 1):
        with backend.library.geometry(max_blocks=max_blocks):
            assert_same_bits(on_device(backend, backend.bias_relu_backward, grad_y, y)[1], wanted)


@pytest.mark.parametrize("probability", [0.0, 2**-33, 1e-9, 0.1, 0.5, 1 - 2**-32, 1 - 2**-34, 1.0])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 70_001])
def test_masks_are_those_of_numpy_bit_for_bit(size: int, probability: float) -> None:
    stream = Stream(7, "features.3", 2, 11)
    x = np.ones(size, np.float32)
    y, mask = on_device(backend, backend.dropout, x, probability, stream)
    wanted, wanted_mask = NUMPY.dropout(x, probability, stream)
    assert_same_bits(mask, wanted_mask)
    assert_same_bits(y, wanted)


@pytest.mark.parametrize("start", range(5))
def test_what_is_dropped_may_begin_anywhere_in_memory(start: int) -> None:
    """Four elements are loaded at once only where hardware can."""
    stream = Stream(7, "features.3", 2, 11)
    for dtype, size in itertools.product(DTYPES, (3, 4, 1023, 1024)):
        values = np.arange(1, start + size + 1, dtype=dtype)
        y, mask = backend.dropout(backend.asarray(values)[start:], 0.5, stream)
        wanted, wanted_mask = NUMPY.dropout(values[start:], 0.5, stream)
        assert_same_bits(backend.to_numpy(mask), wanted_mask)
        assert_same_bits(backend.to_numpy(y), wanted)


def test_a_word_equal_to_the_threshold_is_kept() -> None:
    stream = Stream(1, "threshold")
    for word in stream.bits(8).tolist():
        _, mask = on_device(backend, backend.dropout, np.ones(8, np.float32), word / 2**32, stream)
        assert_array_equal(mask, stream.bits(8) >= word)


def test_masks_follow_the_logical_order_whatever_the_memory_layout() -> None:
    x, stream = integers((3, 4, 5, 6), 0, "float32"), Stream(0, "dropout")
    _, wanted = NUMPY.dropout(x, 0.5, stream)
    for other in layouts(x):
        # The strides are made on the device: a copy from the host would lose some of them.
        place = backend.asarray(np.ascontiguousarray(other.T)).T
        assert not place.flags.c_contiguous
        y, mask = backend.dropout(place, 0.5, stream)
        assert_array_equal(backend.to_numpy(mask), wanted)
        assert_array_equal(backend.to_numpy(y), np.where(wanted, 2 * x, 0))
        grad = backend.dropout_backward(place, mask.T.copy().T, 0.5)
        assert_array_equal(backend.to_numpy(grad), np.where(wanted, 2 * x, 0))


def test_views_give_what_their_copies_give() -> None:
    wide = integers((4, 10, 6), 0, "float32")
    x, device_x = wide[1:, ::3].swapaxes(0, 2), backend.asarray(wide)[1:, ::3].swapaxes(0, 2)
    y = backend.relu(device_x)
    assert_array_equal(backend.to_numpy(y), np.maximum(x, 0))
    assert_array_equal(backend.to_numpy(backend.relu_backward(device_x, y)), np.where(x > 0, x, 0))
    bias = integers(4, 1, "float32")
    biased = backend.bias_relu(device_x, backend.asarray(bias.repeat(2))[::2])
    assert_array_equal(backend.to_numpy(biased), NUMPY.bias_relu(x, bias))
    for got, wanted in zip(backend.bias_relu_backward(device_x, y), NUMPY.bias_relu_backward(x, x), strict=True):
        assert_array_equal(backend.to_numpy(got), wanted)
    assert_allclose(backend.to_numpy(backend.erf(device_x)), NUMPY.erf(x), rtol=1e-6)
