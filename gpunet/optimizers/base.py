"""`Optimizer`: parameter groups, the arrays remembered between steps, and saving both."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from gpunet.backends import Backend, backend_of
from gpunet.errors import DataError, ShapeError
from gpunet.optimizers.settings import real
from gpunet.optimizers.state_dict import load_state_dict, state_dict
from gpunet.state import Array, Parameter

ParameterGroup = dict[str, Any]
State = dict[str, Any]


class Optimizer:
    """Base of the optimizers.

    A subclass gives ``defaults`` to this constructor and writes `update`, the step of one group; and `checked_settings`
    if it has more to check than numbers that are not negative.

    Args:
        params: parameters, such as ``net.parameters()``; or groups of them with settings of their own:
            ``[{"params": weights, "weight_decay": 1e-4}, {"params": biases, "lr": 0.2}]``.
        defaults: settings of the groups that do not give their own.

    Attributes:
        param_groups: list of dicts with "params" and every setting; settings may be changed between steps.
        defaults: settings of a group that does not give its own.
        state: of each parameter that has made a step, the arrays and numbers it remembers.

    Raises:
        DataError: no parameters, one twice, something else than a `Parameter`, or a setting unknown or out of range.
    """

    arrays: tuple[str, ...] = ()  # names of the remembered arrays, each like the parameter
    counts_steps: bool = False  # whether "step" is remembered too

    def __init__(self, params: Iterable[Parameter] | Iterable[ParameterGroup], defaults: Mapping[str, Any]) -> None:
        self.defaults = self.checked_settings(dict(defaults))
        self.param_groups: list[ParameterGroup] = []
        self.state: dict[Parameter, State] = {}
        if isinstance(params, Parameter | set | frozenset) or not isinstance(params, Iterable):
            raise DataError(
                f"{self.name}: got a {type(params).__name__}, wanted a list of parameters or of groups. "
                f"Pass net.parameters()."
            )
        items: list[Any] = list(params)
        if not items:
            raise DataError(
                f"{self.name}: got no parameters. Pass net.parameters(); a generator that was used before is empty."
            )
        groups = items if all(isinstance(item, Mapping) for item in items) else [{"params": items}]
        for group in groups:
            self.add_param_group(group)

    # ------------------------------------------------ what an optimizer writes

    def update(self, group: ParameterGroup, parameters: list[Parameter], backend: Backend) -> None:
        """One step, in place, of those ``parameters`` of ``group`` that have a gradient; the subclass writes it."""
        raise NotImplementedError(f"{type(self).__name__} must define update(self, group, parameters, backend)")

    def checked_settings(self, settings: dict[str, Any]) -> dict[str, Any]:
        """Settings of a group in the types that `update` uses; raises `DataError` if one is out of range."""
        return {name: real(f"{self.name}: {name}", value, 0) for name, value in settings.items()}

    # -------------------------------------------------------------------- use

    def step(self) -> None:
        """Move every trainable parameter that has a gradient; gradients stay as they are.

        Raises:
            DataError: a setting of a group was changed to something out of range; nothing has moved.
            ShapeError: a gradient has not the shape of its parameter; nothing has moved.
            BackendError: the parameters are on several backends; nothing has moved.
        """
        work = []
        for number, group in enumerate(self.param_groups):
            parameters = [p for p in group["params"] if p.trainable and p.grad is not None]
            for parameter in parameters:
                self._check_gradient(number, parameter)
            settings = {name: group[name] for name in self.defaults}
            group.update(self.checked_settings(settings))
            work.append((group, parameters))
        backend = backend_of(*(array for _, parameters in work for p in parameters for array in (p.value, p.grad)))
        for group, parameters in work:
            if parameters:
                self.update(group, parameters, backend)

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters of all groups."""
        for parameter in self.parameters():
            parameter.grad = None

    def add_param_group(self, group: Any) -> None:
        """Add parameters, with settings of their own, for example when layers are unfrozen during training.

        Args:
            group: "params", a parameter or several, and any settings; the others are taken from ``defaults``.

        Raises:
            DataError: as for the constructor; nothing is then added.
        """
        if not isinstance(group, Mapping) or "params" not in group:
            raise DataError(f"{self.name}: got the group {group!r}, wanted a dict with 'params'.")
        unknown = [name for name in group if name != "params" and name not in self.defaults]
        if unknown:
            raise DataError(f"{self.name}: {self._unknown(unknown[0])}")
        settings = self.checked_settings({name: group.get(name, value) for name, value in self.defaults.items()})
        parameters = self._checked_parameters(group["params"])
        self.param_groups.append({"params": parameters, **settings})

    def state_dict(self) -> dict[str, Any]:
        """What is needed to go on as if nothing had happened.

        Returns:
            "arrays": host copies under "{number of the parameter}.{name}", such as "3.exp_avg", and "3.step" as a 0-d
            int64 array; parameters are numbered through all groups in order. "settings": the rest, fit for JSON.
        """
        return state_dict(self)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave, the groups' settings included.

        Args:
            state: "arrays" and "settings" of an optimizer of this class with as many parameters in each group.

        Raises:
            CheckpointError: it does not fit this optimizer; nothing has then changed.
        """
        load_state_dict(self, state)

    def __repr__(self) -> str:
        groups = [
            f"  {len(group['params'])} parameters: "
            + ", ".join(f"{name}={value}" for name, value in group.items() if name != "params")
            for group in self.param_groups
        ]
        return "\n".join([f"{self.name}(", *groups, ")"])

    # ---------------------------------------------------------------- helpers

    def memory(self, parameter: Parameter, name: str, backend: Backend) -> Array:
        """The array ``name`` of ``parameter``, zeros at first, where the value is now and in its dtype."""
        state = self.state.setdefault(parameter, {})
        array = state.get(name)
        if array is None:
            array = backend.xp.zeros_like(parameter.value)
        elif not backend.owns(array):
            array = backend.asarray(backend_of(array).to_numpy(array))
        if array.dtype != parameter.value.dtype:
            array = array.astype(parameter.value.dtype)
        state[name] = array
        return array

    @property
    def name(self) -> str:
        """The class, as errors and saved states call it."""
        return type(self).__name__

    def parameters(self) -> list[Parameter]:
        """The parameters of all groups in order."""
        return [parameter for group in self.param_groups for parameter in group["params"]]

    def _unknown(self, name: object) -> str:
        nearest = difflib.get_close_matches(str(name), self.defaults, n=1)
        hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
        return f"{name!r} is no setting of a group. Its settings are {', '.join(self.defaults)}.{hint}"

    def _checked_parameters(self, params: Any) -> list[Parameter]:
        if isinstance(params, set | frozenset):
            raise DataError(f"{self.name}: got a set of parameters, which has no order. Pass a list.")
        if not isinstance(params, Parameter | Iterable):
            raise DataError(f"{self.name}: 'params' is a {type(params).__name__}, wanted a list of parameters.")
        parameters: list[Any] = [params] if isinstance(params, Parameter) else list(params)
        if not parameters:
            raise DataError(
                f"{self.name}: group {len(self.param_groups)} has no parameters; "
                f"a generator that was used before is empty."
            )
        seen = set(self.parameters())
        for number, parameter in enumerate(parameters):
            if not isinstance(parameter, Parameter):
                raise DataError(
                    f"{self.name}: parameter {number} of group {len(self.param_groups)} is a "
                    f"{type(parameter).__name__}, wanted a Parameter. Pass net.parameters(), not arrays or names."
                )
            if parameter in seen:
                raise DataError(
                    f"{self.name}: parameter {number} of group {len(self.param_groups)}, of shape {parameter.shape}, "
                    f"was given before. It would move twice a step: give each parameter once."
                )
            seen.add(parameter)
        return parameters

    def _check_gradient(self, group: int, parameter: Parameter) -> None:
        grad: Any = parameter.grad
        if tuple(grad.shape) != parameter.shape:
            number = next(i for i, p in enumerate(self.param_groups[group]["params"]) if p is parameter)
            raise ShapeError(
                f"{self.name}: parameter {number} of group {group} has shape {parameter.shape} but a gradient of shape "
                f"{tuple(grad.shape)}. Set its grad to None, or to an array of its own shape."
            )
