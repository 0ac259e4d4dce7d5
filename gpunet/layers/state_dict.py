"""A net's arrays by name, in PyTorch's order: each module's parameters, its buffers, then its children."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from gpunet.errors import CheckpointError
from gpunet.state import Buffer, Parameter

if TYPE_CHECKING:
    from gpunet.layers.module import Module


def _entries(net: Module) -> Iterator[tuple[str, Parameter | Buffer]]:
    for path, module in net.named_modules():
        for kind in (Parameter, Buffer):
            for name, holder in module._own(kind):
                yield (f"{path}.{name}" if path else name), holder


def state_dict(net: Module) -> dict[str, np.ndarray]:
    """See `Module.state_dict`."""
    return {name: np.array(net.backend.to_numpy(holder.value)) for name, holder in _entries(net)}


def load_state_dict(net: Module, mapping: Mapping[str, Any], strict: bool) -> None:
    """See `Module.load_state_dict`."""
    holders = dict(_entries(net))
    missing = [name for name in holders if name not in mapping]
    unexpected = [name for name in mapping if name not in holders]
    arrays = {name: np.asarray(mapping[name]) for name in holders if name in mapping}
    kinds = [f"{name}: {array.dtype}" for name, array in arrays.items() if array.dtype.kind not in "fiub"]
    misfits = [
        f"{name}: got {array.shape}, wanted {tuple(holders[name].value.shape)}"
        for name, array in arrays.items()
        if array.shape != tuple(holders[name].value.shape)
    ]
    problems = []
    if strict and missing:
        problems.append(f"missing: {_with_nearest(missing, unexpected)}")
    if strict and unexpected:
        problems.append(f"unexpected: {', '.join(unexpected)}")
    if kinds:
        problems.append(f"not real numbers: {', '.join(kinds)}")
    if misfits:
        problems.append(f"of another shape: {', '.join(misfits)}")
    if problems:
        raise CheckpointError(
            f"the state does not fit this {type(net).__name__}; nothing was loaded. {'; '.join(problems)}. "
            f"Build the net with the settings it was saved with."
        )
    for name, array in arrays.items():
        holder = holders[name]
        # A copy: the net must not share memory with the mapping, whose arrays the caller may change.
        holder.value = net.backend.asarray(np.array(array, dtype=holder.value.dtype))


def _with_nearest(names: list[str], candidates: list[str]) -> str:
    parts = []
    for name in names:
        nearest = difflib.get_close_matches(name, candidates, n=1)
        parts.append(f"{name} (nearest: {nearest[0]})" if nearest else name)
    return ", ".join(parts)
