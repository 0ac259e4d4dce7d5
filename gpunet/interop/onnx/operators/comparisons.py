"""Comparisons of what flows through the net, for `Where`: masks of 0 and 1 in the net's dtype, with no gradient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gpunet.interop.onnx.node import Node
from gpunet.interop.onnx.operand import Operand
from gpunet.interop.onnx.operators.arithmetic import Broadcast
from gpunet.interop.onnx.registry import operator
from gpunet.layers.module import Module
from gpunet.state import Array

_TABLE: dict[str, tuple[int, Callable[..., Any]]] = {
    "Equal": (19, lambda a, b: a == b),
    "Greater": (13, lambda a, b: a > b),
    "GreaterOrEqual": (16, lambda a, b: a >= b),
    "Less": (13, lambda a, b: a < b),
    "LessOrEqual": (16, lambda a, b: a <= b),
    "And": (7, lambda a, b: (a != 0) & (b != 0)),
    "Or": (7, lambda a, b: (a != 0) | (b != 0)),
    "Not": (1, lambda a: a == 0),
}
MASKS = frozenset(_TABLE)  # the operators whose output is true or false


class Comparison(Broadcast):
    """1 where a comparison holds, else 0."""

    def __init__(self, name: str, operands: Sequence[Operand]) -> None:
        super().__init__(operands)
        self.name = name

    def combine(self, *operands: Array) -> Array:
        """See the class."""
        dtype = next(operand.dtype for operand in operands if operand.dtype.kind == "f")
        return self.backend.xp.asarray(_TABLE[self.name][1](*operands)).astype(dtype)

    def slopes(self, wanted: tuple[bool, ...], grad_y: Array, *operands: Array) -> Sequence[Array | None]:
        """None has a slope."""
        return [None] * len(operands)

    def describe(self) -> str:
        """The operator."""
        return self.name


def _register(name: str, newest: int) -> None:
    @operator(name, newest)
    def build(node: Node) -> Module:
        return Comparison(name, node.operands())


for _name, (_newest, _) in _TABLE.items():
    _register(_name, _newest)
