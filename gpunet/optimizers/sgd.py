"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gpunet.backends import Backend
from gpunet.errors import DataError
from gpunet.optimizers.base import Optimizer, ParameterGroup
from gpunet.optimizers.settings import flag
from gpunet.state import Parameter


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum if asked: the parameter moves by -lr times the gradient's average.

    The average starts as the first gradient and then is momentum * average + (1 - dampening) * gradient.

    Args:
        params: parameters or groups of them, see `Optimizer`.
        lr: learning rate, the size of a step; 0 or more.
        momentum: weight of the old average, usually 0.9; 0 uses the plain gradient.
        dampening: share of each new gradient that is left out of the average.
        weight_decay: adds this multiple of the parameter to its gradient.
        nesterov: look ahead by one more step of the average; needs momentum above 0 and no dampening.

    Raises:
        DataError: a setting is out of range; see also `Optimizer`.

    Source: Sutskever et al. 2013, "On the importance of initialization and momentum in deep learning", with the
    learning rate outside of the average, as PyTorch has it.
    """

    arrays = ("momentum_buffer",)

    def __init__(
        self,
        params: Iterable[Parameter] | Iterable[ParameterGroup],
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "dampening": dampening,
                "weight_decay": weight_decay,
                "nesterov": nesterov,
            },
        )

    def checked_settings(self, settings: dict[str, Any]) -> dict[str, Any]:
        """All are 0 or more; nesterov fits momentum and dampening."""
        nesterov = flag("SGD: nesterov", settings["nesterov"])
        checked = super().checked_settings({name: value for name, value in settings.items() if name != "nesterov"})
        if nesterov and (checked["momentum"] == 0 or checked["dampening"] != 0):
            raise DataError(
                f"SGD: nesterov needs momentum above 0 and dampening 0, got momentum={checked['momentum']} and "
                f"dampening={checked['dampening']}."
            )
        return {**checked, "nesterov": nesterov}

    def update(self, group: ParameterGroup, parameters: list[Parameter], backend: Backend) -> None:
        """See `Backend.sgd_step`; parameters at their first step have no average yet and go by themselves."""
        settings = {name: group[name] for name in self.defaults}
        if not group["momentum"]:
            values, grads = [p.value for p in parameters], [p.grad for p in parameters]
            backend.sgd_step(values, grads, None, first=False, **settings)
            return
        known = {p for p in parameters if "momentum_buffer" in self.state.get(p, {})}
        for first in (True, False):
            chosen = [p for p in parameters if (p not in known) == first]
            if chosen:
                values, grads = [p.value for p in chosen], [p.grad for p in chosen]
                buffers = [self.memory(p, "momentum_buffer", backend) for p in chosen]
                backend.sgd_step(values, grads, buffers, first=first, **settings)
