"""Where a NaN or an infinity came from."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet.errors import DataError
from gpunet.layers.module import Module
from gpunet.layers.observation import Event
from gpunet.state import Array

ADVICE = "Lower the learning rate, clip the gradients (max_grad_norm), or look at the data."


def is_finite(net: Module, array: Array) -> bool:
    """Whether all elements are finite; waits for the device."""
    return bool(net.backend.xp.isfinite(array).all())


def non_finite_weights(net: Module) -> list[str]:
    """Names of the parameters and buffers that hold a NaN or an infinity."""
    named: list[tuple[str, Any]] = [*net.named_parameters(), *net.named_buffers()]
    return [name for name, holder in named if not is_finite(net, holder.value)]


def require_finite_weights(net: Module, when: str) -> None:
    """Raise a DataError that names the first parameter or buffer with a NaN or an infinity, and says ``when``."""
    names = non_finite_weights(net)
    if names:
        raise DataError(f"{when}: {_weights(names)} {ADVICE}")


def first_non_finite(net: Module, images: Array, position: tuple[int, int, int]) -> str:
    """What was the first to be not finite when the loss of a batch was not.

    Looks at the batch, then at the weights, then sends the batch through the net again, at the same random position,
    and watches each layer. The net's buffers are afterwards as they were.

    Args:
        net: as it was when the loss was computed, its buffers aside.
        images: the batch, of the net's backend.
        position: seed, epoch and step for `Module.set_random_position`.

    Returns:
        one sentence.
    """
    if not is_finite(net, images):
        finite = net.backend.to_numpy(net.backend.xp.isfinite(images)).reshape(len(images), -1).all(axis=1)
        return f"The batch itself holds NaN or infinity, first in its image {int(np.argmin(finite))}."
    weights = [name for name, holder in net.named_parameters() if not is_finite(net, holder.value)]
    if weights:
        return _weights(weights)
    found: list[str] = []

    def observe(event: Event) -> None:
        has_children = any(True for _ in event.module.children())
        if found or event.direction != "forward" or event.stage != "after" or has_children:
            return
        if not all(is_finite(net, y) for y in event.outputs):
            found.append(f"{type(event.module).__name__} '{event.name}'")

    buffers = [(buffer, buffer.value.copy()) for _, buffer in net.named_buffers()]
    net.set_random_position(*position)
    with net.observe(observe):
        net.forward(images, training=True, keep=False)
    for buffer, value in buffers:
        buffer.value = value
    if found:
        return f"The first layer whose output is not finite is {found[0]}."
    return "Every layer's output is finite: the loss itself made it, from its predictions and targets."


def _weights(names: list[str]) -> str:
    others = f" and {len(names) - 1} more are" if len(names) > 1 else " is"
    return f"{names[0]!r}{others} not finite, so an earlier step went too far."
