"""The operators that can be imported, by name; the families in `operators` fill it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gpunet.interop.onnx.node import Node
from gpunet.layers.module import Module

Builder = Callable[[Node], Module]


@dataclass(frozen=True)
class Operator:
    """How nodes of one operator become modules.

    Attributes:
        build: makes the module of a node.
        newest: the last version of the operator's definition that ``build`` was written for.
        arguments: which inputs are read by ``build`` alone and do not reach the module.
    """

    build: Builder
    newest: int


OPERATORS: dict[str, Operator] = {}


def operator(name: str, newest: int) -> Callable[[Builder], Builder]:
    """Register the builder of an operator; see `Operator`."""

    def register(build: Builder) -> Builder:
        OPERATORS[name] = Operator(build, newest)
        return build

    return register
