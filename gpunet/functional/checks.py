"""Checks of what users hand to `gpunet.functional`: the one place that says what an argument must be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np

from gpunet.backends import Backend, backend_of
from gpunet.errors import BackendError, DataError, GpunetError, ShapeError
from gpunet.geometry import as_int
from gpunet.layers.module import PRECISIONS
from gpunet.state import Array

Shape = tuple[int, ...]
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

FLOATS = (np.dtype("float32"), np.dtype("float64"))


def names_itself(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Put ``function``'s name in front of the errors that gpunet raises inside it."""

    @wraps(function)
    def call(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        try:
            return function(*args, **kwargs)
        except GpunetError as error:
            error.args = (f"functional.{function.__name__}: {error}",)
            raise

    return call


def backend_for(required: dict[str, Any], optional: dict[str, Any] | None = None) -> Backend:
    """The one backend of all these arrays, which share one floating dtype; optional ones may be None.

    Raises:
        BackendError: an argument is no array, or of another backend than the first.
        DataError: a dtype is neither float32 nor float64, or differs from the first's.
    """
    given = required | {name: array for name, array in (optional or {}).items() if array is not None}
    first_name, first = next(iter(given.items()))
    for name, array in given.items():
        check_owner(name, array, first)
        if array.dtype not in FLOATS:
            raise DataError(
                f"{name} has dtype {array.dtype}, wanted float32 or float64. Convert it: {name}.astype('float32')."
            )
        if array.dtype != first.dtype:
            raise DataError(
                f"{name} has dtype {array.dtype}, but {first_name} has {first.dtype}. "
                f"Convert one of them: {name}.astype('{first.dtype}')."
            )
    return backend_of(first)


def check_owner(name: str, array: Any, first: Any) -> None:
    """Refuse an ``array`` that is none, or lives on another backend than ``first``."""
    if array is None:
        raise BackendError(f"{name} is None, wanted an array.")
    try:
        backend_of(first, array)
    except BackendError as error:
        raise BackendError(f"{name}: {error}") from None


def check_images(name: str, array: Array) -> None:
    """Refuse what is not (N, C, H, W) with at least one channel, row and column."""
    if array.ndim != 4:
        raise ShapeError(f"{name} has shape {tuple(array.shape)}, wanted (N, C, H, W): one image is x[None].")
    if min(array.shape[1:]) < 1:
        raise ShapeError(
            f"{name} has shape {tuple(array.shape)}; every image needs at least one channel, row and column."
        )


def check_shape(name: str, array: Array, wanted: Shape, reason: str = "") -> None:
    """Refuse an array of another shape than ``wanted``."""
    if tuple(array.shape) != tuple(wanted):
        raise ShapeError(f"{name} has shape {tuple(array.shape)}, wanted {tuple(wanted)}{reason}.")


def check_per_channel(channels: int, **arrays: Array | None) -> None:
    """Refuse arrays that do not have one value a channel; None is passed over."""
    for name, array in arrays.items():
        if array is not None:
            check_shape(name, array, (channels,), ": one value a channel")


def check_precision(precision: str) -> None:
    """Refuse an unknown precision."""
    if precision not in PRECISIONS:
        raise DataError(f"precision {precision!r} is unknown: choose one of {', '.join(PRECISIONS)}.")


def as_image_shape(name: str, shape: Any) -> Shape:
    """``shape`` as (N, C, H, W), with at least one channel, row and column."""
    if not isinstance(shape, Sequence) or len(shape) != 4:
        raise ShapeError(f"{name} is {shape!r}, wanted four sizes (N, C, H, W).")
    return tuple(as_int(size, f"{name}[{axis}]", min(axis, 1)) for axis, size in enumerate(shape))
