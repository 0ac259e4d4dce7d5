"""Sigmoid, and the layers that are built on it or saturate as it does."""

import math

import numpy as np
import pytest

import gpunet as gn


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_large_numbers_saturate_quietly(dtype: str) -> None:
    x = np.array([[-np.inf, -1e4, 0, 1e4, np.inf, np.nan]], dtype)
    layer = gn.Sigmoid()
    np.testing.assert_array_equal(layer.forward(x, keep=True), [[0, 0, 0.5, 1, 1, np.nan]])
    np.testing.assert_array_equal(layer.backward(np.ones_like(x)), [[0, 0, 0.25, 0, 0, np.nan]])


def test_small_probabilities_keep_their_digits() -> None:
    x = np.array([[-700.0, -40.0, -3.0]])
    np.testing.assert_allclose(gn.Sigmoid()(x)[0], [math.exp(v) / (1 + math.exp(v)) for v in x[0]], rtol=1e-15)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_silu_of_large_numbers(dtype: str) -> None:
    x = np.array([[-1e4, 0, 1e4]], dtype)
    layer = gn.SiLU()
    np.testing.assert_array_equal(layer.forward(x, keep=True), [[0, 0, 1e4]])
    np.testing.assert_array_equal(layer.backward(np.ones_like(x)), [[0, 0.5, 1]])


def test_tanh_of_large_numbers() -> None:
    layer = gn.Tanh()
    np.testing.assert_array_equal(layer.forward(np.array([[-1e4, 0.0, 1e4]]), keep=True), [[-1, 0, 1]])
    np.testing.assert_array_equal(layer.backward(np.full((1, 3), 3.0)), [[0, 3, 0]])


def test_hardswish_on_its_corners() -> None:
    layer = gn.Hardswish()
    x = np.array([[-1e4, -3.0, -1.5, 0.0, 3.0, 1e4]])
    np.testing.assert_array_equal(layer.forward(x, keep=True), [[0, 0, -0.375, 0, 3, 1e4]])
    np.testing.assert_array_equal(layer.backward(np.full_like(x, 2)), [[0, 0, 0, 1, 2, 2]])
