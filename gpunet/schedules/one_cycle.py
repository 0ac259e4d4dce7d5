"""One rise and one fall over the whole training."""

from __future__ import annotations

import math
from typing import Any

from gpunet.errors import DataError, StateError
from gpunet.optimizers import Optimizer
from gpunet.optimizers.settings import flag, integer, real
from gpunet.schedules.base import Schedule, per_group


class OneCycleLR(Schedule):
    """The rate rises to ``max_lr`` and falls far below its start, once; momentum does the opposite.

    One step is a batch.

    Args:
        optimizer: see `Schedule`; its own rate is not used.
        max_lr: the highest rate, a number or one for each parameter group.
        total_steps: batches of the whole training; or None and the next two:
        epochs, steps_per_epoch: their product is ``total_steps``.
        pct_start: share of the steps in which the rate rises, in [0, 1].
        anneal_strategy: "cos" or "linear", the form of rise and fall.
        cycle_momentum: let momentum, or Adam's first beta, go from ``max_momentum`` to ``base_momentum`` and back.
        base_momentum, max_momentum: in [0, 1] (below 1 for Adam), a number or one for each group.
        div_factor: the first rate is max_lr / div_factor; above 0.
        final_div_factor: the last rate is the first one / final_div_factor; above 0.
        three_phase: fall back to the first rate in as many steps as it rose, then to the last one; otherwise the rate
            falls to the last one at once.

    The rate of the last batch is the lowest. A call of `step` after that batch, which the usual loop makes, changes
    nothing (PyTorch extrapolates there, for "linear" below 0).

    Raises:
        DataError: a setting is out of range, or the optimizer has no momentum to cycle.

    Source: Smith and Topin 2018, arXiv:1708.07120; the two phases are those of fastai.
    """

    settings = (
        "total_steps",
        "pct_start",
        "anneal_strategy",
        "cycle_momentum",
        "three_phase",
        "first_lrs",
        "max_lrs",
        "last_lrs",
        "base_momentums",
        "max_momentums",
    )

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
    ) -> None:
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise DataError("OneCycleLR: give total_steps, or both epochs and steps_per_epoch.")
            total_steps = integer("OneCycleLR: epochs", epochs, 1) * integer(
                "OneCycleLR: steps_per_epoch", steps_per_epoch, 1
            )
        if not isinstance(optimizer, Optimizer):
            raise DataError(f"OneCycleLR: got a {type(optimizer).__name__}, wanted an optimizer such as gn.SGD(...).")
        max_lrs = per_group("OneCycleLR: max_lr", max_lr, optimizer)
        first_lrs = [lr / _divisor("div_factor", div_factor) for lr in max_lrs]
        super().__init__(
            optimizer,
            total_steps=total_steps,
            pct_start=pct_start,
            anneal_strategy=anneal_strategy,
            cycle_momentum=cycle_momentum,
            three_phase=three_phase,
            first_lrs=first_lrs,
            max_lrs=max_lrs,
            last_lrs=[lr / _divisor("final_div_factor", final_div_factor) for lr in first_lrs],
            base_momentums=base_momentum,
            max_momentums=max_momentum,
        )

    def configure(
        self,
        total_steps: int,
        pct_start: float,
        anneal_strategy: str,
        cycle_momentum: bool,
        three_phase: bool,
        first_lrs: Any,
        max_lrs: Any,
        last_lrs: Any,
        base_momentums: Any,
        max_momentums: Any,
    ) -> None:
        """See the class."""
        self.total_steps = integer("OneCycleLR: total_steps", total_steps, 1)
        self.pct_start = real("OneCycleLR: pct_start", pct_start, 0, 1)
        if anneal_strategy not in {"cos", "linear"}:
            raise DataError(f"OneCycleLR: anneal_strategy: got {anneal_strategy!r}, wanted 'cos' or 'linear'.")
        self.anneal_strategy = anneal_strategy
        self.cycle_momentum = flag("OneCycleLR: cycle_momentum", cycle_momentum)
        if self.cycle_momentum and not {"momentum", "betas"} & self.optimizer.defaults.keys():
            raise DataError(f"OneCycleLR: {self.optimizer.name} has no momentum to cycle. Pass cycle_momentum=False.")
        self.three_phase = flag("OneCycleLR: three_phase", three_phase)
        self.first_lrs = per_group("OneCycleLR: max_lr / div_factor", first_lrs, self.optimizer)
        self.max_lrs = per_group("OneCycleLR: max_lr", max_lrs, self.optimizer)
        self.last_lrs = per_group("OneCycleLR: lowest rate", last_lrs, self.optimizer)
        self.base_momentums = per_group("OneCycleLR: base_momentum", base_momentums, self.optimizer, 1)
        self.max_momentums = per_group("OneCycleLR: max_momentum", max_momentums, self.optimizer, 1)

    def start(self, lrs: list[float]) -> None:
        """The rates that count are its own, not those that the groups had."""
        for group, lr in zip(self.optimizer.param_groups, self.first_lrs, strict=True):
            group["initial_lr"] = lr
        self.base_lrs = list(self.first_lrs)
        super().start(lrs)

    def lrs(self, before: list[float]) -> list[float]:
        """See `Schedule.lrs`; sets the momentum as well.

        Raises:
            StateError: a step past the end.
        """
        if self.last_epoch > self.total_steps:
            raise StateError(
                f"OneCycleLR: a step past its end: it was made for {self.total_steps} steps. "
                f"Give it as many total_steps as there will be batches."
            )
        start, end, share = self._phase(min(self.last_epoch, self.total_steps - 1))
        if self.cycle_momentum:
            momentums = {"first": self.max_momentums, "max": self.base_momentums, "last": self.max_momentums}
            for group, low, high in zip(self.optimizer.param_groups, momentums[start], momentums[end], strict=True):
                momentum = self._between(low, high, share)
                if "betas" in group:
                    group["betas"] = (momentum, *group["betas"][1:])
                else:
                    group["momentum"] = momentum
        rates = {"first": self.first_lrs, "max": self.max_lrs, "last": self.last_lrs}
        return [max(self._between(low, high, share), 0.0) for low, high in zip(rates[start], rates[end], strict=True)]

    def _phase(self, step: int) -> tuple[str, str, float]:
        """Between which two points of the cycle ``step`` lies, and at which share of the way."""
        last = float(self.total_steps - 1)
        top = self.pct_start * self.total_steps - 1
        if self.three_phase:
            points = [(top, "max"), (2 * self.pct_start * self.total_steps - 2, "first"), (last, "last")]
        else:
            points = [(top, "max"), (last, "last")]
        begin, start = 0.0, "first"
        for end, name in points:
            if step <= end or name == "last":
                break
            begin, start = end, name
        # A phase without length is over as soon as it begins.
        return start, name, (step - begin) / (end - begin) if end != begin else 1.0

    def _between(self, start: float, end: float, share: float) -> float:
        if self.anneal_strategy == "linear":
            return (end - start) * share + start
        return end + (start - end) / 2.0 * (math.cos(math.pi * share) + 1)


def _divisor(name: str, value: float) -> float:
    divisor = real(f"OneCycleLR: {name}", value, 0)
    if divisor == 0:
        raise DataError(f"OneCycleLR: {name} must be above 0.")
    return divisor
