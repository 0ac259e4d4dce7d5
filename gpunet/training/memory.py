"""How much memory a training step will need."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpunet.layers.chain import AddReLU, Step
from gpunet.layers.module import Module
from gpunet.layers.observation import Event

_SAMPLES = 2  # measured with two: batch norm has no variance of one value


@dataclass(frozen=True, slots=True)
class MemoryEstimate:
    """Bytes of one training step; an estimate, since temporaries within a layer are not counted.

    Attributes:
        parameters: and buffers.
        gradients: of the parameters.
        optimizer: what it remembers of each parameter.
        kept: what the forward pass keeps for the backward pass, the input batch included.
        passing: the largest gradient of a layer's output together with that of its input.
    """

    parameters: int
    gradients: int
    optimizer: int
    kept: int
    passing: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.parameters + self.gradients + self.optimizer + self.kept + self.passing


def estimate_memory(
    net: Module, input_shape: tuple[int, ...], batch_size: int, arrays_per_parameter: int = 1
) -> MemoryEstimate:
    """Estimate the memory of a training step by sending two samples through the net.

    Args:
        net: its buffers are afterwards as they were.
        input_shape: of one sample, (C, H, W).
        batch_size: samples of the step to estimate.
        arrays_per_parameter: what the optimizer remembers: 1 for momentum, 2 for Adam.
    """
    largest = 0

    def observe(event: Event) -> None:
        nonlocal largest
        leaf = not any(True for _ in event.module.children())
        if leaf and event.direction == "forward" and event.stage == "after":
            largest = max(largest, sum(array.nbytes for array in (*event.inputs, *event.outputs)))

    dtype = net.dtype or np.dtype("float32")
    images = net.backend.asarray(np.zeros((_SAMPLES, *input_shape), dtype))
    buffers = [(buffer, buffer.value.copy()) for _, buffer in net.named_buffers()]
    with net.observe(observe):
        net.forward(images, training=True, keep=False)
    for buffer, value in buffers:
        buffer.value = value
    net.forward(images, training=True)  # not observed: layers that are computed together keep less
    own = [parameter.value for parameter in net.parameters()] + [buffer.value for buffer, _ in buffers]
    memories: dict[int, int] = {}
    for array in [images, *_kept(net)]:
        memory = id(_memory(array))
        memories[memory] = max(memories.get(memory, 0), array.nbytes)  # a backend's own block may be larger
    for array in own:
        memories.pop(id(_memory(array)), None)
    net.forward(images[:0])  # lets go of what was kept
    for buffer, value in buffers:
        buffer.value = value
    weights = sum(parameter.value.nbytes for parameter in net.parameters())
    return MemoryEstimate(
        parameters=weights + sum(value.nbytes for _, value in buffers),
        gradients=sum(parameter.value.nbytes for parameter in net.parameters() if parameter.trainable),
        optimizer=arrays_per_parameter * weights,
        kept=_scaled(sum(memories.values()), batch_size),
        passing=_scaled(largest, batch_size),
    )


def _scaled(measured: int, batch_size: int) -> int:
    return measured * batch_size // _SAMPLES


def _kept(net: Module) -> Iterator[Any]:
    """All arrays that the contexts of the net's modules hold."""
    for _, module in net.named_modules():
        if module._context is not None:
            yield from _arrays(module._context.saved)


def _arrays(value: Any) -> Iterator[Any]:
    if hasattr(value, "nbytes") and hasattr(value, "shape"):
        yield value
    elif isinstance(value, Step | AddReLU):
        yield from _arrays(value.context.saved)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _arrays(item)
    elif isinstance(value, dict):
        yield from _arrays(list(value.values()))


def _memory(array: Any) -> Any:
    """The array that owns the memory that ``array`` may be a view of: shared memory is then counted once."""
    while getattr(array, "base", None) is not None and hasattr(array.base, "nbytes"):
        array = array.base
    return array
