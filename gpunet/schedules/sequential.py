"""One schedule after the other."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from typing import Any, Self

from gpunet.errors import CheckpointError, DataError
from gpunet.optimizers import Optimizer
from gpunet.schedules.base import Schedule
from gpunet.schedules.steps import increasing


class SequentialLR(Schedule):
    """Several schedules, each from its milestone on, such as a warm-up and what follows it.

    One step is what a step of the schedules is: a batch or an epoch, the same for all of them. Each schedule begins
    with its own step 0, from the rates that the groups had at first.

    Args:
        optimizer: the one that all the schedules belong to.
        schedulers: the schedules, made for the same optimizer and not stepped.
        milestones: the step at which each schedule but the first begins.

    Raises:
        DataError: no schedules, one of another optimizer, or milestones that do not fit.
    """

    settings = ("milestones",)

    def __init__(self, optimizer: Optimizer, schedulers: Iterable[Schedule], milestones: Iterable[int]) -> None:
        self.schedulers = list(schedulers)
        if not self.schedulers:
            raise DataError("SequentialLR: got no schedules.")
        for number, schedule in enumerate(self.schedulers):
            if not isinstance(schedule, Schedule):
                raise DataError(f"SequentialLR: item {number} is a {type(schedule).__name__}, wanted a schedule.")
            if schedule.optimizer is not optimizer:
                raise DataError(f"SequentialLR: schedule {number} belongs to another optimizer than this one.")
        super().__init__(optimizer, milestones=milestones)

    def configure(self, milestones: Iterable[int]) -> None:
        """See the class."""
        self.milestones = increasing("SequentialLR: milestones", milestones)
        if len(self.milestones) != len(self.schedulers) - 1:
            raise DataError(
                f"SequentialLR: got {len(self.milestones)} milestones for {len(self.schedulers)} schedules, "
                f"wanted one less than schedules."
            )

    def start(self, lrs: list[float]) -> None:
        """Making the schedules has already changed the rates: begin again from the first ones."""
        super().start(self.base_lrs)

    def lrs(self, before: list[float]) -> list[float]:
        """See `Schedule.lrs`: those of the schedule whose turn it is."""
        turn = bisect_right(self.milestones, self.last_epoch)
        schedule = self.schedulers[turn]
        if self.last_epoch == 0 or (turn > 0 and self.milestones[turn - 1] == self.last_epoch):
            schedule.start(before if self.last_epoch == 0 else schedule.base_lrs)
        else:
            schedule.step()
        return schedule.get_last_lr()

    def state_dict(self) -> dict[str, Any]:
        """As `Schedule.state_dict`, with the states of the schedules."""
        return {**super().state_dict(), "schedulers": [schedule.state_dict() for schedule in self.schedulers]}

    def restored(self, state: Mapping[str, Any]) -> Self:
        """As `Schedule.restored`, the schedules restored too."""
        restored = super().restored(state)
        states = state["schedulers"]
        if not isinstance(states, list) or len(states) != len(self.schedulers):
            raise CheckpointError(
                f"{self.name}: the state is not one of {len(self.schedulers)} schedules. Nothing was loaded."
            )
        restored.schedulers = [one.restored(its) for one, its in zip(self.schedulers, states, strict=True)]
        return restored

    def become(self, other: Self) -> None:
        """Each schedule takes over from its own counterpart, so that those the caller holds stay the ones in use."""
        own = self.schedulers
        super().become(other)
        self.schedulers = own
        for mine, its in zip(own, other.schedulers, strict=True):
            mine.become(its)
