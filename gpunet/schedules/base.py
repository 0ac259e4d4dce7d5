"""`Schedule`: counts steps and sets the learning rate of each parameter group."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Self

from gpunet.errors import CheckpointError, DataError, StateError
from gpunet.optimizers import Optimizer
from gpunet.optimizers.settings import integer, real


class Schedule:
    """Base of the schedules.

    Making a schedule already sets the learning rates of its step 0. From then on each step computes the new rates from
    those that the groups have at that moment, so several schedules on one optimizer multiply, as in PyTorch.

    A subclass names its ``settings``, takes them in `configure`, and writes `lrs`.

    Args:
        optimizer: whose groups' "lr" is to change. A schedule counts from the rates that the groups have when the first
            schedule is made; they stay in the groups as "initial_lr".

    Attributes:
        last_epoch: steps made so far, be they epochs or batches.
        base_lrs: the rate of each group before any schedule.

    Raises:
        DataError: something else than an optimizer, or a setting out of range.
    """

    settings: tuple[str, ...] = ()  # attributes that, with the optimizer, make the schedule

    def __init__(self, optimizer: Optimizer, **settings: Any) -> None:
        if not isinstance(optimizer, Optimizer):
            raise DataError(f"{self.name}: got a {type(optimizer).__name__}, wanted an optimizer such as gn.SGD(...).")
        self.optimizer = optimizer
        self.configure(**settings)
        for group in optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])
        self.base_lrs: list[float] = [group["initial_lr"] for group in optimizer.param_groups]
        self.start([group["lr"] for group in optimizer.param_groups])

    # -------------------------------------------------- what a schedule writes

    def configure(self, *_: Any, **settings: Any) -> None:
        """Check ``settings`` and keep each as an attribute; raises `DataError`."""
        raise NotImplementedError(f"{type(self).__name__} must define configure(self, ...)")

    def lrs(self, before: list[float]) -> list[float]:
        """The rate of each group at step ``last_epoch``, from those one step ``before``; step 0 has the first ones."""
        raise NotImplementedError(f"{type(self).__name__} must define lrs(self, before)")

    # -------------------------------------------------------------------- use

    def step(self) -> None:
        """Set the rates of the next step. Call it after the optimizer's steps, once a batch or once an epoch.

        Raises:
            StateError: the optimizer got another parameter group after this schedule was made, or the schedule is over.
        """
        if len(self.optimizer.param_groups) != len(self.base_lrs):
            raise StateError(
                f"{self.name}: the optimizer has {len(self.optimizer.param_groups)} parameter groups, but had "
                f"{len(self.base_lrs)} when this schedule was made. Add groups first, or make a new schedule."
            )
        self.last_epoch += 1
        try:
            lrs = self.lrs([group["lr"] for group in self.optimizer.param_groups])
        except StateError:
            self.last_epoch -= 1  # the step was not made
            raise
        self._set(lrs)

    def start(self, lrs: list[float]) -> None:
        """Go to step 0, the groups having the rates ``lrs`` before it."""
        self.last_epoch = 0
        self._set(self.lrs(lrs))

    def get_last_lr(self) -> list[float]:
        """The rate of each group that the last step set."""
        return list(self._last_lr)

    def state_dict(self) -> dict[str, Any]:
        """Position and settings, fit for JSON; the present rates are in the state of the optimizer."""
        return {
            "schedule": self.name,
            "last_epoch": self.last_epoch,
            "base_lrs": list(self.base_lrs),
            "last_lr": list(self._last_lr),
            **{name: copy.deepcopy(getattr(self, name)) for name in self.settings},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where the schedule stood that gave ``state``, with its settings, as in PyTorch.

        The rates of the optimizer are left as they are: load the optimizer's own state too, before or after.

        Raises:
            CheckpointError: it is the state of another schedule, or of other parameter groups; nothing has changed.
        """
        self.become(self.restored(state))

    # ---------------------------------------------------------------- helpers

    def restored(self, state: Mapping[str, Any]) -> Self:
        """A copy of this schedule with ``state`` in it, for `become`; raises `CheckpointError`."""
        try:
            if state["schedule"] != self.name:
                raise CheckpointError(f"got the state of {state['schedule']!r}.")
            odd = sorted(state.keys() ^ self.state_dict().keys())
            if odd:
                raise CheckpointError(f"the state and this schedule differ in the entries {', '.join(odd)}.")
            restored = copy.copy(self)
            restored.configure(**{name: copy.deepcopy(state[name]) for name in self.settings})
            restored.last_epoch = integer("last_epoch", state["last_epoch"], 0)
            restored.base_lrs = per_group("base_lrs", state["base_lrs"], self.optimizer, listed=True)
            restored._last_lr = per_group("last_lr", state["last_lr"], self.optimizer, listed=True)
        except (DataError, CheckpointError) as error:
            raise CheckpointError(f"{self.name}: {error} Nothing was loaded.") from None
        except (TypeError, KeyError, AttributeError):
            raise CheckpointError(f"{self.name}: this is no state of a schedule. Nothing was loaded.") from None
        return restored

    def become(self, other: Self) -> None:
        """Take over everything from a schedule that `restored` made."""
        vars(self).update(vars(other))

    @property
    def name(self) -> str:
        """The class, as errors and saved states call it."""
        return type(self).__name__

    def _set(self, lrs: list[float]) -> None:
        for group, lr in zip(self.optimizer.param_groups, lrs, strict=True):
            group["lr"] = lr
        self._last_lr = list(lrs)

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.settings)
        return f"{self.name}({settings}) at step {self.last_epoch}"


def per_group(
    name: str, value: Any, optimizer: Optimizer, maximum: float = float("inf"), listed: bool = False
) -> list[float]:
    """One number for each parameter group.

    Args:
        value: a list with one number, 0 or more, for each group; or, unless ``listed``, one number for all.

    Raises:
        DataError: it is neither, or out of range.
    """
    count = len(optimizer.param_groups)
    values = list(value) if isinstance(value, list | tuple) else [value] * (0 if listed else count)
    if len(values) != count:
        raise DataError(f"{name}: got {value!r} for {count} parameter groups, wanted one number for each.")
    return [real(name, number, 0, maximum) for number in values]
