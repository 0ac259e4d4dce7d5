"""A straight line, mostly for warming up."""

from __future__ import annotations

from gpunet.errors import DataError
from gpunet.optimizers import Optimizer
from gpunet.optimizers.settings import integer, real
from gpunet.schedules.base import Schedule


class LinearLR(Schedule):
    """The rate goes in a straight line from one multiple of itself to another, and stays there.

    One step is a batch or an epoch, as ``total_iters`` is counted.

    Args:
        optimizer: see `Schedule`.
        start_factor: multiple at step 0; above 0, at most 1.
        end_factor: multiple from step ``total_iters`` on; in [0, 1].
        total_iters: steps of the way; 1 or more.

    Raises:
        DataError: a setting is out of range.
    """

    settings = ("start_factor", "end_factor", "total_iters")

    def __init__(
        self, optimizer: Optimizer, start_factor: float = 1 / 3, end_factor: float = 1.0, total_iters: int = 5
    ) -> None:
        super().__init__(optimizer, start_factor=start_factor, end_factor=end_factor, total_iters=total_iters)

    def configure(self, start_factor: float, end_factor: float, total_iters: int) -> None:
        """See the class."""
        self.start_factor = real("LinearLR: start_factor", start_factor, 0, 1)
        if self.start_factor == 0:
            raise DataError("LinearLR: start_factor must be above 0, because each step multiplies the one before it.")
        self.end_factor = real("LinearLR: end_factor", end_factor, 0, 1)
        self.total_iters = integer("LinearLR: total_iters", total_iters, 1)

    def lrs(self, before: list[float]) -> list[float]:
        """See `Schedule.lrs`."""
        if self.last_epoch == 0:
            return [lr * self.start_factor for lr in before]
        if self.last_epoch > self.total_iters:
            return before
        # The ratio of two neighbouring points of the line, in the form that rounds as PyTorch does.
        rise = self.end_factor - self.start_factor
        ratio = 1.0 + rise / (self.total_iters * self.start_factor + (self.last_epoch - 1) * rise)
        return [lr * max(ratio, 0.0) for lr in before]  # rounding must not make the last rate negative
