"""The only place that decides where to compute, and the only one that imports CuPy."""

from __future__ import annotations

import sys
from functools import cache
from typing import Any

from gpunet.backends.base import Backend
from gpunet.backends.cupy import availability
from gpunet.backends.numpy import NumpyBackend
from gpunet.errors import BackendError

NAMES = ("auto", "numpy", "cupy")


@cache
def numpy_backend() -> NumpyBackend:
    """The one NumPy backend of this process."""
    return NumpyBackend()


@cache
def cupy_backend() -> Backend:
    """The one CuPy backend of this process; made once a kernel has been compiled and run.

    Raises:
        BackendError: it does not work here; says why and what to do.
    """
    wheels = availability.installed_wheels()
    availability.check_wheels(wheels)
    try:
        import cupy
    except ImportError as error:
        raise BackendError(f"backend 'cupy': {availability.explain_import(error, wheels)}") from None
    try:
        availability.check_device(cupy)
    except BackendError as error:
        raise BackendError(f"backend 'cupy': {error}") from None
    from gpunet.backends.cupy.backend import CupyBackend

    return CupyBackend(cupy)


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
        return _automatic()
    if backend == "cupy":
        return cupy_backend()
    raise BackendError(f"unknown backend {backend!r}: choose one of {', '.join(NAMES)}.")


@cache
def _automatic() -> Backend:
    """What "auto" stands for in this process; says so when it is found out, which is once."""
    if not availability.installed_wheels():
        print("gpunet: computing on the CPU with numpy", file=sys.stderr)
        return numpy_backend()
    try:
        chosen = cupy_backend()
    except BackendError as error:
        print(f"gpunet: computing on the CPU with numpy; {error}", file=sys.stderr)
        return numpy_backend()
    print(f"gpunet: computing on {availability.device_name(chosen.xp)} with cupy", file=sys.stderr)
    return chosen


def backend_of(*arrays: Any) -> Backend:
    """The backend that owns all of ``arrays``; None among them is passed over.

    Raises:
        BackendError: an argument is no array, or arrays of several backends are mixed.
    """
    owners = {id(owner): owner for array in arrays if array is not None for owner in (_owner(array),)}
    if len(owners) > 1:
        kinds = " and ".join(sorted({_kind(array) for array in arrays if array is not None}))
        raise BackendError(
            f"got {kinds} in one call, wanted arrays of one backend. Move one of them: cupy.asarray(array) or "
            "backend.asarray(array) to the GPU, cupy.asnumpy(array) or backend.to_numpy(array) to the host."
        )
    return next(iter(owners.values()), numpy_backend())


def _owner(array: Any) -> Backend:
    if numpy_backend().owns(array):
        return numpy_backend()
    # An array of CuPy can only be had once CuPy has been imported by whoever made it.
    cupy = sys.modules.get("cupy")
    if cupy is not None and isinstance(array, cupy.ndarray):
        return cupy_backend()
    wanted = "a numpy.ndarray" if cupy is None else "a numpy.ndarray or cupy.ndarray"
    raise BackendError(f"got a {_kind(array)}, wanted {wanted}. Convert it with numpy.asarray first.")


def _kind(array: Any) -> str:
    return f"{type(array).__module__}.{type(array).__name__}"
