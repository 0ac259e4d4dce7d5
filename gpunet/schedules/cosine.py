"""Half a wave of the cosine."""

from __future__ import annotations

import math

from gpunet.optimizers import Optimizer
from gpunet.optimizers.settings import integer, real
from gpunet.schedules.base import Schedule


class CosineAnnealingLR(Schedule):
    """The rate falls from its start to ``eta_min`` along half a wave of the cosine, in ``T_max`` steps.

    One step is a batch or an epoch, as ``T_max`` is counted. Past ``T_max`` the wave goes on and the rate rises again;
    there are no restarts.

    Args:
        optimizer: see `Schedule`.
        T_max: steps from the start down to ``eta_min``; 1 or more.
        eta_min: the lowest rate; 0 or more.

    Raises:
        DataError: a setting is out of range.

    Source: Loshchilov and Hutter 2017, arXiv:1608.03983, equation 5, without the restarts.
    """

    settings = ("T_max", "eta_min")

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0) -> None:  # noqa: N803 - PyTorch's name
        super().__init__(optimizer, T_max=T_max, eta_min=eta_min)

    def configure(self, T_max: int, eta_min: float) -> None:  # noqa: N803 - PyTorch's name
        """See the class."""
        self.T_max = integer("CosineAnnealingLR: T_max", T_max, 1)
        self.eta_min = real("CosineAnnealingLR: eta_min", eta_min, 0)

    def lrs(self, before: list[float]) -> list[float]:
        """See `Schedule.lrs`."""
        step, half = self.last_epoch, self.T_max
        if step == 0:
            return before
        if (step - 1) % (2 * half) == half:
            # The step before stood at the bottom, from where no factor leads up.
            rise = 1 - math.cos(math.pi / half)
            return [lr + (base - self.eta_min) * rise / 2 for lr, base in zip(before, self.base_lrs, strict=True)]
        ratio = (1 + math.cos(math.pi * step / half)) / (1 + math.cos(math.pi * (step - 1) / half))
        return [ratio * (lr - self.eta_min) + self.eta_min for lr in before]
