"""The only place that decides where to compute."""

from __future__ import annotations

import sys
from functools import cache
from typing import Any

from gpunet.backends.base import Backend
from gpunet.backends.numpy import NumpyBackend
from gpunet.errors import BackendError

NAMES = ("auto", "numpy", "cupy")


@cache
def numpy_backend() -> NumpyBackend:
    """The one NumPy backend of this process."""
    return NumpyBackend()


def select(backend: str | Backend) -> Backend:
    """The backend of that name.

    Args:
        backend: "numpy", "cupy", or "auto": a GPU if one works, else NumPy, and says once on standard error which
            it took. A `Backend` is returned as it is.

    Raises:
        BackendError: the backend is unknown or does not work here. Only "auto" ever chooses another.
    """
    if isinstance(backend, Backend):
        return backend
    if backend == "numpy":
        return numpy_backend()
    if backend == "auto":
        chosen = numpy_backend()
        _announce(chosen.name)
        return chosen
    if backend == "cupy":
        raise BackendError("backend 'cupy': this version of gpunet computes with NumPy only. Use 'numpy' or 'auto'.")
    raise BackendError(f"unknown backend {backend!r}: choose one of {', '.join(NAMES)}.")


@cache
def _announce(name: str) -> None:
    print(f"gpunet: computing on the CPU with {name}", file=sys.stderr)


def backend_of(*arrays: Any) -> Backend:
    """The backend that owns all of ``arrays``; None among them is passed over.

    Raises:
        BackendError: an argument is no array, or arrays of several backends are mixed.
    """
    backend = numpy_backend()
    for array in arrays:
        if array is not None and not backend.owns(array):
            kind = f"{type(array).__module__}.{type(array).__name__}"
            raise BackendError(f"got a {kind}, wanted a numpy.ndarray. Convert it with numpy.asarray first.")
    return backend
