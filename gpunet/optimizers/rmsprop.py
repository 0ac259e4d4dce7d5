"""RMSprop."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gpunet.backends import Backend
from gpunet.optimizers.base import Optimizer, ParameterGroup
from gpunet.optimizers.settings import flag, real
from gpunet.state import Parameter


class RMSprop(Optimizer):
    """Each element moves by -lr times its gradient over the root of its average squared gradient.

    Args:
        params: parameters or groups of them, see `Optimizer`.
        lr: learning rate, about the size of a step of each element; 0 or more.
        alpha: weight of the old average; in [0, 1].
        eps: added to the root; 0 or more.
        weight_decay: adds this multiple of the parameter to its gradient.
        momentum: if above 0, the step is the sum of past ones, each time shrunk by this factor.
        centered: divide by the root of the gradient's variance instead: the square of the average gradient is taken
            off. Where rounding makes the variance negative it counts as 0 (PyTorch gives NaN there).

    Raises:
        DataError: a setting is out of range; see also `Optimizer`.

    Source: Tieleman and Hinton 2012, Coursera lecture 6.5; centered: Graves 2013, arXiv:1308.0850, equation 38. As in
    PyTorch, eps is added outside of the root.
    """

    arrays = ("square_avg", "grad_avg", "momentum_buffer")

    def __init__(
        self,
        params: Iterable[Parameter] | Iterable[ParameterGroup],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "alpha": alpha,
                "eps": eps,
                "weight_decay": weight_decay,
                "momentum": momentum,
                "centered": centered,
            },
        )

    def checked_settings(self, settings: dict[str, Any]) -> dict[str, Any]:
        """All are 0 or more; alpha is at most 1."""
        checked = super().checked_settings({name: value for name, value in settings.items() if name != "centered"})
        real("RMSprop: alpha", checked["alpha"], 0, 1)
        return {**checked, "centered": flag("RMSprop: centered", settings["centered"])}

    def update(self, group: ParameterGroup, parameters: list[Parameter], backend: Backend) -> None:
        """The formula of the class, against the array module: no kernel of its own."""
        xp, alpha, lr = backend.xp, group["alpha"], group["lr"]
        for parameter in parameters:
            value, grad = parameter.value, parameter.grad
            if group["weight_decay"]:
                grad = grad + group["weight_decay"] * value
            square_avg = self.memory(parameter, "square_avg", backend)
            square_avg *= alpha
            square_avg += (1 - alpha) * xp.square(grad)
            variance = square_avg
            if group["centered"]:
                grad_avg = self.memory(parameter, "grad_avg", backend)
                grad_avg += (1 - alpha) * (grad - grad_avg)
                variance = xp.maximum(square_avg - xp.square(grad_avg), 0)
            move = grad / (xp.sqrt(variance) + group["eps"])
            if group["momentum"]:
                buffer = self.memory(parameter, "momentum_buffer", backend)
                buffer *= group["momentum"]
                buffer += move
                move = buffer
            value -= lr * move
