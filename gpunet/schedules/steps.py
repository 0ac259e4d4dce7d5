"""Schedules that fall in steps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gpunet.errors import DataError
from gpunet.optimizers import Optimizer
from gpunet.optimizers.settings import integer, real
from gpunet.schedules.base import Schedule


class StepLR(Schedule):
    """Multiply the rate by ``gamma`` every ``step_size`` steps. One step is usually an epoch.

    Args:
        optimizer: see `Schedule`.
        step_size: steps between two falls; 1 or more.
        gamma: factor of each fall; 0 or more.

    Raises:
        DataError: a setting is out of range.
    """

    settings = ("step_size", "gamma")

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1) -> None:
        super().__init__(optimizer, step_size=step_size, gamma=gamma)

    def configure(self, step_size: int, gamma: float) -> None:
        """See the class."""
        self.step_size = integer("StepLR: step_size", step_size, 1)
        self.gamma = real("StepLR: gamma", gamma, 0)

    def lrs(self, before: list[float]) -> list[float]:
        """See `Schedule.lrs`."""
        falls = self.last_epoch > 0 and self.last_epoch % self.step_size == 0
        return [lr * self.gamma for lr in before] if falls else before


class MultiStepLR(Schedule):
    """Multiply the rate by ``gamma`` at each of the ``milestones``. One step is usually an epoch.

    Args:
        optimizer: see `Schedule`.
        milestones: steps at which the rate falls; one that stands there twice counts twice.
        gamma: factor of each fall; 0 or more.

    Raises:
        DataError: a setting is out of range, or the milestones fall.
    """

    settings = ("milestones", "gamma")

    def __init__(self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1) -> None:
        super().__init__(optimizer, milestones=milestones, gamma=gamma)

    def configure(self, milestones: Iterable[int], gamma: float) -> None:
        """See the class."""
        self.milestones = increasing("MultiStepLR: milestones", milestones)
        self.gamma = real("MultiStepLR: gamma", gamma, 0)

    def lrs(self, before: list[float]) -> list[float]:
        """See `Schedule.lrs`."""
        factor = self.gamma ** self.milestones.count(self.last_epoch)
        return [lr * factor for lr in before]


def increasing(name: str, milestones: Any) -> list[int]:
    """``milestones`` as a list of integers, 0 or more, that does not fall.

    Raises:
        DataError: it is none.
    """
    if not isinstance(milestones, Iterable) or isinstance(milestones, str):
        raise DataError(f"{name}: got {milestones!r}, wanted a list of steps such as [30, 60].")
    steps = [integer(name, step, 0) for step in milestones]
    if steps != sorted(steps):
        raise DataError(f"{name}: got {steps}, wanted steps that do not fall.")
    return steps
