"""What `Module` checks of the arrays that go through it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gpunet.errors import BackendError, DataError, ShapeError
from gpunet.state import Array, Parameter

if TYPE_CHECKING:
    from gpunet.layers.module import Module

Shape = tuple[int, ...]


def check_inputs(module: Module, inputs: tuple[Array, ...]) -> None:
    """dtypes and shapes of inputs of a kind that the module has not seen yet.

    Raises:
        ShapeError, DataError: they do not fit.
    """
    wanted = next((parameter.value.dtype for _, parameter in module._own(Parameter)), None)
    for x in inputs:
        if x.ndim == 0:
            raise ShapeError("got a 0-d array; the first axis of an input is the batch.")
        if x.dtype.kind != "f":
            raise DataError(f"got {x.dtype} values, wanted {wanted or 'float32'}. Convert: x.astype('float32').")
        if wanted is not None and x.dtype != wanted:
            raise DataError(
                f"got {x.dtype} values for {wanted} parameters. "
                f"Convert one of them: x.astype('{wanted}') or net.astype('{x.dtype}')."
            )
    # Containers are passed over: their layers check for themselves, and know their own names.
    if module.knows_output_shape and not any(True for _ in module.children()):
        module.output_shape(*(tuple(x.shape[1:]) for x in inputs))


def check_outputs(module: Module, inputs: tuple[Array, ...], outputs: tuple[Array, ...]) -> None:
    """What a layer returned, against what its `output_shape` promised.

    Raises:
        ShapeError, BackendError: they differ, or an output is no array of the module's backend.
    """
    for y in outputs:
        if not module.backend.owns(y):
            raise BackendError(f"compute returned a {type(y).__name__}, wanted an array of {module.backend.name!r}.")
    if module.knows_output_shape:
        promised = module.output_shape(*(tuple(x.shape[1:]) for x in inputs))
        got = tuple(tuple(y.shape[1:]) for y in outputs)
        if got != (tuple(promised) if len(outputs) > 1 else (tuple(promised),)):
            raise ShapeError(f"compute returned {got} without the batch, but output_shape promised {promised}.")


def check_owned(module: Module, inputs: tuple[Array, ...]) -> None:
    """That inputs are arrays of the module's backend.

    Raises:
        BackendError: one is not.
    """
    for x in inputs:
        if not module.backend.owns(x):
            kind = f"{type(x).__module__}.{type(x).__name__}"
            raise BackendError(
                f"got a {kind} for a net on backend {module.backend.name!r}. "
                f"Convert it with net.backend.asarray(x), or move the net with net.to(...)."
            )


def check_gradients(
    module: Module, arrays: tuple[Any, ...], shapes: tuple[Shape, ...], dtypes: tuple[Any, ...], what: str
) -> None:
    """That there is a gradient for each array of these shapes and dtypes.

    Raises:
        ShapeError, DataError, BackendError: one is missing or does not fit.
    """
    if len(arrays) != len(shapes):
        raise ShapeError(f"got {len(arrays)} {what}s, wanted {len(shapes)}.")
    for array, shape, dtype in zip(arrays, shapes, dtypes, strict=True):
        if not module.backend.owns(array):
            raise BackendError(f"{what}: got a {type(array).__name__}, wanted an array of {module.backend.name!r}.")
        if tuple(array.shape) != shape:
            raise ShapeError(f"{what}: got shape {tuple(array.shape)}, wanted {shape}.")
        if array.dtype != dtype:
            raise DataError(f"{what}: got {array.dtype}, wanted {dtype}.")
