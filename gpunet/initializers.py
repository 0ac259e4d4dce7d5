"""Initial weights, drawn on the host.

Fans follow PyTorch: for a weight (out, in / groups, kh, kw) the fan-in is in / groups * kh * kw and the fan-out is
out * kh * kw; for (out, in) they are in and out.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from gpunet.errors import ShapeError, StateError
from gpunet.random import initialization_stream

Shape = tuple[int, ...]
Initializer = Callable[[Shape], np.ndarray]


def fans(shape: Shape) -> tuple[int, int]:
    """Fan-in and fan-out of a weight.

    Raises:
        ShapeError: the weight has fewer than two axes.
    """
    if len(shape) < 2:
        raise ShapeError(f"fan-in and fan-out need a weight of two axes or more, got shape {shape}.")
    receptive_field = math.prod(shape[2:])
    return shape[1] * receptive_field, shape[0] * receptive_field


def zeros(shape: Shape) -> np.ndarray:
    """All zeros, float32."""
    return np.zeros(shape, np.float32)


def ones(shape: Shape) -> np.ndarray:
    """All ones, float32."""
    return np.ones(shape, np.float32)


def uniform(shape: Shape, bound: float) -> np.ndarray:
    """Uniform in [-bound, bound), float32."""
    return initialization_stream().uniform(shape, -bound, bound, np.float32)


def normal(shape: Shape, std: float) -> np.ndarray:
    """Normal with mean 0, float32."""
    return initialization_stream().normal(shape, std=std, dtype=np.float32)


def torch_default(shape: Shape) -> np.ndarray:
    """PyTorch's default for convolutions and linear layers: uniform with bound 1 / sqrt(fan_in)."""
    return uniform(shape, 1 / math.sqrt(fans(shape)[0]))


def he_normal(shape: Shape) -> np.ndarray:
    """Normal with std sqrt(2 / fan_in). Source: He et al. 2015, arXiv:1502.01852."""
    return normal(shape, math.sqrt(2 / fans(shape)[0]))


def he_uniform(shape: Shape) -> np.ndarray:
    """Uniform with the variance of `he_normal`."""
    return uniform(shape, math.sqrt(6 / fans(shape)[0]))


def he_normal_fan_out(shape: Shape) -> np.ndarray:
    """Normal with std sqrt(2 / fan_out), which keeps the gradients' variance; torchvision's choice for ResNet."""
    return normal(shape, math.sqrt(2 / fans(shape)[1]))


def xavier_normal(shape: Shape) -> np.ndarray:
    """Normal with std sqrt(2 / (fan_in + fan_out)). Source: Glorot and Bengio 2010."""
    return normal(shape, math.sqrt(2 / sum(fans(shape))))


def xavier_uniform(shape: Shape) -> np.ndarray:
    """Uniform with the variance of `xavier_normal`."""
    return uniform(shape, math.sqrt(6 / sum(fans(shape))))


BY_NAME: dict[str, Initializer] = {
    "torch": torch_default,
    "he_normal": he_normal,
    "he_uniform": he_uniform,
    "he_normal_fan_out": he_normal_fan_out,
    "xavier_normal": xavier_normal,
    "xavier_uniform": xavier_uniform,
    "zeros": zeros,
    "ones": ones,
}


def initial(initializer: str | Initializer, shape: Shape) -> np.ndarray:
    """An array of initial weights.

    Args:
        initializer: a name of `BY_NAME` or a function from shape to array.

    Raises:
        StateError: the name is unknown.
        ShapeError: the function returned another shape.
    """
    if isinstance(initializer, str):
        if initializer not in BY_NAME:
            raise StateError(f"initializer {initializer!r} is unknown: choose one of {', '.join(BY_NAME)}.")
        initializer = BY_NAME[initializer]
    array: Any = np.asarray(initializer(shape), np.float32)
    if array.shape != shape:
        raise ShapeError(f"the initializer returned shape {array.shape}, wanted {shape}.")
    return array
