"""Adam, and AdamW, whose weight decay does not pass through the averages."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from gpunet.backends import Backend
from gpunet.errors import DataError
from gpunet.optimizers.base import Optimizer, ParameterGroup
from gpunet.optimizers.settings import real
from gpunet.state import Parameter


class Adam(Optimizer):
    """Each element moves by its average gradient over the root of its average squared gradient, about lr a step.

    Args:
        params: parameters or groups of them, see `Optimizer`.
        lr: learning rate, about the size of a step of each element; 0 or more.
        betas: weight of the old average gradient and of the old average squared gradient; each in [0, 1).
        eps: added to the root; 0 or more.
        weight_decay: adds this multiple of the parameter to its gradient; `AdamW` usually serves better.

    Raises:
        DataError: a setting is out of range; see also `Optimizer`.

    Source: Kingma and Ba 2015, arXiv:1412.6980, algorithm 1.
    """

    arrays = ("exp_avg", "exp_avg_sq")
    counts_steps = True
    decoupled = False

    def __init__(
        self,
        params: Iterable[Parameter] | Iterable[ParameterGroup],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    def checked_settings(self, settings: dict[str, Any]) -> dict[str, Any]:
        """All are 0 or more; the two betas are below 1."""
        betas = settings["betas"]
        if not isinstance(betas, tuple | list) or len(betas) != 2:
            raise DataError(f"{self.name}: betas: got {betas!r}, wanted a pair such as (0.9, 0.999).")
        pair = tuple(real(f"{self.name}: betas[{i}]", beta, 0, 1, below=True) for i, beta in enumerate(betas))
        checked = super().checked_settings({name: value for name, value in settings.items() if name != "betas"})
        return {**checked, "betas": pair}

    def update(self, group: ParameterGroup, parameters: list[Parameter], backend: Backend) -> None:
        """See `Backend.adam_step`; parameters that have made as many steps as each other go together."""
        by_step: dict[int, list[Parameter]] = defaultdict(list)
        for parameter in parameters:
            state = self.state.setdefault(parameter, {"step": 0})
            state["step"] += 1
            by_step[state["step"]].append(parameter)
        for step, chosen in by_step.items():
            backend.adam_step(
                [p.value for p in chosen],
                [p.grad for p in chosen],
                [self.memory(p, "exp_avg", backend) for p in chosen],
                [self.memory(p, "exp_avg_sq", backend) for p in chosen],
                lr=group["lr"],
                beta1=group["betas"][0],
                beta2=group["betas"][1],
                eps=group["eps"],
                weight_decay=group["weight_decay"],
                decoupled=self.decoupled,
                step=step,
            )


class AdamW(Adam):
    """Adam with decoupled weight decay: the parameter shrinks by lr * weight_decay of itself, then moves as in `Adam`.

    Args:
        params, lr, betas, eps: as in `Adam`.
        weight_decay: 0.01 by default. Usually not wanted for biases and norms: see `no_decay_groups`.

    Raises:
        DataError: a setting is out of range; see also `Optimizer`.

    Source: Loshchilov and Hutter 2019, arXiv:1711.05101, algorithm 2.
    """

    decoupled = True

    def __init__(
        self,
        params: Iterable[Parameter] | Iterable[ParameterGroup],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay)
