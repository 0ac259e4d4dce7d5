"""Watching a net compute, without the layers knowing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from gpunet.layers.module import Module


@dataclass(frozen=True, slots=True)
class Event:
    """One moment in a module's work.

    Attributes:
        name: the module's path below the net that is observed; empty for the net itself.
        module: the module.
        direction: "forward" or "backward".
        stage: "before" or "after".
        inputs: what goes in: the inputs, or the gradients of the outputs.
        outputs: what came out: the outputs, or the gradients of the inputs; empty before.
    """

    name: str
    module: Module
    direction: str
    stage: str
    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...]


Observer = Callable[[Event], None]


class Observation:
    """A running `Module.observe`; ends with `remove` or at the end of a ``with`` block."""

    def __init__(self, entries: Sequence[tuple[Module, tuple[str, Observer]]]) -> None:
        self._entries = entries

    def remove(self) -> None:
        """Stop calling the callback; a second call does nothing."""
        for module, entry in self._entries:
            module._observers = tuple(other for other in module._observers if other is not entry)
        self._entries = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


@contextmanager
def undisturbed(net: Module) -> Iterator[None]:
    """A forward inside tells no observer of ``net``; what earlier ones kept for backward is there again after it."""
    before = [(module, module._context, module._observers) for _, module in net.named_modules()]
    for module, _, _ in before:
        module._observers = ()
    try:
        yield
    finally:
        for module, context, observers in before:
            module._context, module._observers = context, observers
