"""A net's arrays by name, in PyTorch's order: each module's parameters, its buffers, then its children."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gpunet.backends import backend_of
from gpunet.errors import BackendError, CheckpointError
from gpunet.layers.mismatch import description
from gpunet.state import Buffer, Parameter
from gpunet.weights_file import read_weights

if TYPE_CHECKING:
    from gpunet.layers.module import Module

_COUNTER = "num_batches_tracked"  # of batch norms; files that are older than it lack it


class IncompatibleKeys(NamedTuple):
    """What `Module.load_state_dict` passed over, as PyTorch returns it; with ``strict`` there is nothing.

    Attributes:
        missing_keys: names of the net that the state does not have; they keep their values.
        unexpected_keys: names of the state that the net does not have.
    """

    missing_keys: list[str]
    unexpected_keys: list[str]


def _entries(net: Module) -> Iterator[tuple[str, Parameter | Buffer]]:
    for path, module in net.named_modules():
        for kind in (Parameter, Buffer):
            for name, holder in module._own(kind):
                yield (f"{path}.{name}" if path else name), holder


def state_dict(net: Module) -> dict[str, np.ndarray]:
    """See `Module.state_dict`."""
    return {name: np.array(net.backend.to_numpy(holder.value)) for name, holder in _entries(net)}


def load_state_dict(net: Module, source: Mapping[str, Any] | str | os.PathLike[str], strict: bool) -> IncompatibleKeys:
    """See `Module.load_state_dict`."""
    where = ""
    if isinstance(source, str | os.PathLike):
        where = f"{os.fspath(source)}: "
        source = read_weights(source)
    mapping = _by_text(source)
    holders = dict(_entries(net))
    wanted = {name: tuple(holder.value.shape) for name, holder in holders.items()}
    arrays, unreadable = _arrays({name: mapping[name] for name in holders if name in mapping})
    passed_over = IncompatibleKeys(_missing(wanted, mapping), [name for name in mapping if name not in holders])
    wrong = description(
        missing=passed_over.missing_keys if strict else [],
        unexpected=passed_over.unexpected_keys if strict else [],
        unreadable=unreadable,
        shapes={name: (array.shape, wanted[name]) for name, array in arrays.items() if array.shape != wanted[name]},
        names=list(wanted),
        given=list(mapping),
    )
    if wrong:
        raise CheckpointError(
            f"{where}the state does not fit this {type(net).__name__}; nothing was loaded. {wrong} "
            f"Build the net with the settings it was saved with."
        )
    # All are made before the first is put in its place: a device that has no room left changes nothing.
    # Copies: the net must not share memory with a mapping, whose arrays the caller may change. Nobody has a file's.
    values = {
        name: net.backend.asarray(np.array(array, holders[name].value.dtype, copy=None if where else True))
        for name, array in arrays.items()
    }
    for name, value in values.items():
        holders[name].value = value
    return passed_over


def _missing(wanted: Mapping[str, Any], mapping: Mapping[str, Any]) -> list[str]:
    """A batch norm's counter may be missing, as PyTorch too allows: it only matters where ``momentum`` is None."""
    return [name for name in wanted if name not in mapping and name.rpartition(".")[2] != _COUNTER]


def _by_text(source: Any) -> dict[str, Any]:
    if not isinstance(source, Mapping):
        raise CheckpointError(
            f"load_state_dict: got a {type(source).__name__}, wanted a mapping from names to arrays or the path of a "
            f"safetensors file. Of a PyTorch model, give model.state_dict()."
        )
    return {str(name): value for name, value in source.items()}


def _arrays(given: Mapping[str, Any]) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """What can be read as arrays of real numbers, and of the rest what it is."""
    arrays: dict[str, np.ndarray] = {}
    unreadable: dict[str, str] = {}
    for name, value in given.items():
        try:
            array = _on_host(value)
        except (TypeError, ValueError, RuntimeError) as error:
            unreadable[name] = f"{type(value).__name__}, {error}".partition("\n")[0]
            continue
        if array.dtype.kind in "fiub":
            arrays[name] = array
        else:
            unreadable[name] = type(value).__name__ if array.dtype == object else str(array.dtype)
    return arrays, unreadable


def _on_host(value: Any) -> np.ndarray:
    """An array of any backend, or of PyTorch on any device, or numbers in lists, as a NumPy array."""
    if hasattr(value, "detach") and hasattr(value, "cpu"):  # a tensor of PyTorch, which need not be imported here
        value = value.detach().cpu()
        if str(value.dtype) == "torch.bfloat16":  # which NumPy does not have; float32 has each of its numbers
            value = value.float()
        return np.asarray(value)
    try:
        backend = backend_of(value)
    except BackendError:  # no array: a number, or lists of them
        return np.asarray(value)
    return backend.to_numpy(value)
