"""What must hold for any shapes and settings; Hypothesis looks for those where it does not."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from references import max_pool2d_reference
from tolerances import ORACLE_FLOAT64
from window_cases import Convolution, Pooling, convolutions, integers, poolings

from gpunet.backends import numpy_backend
from gpunet.geometry import Window
from gpunet.random import Stream

BACKEND = numpy_backend()
SEEDS = st.integers(0, 2**32 - 1)


def inner(a: Any, b: Any) -> float:
    return float((a * b).sum())


@given(convolutions(), SEEDS)
@example(Convolution((2, 1, 3, 3), 1, Window.create(1, 5, ((2, 0), (3, 0)))), 0)
def test_the_gradients_of_convolution_are_its_adjoints(case: Convolution, seed: int) -> None:
    """<conv(x, w), g> == <x, backward_input(g)> == <w, backward_weight(g)>: exact on whole numbers."""
    x, weight, grad_y = (
        integers(shape, seed + place) for place, shape in enumerate((case.x_shape, case.weight_shape, case.y_shape))
    )
    settings = (case.window, case.groups)
    forward = inner(BACKEND.conv2d(x, weight, None, *settings), grad_y)
    assert forward == inner(x, BACKEND.conv2d_backward_input(grad_y, weight, case.x_shape, *settings))
    assert forward == inner(weight, BACKEND.conv2d_backward_weight(grad_y, x, case.weight_shape, *settings))


@given(convolutions(), SEEDS)
def test_convolution_is_linear_in_images_and_in_filters(case: Convolution, seed: int) -> None:
    a, b = integers(case.x_shape, seed), integers(case.x_shape, seed + 1)
    v, w = integers(case.weight_shape, seed + 2), integers(case.weight_shape, seed + 3)

    def convolve(x: Any, weight: Any) -> Any:
        return BACKEND.conv2d(x, weight, None, case.window, case.groups)

    assert_array_equal(convolve(a + 3 * b, w), convolve(a, w) + 3 * convolve(b, w))
    assert_array_equal(convolve(a, v - 2 * w), convolve(a, v) - 2 * convolve(a, w))


@given(convolutions(), SEEDS)
def test_columns_and_images_are_adjoint(case: Convolution, seed: int) -> None:
    x = integers(case.x_shape, seed)
    columns = BACKEND.im2col(x, case.window)
    other = integers(columns.shape, seed + 1)
    assert inner(columns, other) == inner(x, BACKEND.col2im(other, case.x_shape, case.window))


@given(convolutions(), SEEDS)
def test_convolution_is_the_product_of_filters_and_columns(case: Convolution, seed: int) -> None:
    channels = case.x_shape[1]
    x, weight = integers(case.x_shape, seed), integers((case.filters, channels, *case.window.kernel), seed + 1)
    product = weight.reshape(case.filters, -1) @ BACKEND.im2col(x, case.window)
    assert_array_equal(BACKEND.conv2d(x, weight, None, case.window).reshape(product.shape), product)


@given(convolutions(), SEEDS)
def test_each_image_of_a_batch_is_alone(case: Convolution, seed: int) -> None:
    x, weight = integers(case.x_shape, seed), integers(case.weight_shape, seed + 1)
    y = BACKEND.conv2d(x, weight, None, case.window, case.groups)
    for n in range(case.x_shape[0]):
        assert_array_equal(y[n : n + 1], BACKEND.conv2d(x[n : n + 1], weight, None, case.window, case.groups))


@given(poolings(), SEEDS, st.booleans())
def test_max_pooling_chooses_as_the_loops_do(case: Pooling, seed: int, with_nan: bool) -> None:
    x = integers(case.x_shape, seed, low=-1, high=1).copy()
    if with_nan:
        x[x == 1] = np.nan
    y, offsets = BACKEND.max_pool2d(x, case.window)
    wanted, wanted_offsets, _ = max_pool2d_reference(x, case.window)
    assert_array_equal(y, wanted)
    assert_array_equal(offsets, wanted_offsets)


@given(poolings(), SEEDS)
def test_the_gradient_of_pooling_keeps_its_sum(case: Pooling, seed: int) -> None:
    """Each plane hands on all that it got; average pooling does if only real elements are counted."""
    x = integers(case.x_shape, seed)
    y, offsets = BACKEND.max_pool2d(x, case.window)
    grad_y = integers(y.shape, seed + 1)
    grad_x = BACKEND.max_pool2d_backward(grad_y, offsets, case.x_shape, case.window)
    assert_array_equal(grad_x.sum(axis=(2, 3)), grad_y.sum(axis=(2, 3)))
    grad_x = BACKEND.avg_pool2d_backward(grad_y, case.x_shape, case.window, False)
    assert_allclose(grad_x.sum(axis=(2, 3)), grad_y.sum(axis=(2, 3)), atol=ORACLE_FLOAT64)


@given(poolings(), SEEDS)
def test_max_pooling_and_its_gradient_agree_on_the_chosen_elements(case: Pooling, seed: int) -> None:
    """A sum of chosen elements, each as often as windows chose it."""
    x = integers(case.x_shape, seed)
    y, offsets = BACKEND.max_pool2d(x, case.window)
    times_chosen = BACKEND.max_pool2d_backward(np.ones_like(y), offsets, case.x_shape, case.window)
    assert inner(x, times_chosen) == y.sum()


@given(poolings(), SEEDS, st.booleans())
def test_average_pooling_and_its_gradient_are_adjoint(case: Pooling, seed: int, count_include_pad: bool) -> None:
    x = integers(case.x_shape, seed)
    y = BACKEND.avg_pool2d(x, case.window, count_include_pad)
    grad_y = integers(y.shape, seed + 1)
    grad_x = BACKEND.avg_pool2d_backward(grad_y, case.x_shape, case.window, count_include_pad)
    assert_allclose(inner(x, grad_x), inner(y, grad_y), rtol=ORACLE_FLOAT64, atol=1e3 * ORACLE_FLOAT64)


@given(poolings(), st.integers(-9, 9))
def test_pooling_a_constant_image_gives_the_constant(case: Pooling, value: int) -> None:
    x = np.full(case.x_shape, float(value))
    assert (BACKEND.max_pool2d(x, case.window)[0] == value).all()
    assert_allclose(BACKEND.avg_pool2d(x, case.window, False), value, rtol=ORACLE_FLOAT64)


SHAPES = st.tuples(st.integers(2, 6), st.integers(1, 4)) | st.tuples(
    st.integers(2, 4), st.integers(1, 3), st.integers(1, 4), st.integers(1, 4)
)


@given(SHAPES, SEEDS, st.floats(-1e3, 1e3), st.floats(1e-2, 1e2))
def test_normalised_batches_have_mean_zero_and_variance_one(shape: Any, seed: int, mean: float, std: float) -> None:
    x = np.random.default_rng(seed).normal(mean, std, shape)
    axes = (0, *range(2, len(shape)))
    y, _, inv_std = BACKEND.batch_norm(x, None, None, 1e-12)
    variance = x.var(axis=axes)
    assert_allclose(y.mean(axis=axes), 0, atol=1e3 * ORACLE_FLOAT64 / min(1.0, std))
    assert_allclose(y.var(axis=axes), variance / (variance + 1e-12), rtol=1e-6)
    assert_allclose(inv_std, (variance + 1e-12) ** -0.5, rtol=1e-6)


@given(SHAPES, SEEDS)
def test_the_gradient_of_batch_norm_is_blind_to_shifts_and_scales(shape: Any, seed: int) -> None:
    """Adding a constant to a channel, or (but for eps) scaling it, leaves the output alone: no gradient that way."""
    draw = np.random.default_rng(seed)
    x = draw.permutation(np.prod(shape)).reshape(shape).astype(float)  # all different: eps is nothing to the variance
    grad_y = draw.normal(0, 1, shape)
    axes = (0, *range(2, len(shape)))
    _, mean, inv_std = BACKEND.batch_norm(x, None, None, 1e-12)
    grad_x, grad_weight, grad_bias = BACKEND.batch_norm_backward(grad_y, x, None, mean, inv_std)
    assert_allclose(grad_x.sum(axis=axes), 0, atol=ORACLE_FLOAT64)
    assert_allclose((grad_x * x).sum(axis=axes), 0, atol=1e3 * ORACLE_FLOAT64)
    assert_allclose(grad_bias, grad_y.sum(axis=axes), atol=ORACLE_FLOAT64)
    normalised = BACKEND.batch_norm(x, None, None, 1e-12)[0]
    assert_allclose(grad_weight, (grad_y * normalised).sum(axis=axes), atol=1e3 * ORACLE_FLOAT64)


@given(st.integers(1, 5), st.integers(1, 5), SEEDS, st.floats(0, 1))
def test_cross_entropy_is_positive_and_its_gradient_sums_to_zero(
    images: int, classes: int, seed: int, smoothing: float
) -> None:
    draw = np.random.default_rng(seed)
    logits, labels = draw.normal(0, 20, (images, classes)), draw.integers(0, classes, images)
    losses, grad = BACKEND.softmax_cross_entropy(logits, labels, label_smoothing=smoothing)
    assert (losses >= 0).all()
    assert_allclose(grad.sum(axis=1), 0, atol=ORACLE_FLOAT64)
    assert np.abs(grad).max() <= 1 / images + ORACLE_FLOAT64


@given(st.integers(0, 300), st.floats(0, 1), SEEDS)
def test_dropout_keeps_what_it_scales(size: int, probability: float, seed: int) -> None:
    x = np.arange(1.0, size + 1)
    y, mask = BACKEND.dropout(x, probability, Stream(seed, "dropout"))
    assert_array_equal(y != 0, mask)
    assert_array_equal(BACKEND.dropout_backward(x, mask, probability), y)
