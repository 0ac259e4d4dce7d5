"""Saving an optimizer: what its parameters remember, by number, and the settings of its groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from gpunet.backends import backend_of
from gpunet.errors import CheckpointError, DataError
from gpunet.optimizers.settings import integer, real
from gpunet.state import Parameter

if TYPE_CHECKING:
    from gpunet.optimizers.base import Optimizer


def state_dict(optimizer: Optimizer) -> dict[str, Any]:
    """See `Optimizer.state_dict`."""
    arrays: dict[str, np.ndarray] = {}
    for number, parameter in enumerate(optimizer.parameters()):
        for name, value in optimizer.state.get(parameter, {}).items():
            host = np.int64(value) if name == "step" else backend_of(value).to_numpy(value)
            arrays[f"{number}.{name}"] = np.array(host)
    groups, first = [], 0
    for group in optimizer.param_groups:
        numbers = list(range(first, first + len(group["params"])))
        first += len(numbers)
        settings = {name: list(value) if isinstance(value, tuple) else value for name, value in group.items()}
        groups.append({**settings, "params": numbers})
    return {"arrays": arrays, "settings": {"optimizer": optimizer.name, "param_groups": groups}}


def load_state_dict(optimizer: Optimizer, state: Mapping[str, Any]) -> None:
    """See `Optimizer.load_state_dict`."""
    try:
        settings = _fitting_settings(optimizer, state)
        remembered = _fitting_arrays(optimizer, state)
    except (DataError, CheckpointError) as error:
        raise CheckpointError(
            f"{optimizer.name}: {error} Nothing was loaded. Make the optimizer for the same net, with the same groups."
        ) from None
    for group, new in zip(optimizer.param_groups, settings, strict=True):
        group.update(new)
    optimizer.state = remembered


def _fitting_settings(optimizer: Optimizer, state: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The settings of the saved groups, if they are those of this optimizer."""
    try:
        name, groups = state["settings"]["optimizer"], state["settings"]["param_groups"]
        counts = [len(group["params"]) for group in groups]
        saved = [{name: value for name, value in group.items() if name != "params"} for group in groups]
    except (TypeError, KeyError, AttributeError):
        raise CheckpointError("this is no state of an optimizer, which has 'arrays' and 'settings'.") from None
    if name != optimizer.name:
        raise CheckpointError(f"got the state of {name!r}.")
    wanted = [len(group["params"]) for group in optimizer.param_groups]
    if counts != wanted:
        raise CheckpointError(f"got groups of {counts} parameters, wanted {wanted}.")
    fitting = []
    for number, group in enumerate(saved):
        # A schedule leaves this one in the group; everything else is the optimizer's own.
        initial = {"initial_lr": real("initial_lr", group.pop("initial_lr"), 0)} if "initial_lr" in group else {}
        odd = sorted(group.keys() ^ optimizer.defaults.keys())
        if odd:
            raise CheckpointError(f"group {number} differs in the settings {', '.join(odd)}.")
        fitting.append({**optimizer.checked_settings(group), **initial})
    return fitting


def _fitting_arrays(optimizer: Optimizer, state: Mapping[str, Any]) -> dict[Parameter, dict[str, Any]]:
    """What the saved arrays say of each parameter, on its backend and in its dtype, if all of them fit."""
    arrays = state.get("arrays")
    if not isinstance(arrays, Mapping):
        raise CheckpointError("this is no state of an optimizer, which has 'arrays' and 'settings'.")
    parameters = optimizer.parameters()
    steps = {"step"} if optimizer.counts_steps else set()
    names = {*optimizer.arrays, *steps}
    remembered: dict[Parameter, dict[str, Any]] = {}
    for key, value in arrays.items():
        number, _, name = str(key).partition(".")
        if not (number.isdecimal() and int(number) < len(parameters) and name in names):
            raise CheckpointError(f"the array {key!r} belongs to no parameter.")
        parameter = parameters[int(number)]
        array: Any = np.asarray(value)
        shape, kinds = ((), "iu") if name == "step" else (parameter.shape, "f")
        if array.shape != shape or array.dtype.kind not in kinds:
            wanted = "an integer" if name == "step" else f"floats of shape {shape}"
            raise CheckpointError(f"the array {key!r} is {array.dtype} of shape {array.shape}, wanted {wanted}.")
        if name == "step":
            entry: Any = integer(key, array.item(), 1)
        else:
            # A copy: the step works in place, and the caller's arrays are the caller's.
            entry = backend_of(parameter.value).asarray(np.array(array, dtype=parameter.value.dtype))
        remembered.setdefault(parameter, {})[name] = entry
    for position, parameter in enumerate(parameters):
        held = remembered.get(parameter, {}).keys()
        # Averages without the number of steps that they are averages of would be corrected wrongly.
        missing = sorted(names - held) if steps and held else []
        if missing:
            raise CheckpointError(f"{', '.join(f'{position}.{name}' for name in missing)} is missing.")
    return remembered
