"""Batches sent through a net for a look at it, without a trace in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from gpunet.layers.module import Module


@contextmanager
def left_as_it_was(net: Module) -> Iterator[None]:
    """Inside, batches may go through ``net`` forward and backward, in training too; afterwards it is as it was before.

    Buffers (such as running statistics) and random positions are put back, as are the gradients, which are None at the
    start of the block. What an earlier forward kept for its backward is let go, and so is what was kept inside.
    """
    buffers = [(buffer, buffer.value.copy()) for _, buffer in net.named_buffers()]
    gradients = [(parameter, parameter.grad) for parameter in net.parameters()]
    positions = [(module, module._random_position) for _, module in net.named_modules()]
    net.zero_grad()
    try:
        yield
    finally:
        for buffer, value in buffers:
            buffer.value = value
        for parameter, gradient in gradients:
            parameter.grad = gradient
        for module, position in positions:
            module._context = None
            module._random_position = position
