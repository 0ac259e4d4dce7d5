"""What the tests of the CUDA kernels share: launches of odd shapes, and arrays on their way to the device and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gpunet.backends import Backend
from gpunet.backends.numpy import NumpyBackend

NUMPY = NumpyBackend()  # the definition, also where `pytest -m gpu` puts CuPy behind the NumPy backend's door

# (threads of a block, blocks at most): one thread, parts of warps, blocks larger than the work, grids smaller than it.
GEOMETRIES = [(1, 3), (32, 2), (33, 1), (96, 5), (1024, 1)]


def on_device(backend: Backend, function: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
    """``function`` of the arguments, whose NumPy arrays are moved to the device, and its results as NumPy arrays."""

    def move(value: Any) -> Any:
        return backend.asarray(value) if isinstance(value, np.ndarray) else value

    return to_host(backend, function(*map(move, arguments), **{name: move(value) for name, value in keywords.items()}))


def to_host(backend: Backend, result: Any) -> Any:
    if isinstance(result, tuple | list):
        return type(result)(to_host(backend, item) for item in result)
    return backend.to_numpy(result)


def assert_same_bits(first: Any, second: Any) -> None:
    """Equal to the last bit, NaN and the sign of zero included."""
    assert first.dtype == second.dtype
    assert first.shape == second.shape
    assert first.tobytes() == second.tobytes()
