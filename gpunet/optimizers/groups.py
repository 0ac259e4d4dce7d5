"""Parameter groups that many recipes want."""

from __future__ import annotations

from typing import Any

from gpunet.layers.layer_norm import LayerNorm
from gpunet.layers.module import Module
from gpunet.state import Parameter


def no_decay_groups(net: Module, weight_decay: float) -> list[dict[str, Any]]:
    """Two parameter groups: the weights of ``net`` with weight decay; biases, norms and PReLU slopes without.

    Decay pulls towards 0, which makes a weight matrix simpler, but a bias or the scale of a norm only wrong.

    Args:
        weight_decay: of the first group.

    Returns:
        groups for an optimizer: ``gn.SGD(gn.no_decay_groups(net, 5e-4), lr=0.1)``; one that would be empty is left out.
    """
    undecayed = {
        id(parameter)
        for _, module in net.named_modules()
        for _, parameter in module._own(Parameter)
        if len(parameter.shape) < 2 or isinstance(module, LayerNorm)
    }
    weights = [p for p in net.parameters() if id(p) not in undecayed]
    others = [p for p in net.parameters() if id(p) in undecayed]
    groups = [{"params": weights, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]
