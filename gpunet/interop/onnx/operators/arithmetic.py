"""Arithmetic of two or more operands that are broadcast against each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from gpunet.errors import ShapeError
from gpunet.interop.onnx.node import Node
from gpunet.interop.onnx.operand import Operand, Operation, shape_of, summed_to
from gpunet.interop.onnx.registry import operator
from gpunet.layers.module import Module
from gpunet.state import Array


class Broadcast(Operation):
    """Base: outputs have the operands' common shape, and each gradient is summed to the shape of its operand.

    Attributes:
        keeps_operands: whether the slopes depend on them; if not, `slopes` is given their shapes in their place.
    """

    keeps_operands: ClassVar[bool] = True

    def apply(self, *operands: Array) -> tuple[Array, Any]:
        """The formula, after a check of the shapes."""
        try:
            np.broadcast_shapes(*map(shape_of, operands))
        except ValueError:
            raise ShapeError(
                f"operands of shapes {', '.join(str(shape_of(operand)) for operand in operands)} do not go together."
            ) from None
        return self.combine(*operands), operands if self.keeps_operands else tuple(map(shape_of, operands))

    def gradients(self, kept: Any, wanted: tuple[bool, ...], grad_y: Array) -> list[Array | None]:
        """Each slope times grad_y."""
        return [
            summed_to(grad, shape_of(operand) if self.keeps_operands else operand) if grad is not None else None
            for grad, operand in zip(self.slopes(wanted, grad_y, *kept), kept, strict=True)
        ]

    def combine(self, *operands: Array) -> Array:
        """The formula."""
        raise NotImplementedError

    def slopes(self, wanted: tuple[bool, ...], grad_y: Array, *operands: Array) -> Sequence[Array | None]:
        """The gradient of each operand before it is summed to its shape."""
        raise NotImplementedError


class Add(Broadcast):
    """a + b."""

    keeps_operands = False

    def combine(self, a: Array, b: Array) -> Array:
        """See the class."""
        return a + b

    def slopes(self, wanted: tuple[bool, ...], grad_y: Array, *operands: Array) -> Sequence[Array | None]:
        """Both get grad_y."""
        return grad_y, grad_y


class Sub(Broadcast):
    """a - b."""

    keeps_operands = False

    def combine(self, a: Array, b: Array) -> Array:
        """See the class."""
        return a - b

    def slopes(self, wanted: tuple[bool, ...], grad_y: Array, *operands: Array) -> Sequence[Array | None]:
        """grad_y, and minus it."""
        return grad_y, -grad_y


class Mul(Broadcast):
    """a * b."""

    def combine(self, a: Array, b: Array) -> Array:
        """See the class."""
        return a * b

    def slopes(self, wanted: tuple[bool, ...], grad_y: Array, *operands: Array) -> Sequence[Array | None]:
        """Each gets grad_y times the other."""
        a, b = operands
        return grad_y * b if wanted[0] else None, grad_y * a if wanted[1] else None


class Div(Broadcast):
    """a / b."""

    def combine(self, a: Array, b: Array) -> Array:
        """See the class."""
        return a / b

    def slopes(self, wanted: tuple[bool, ...], grad_y: Array, *operands: Array) -> Sequence[Array | None]:
        """grad_y / b, and -grad_y * a / b**2."""
        a, b = operands
        return grad_y / b if wanted[0] else None, -grad_y * a / (b * b) if wanted[1] else None


class Pow(Broadcast):
    """a ** b."""

    def combine(self, a: Array, b: Array) -> Array:
        """See the class."""
        return a**b

    def slopes(self, wanted: tuple[bool, ...], grad_y: Array, *operands: Array) -> Sequence[Array | None]:
        """b * a**(b - 1), 0 where b is 0; and a**b * log(a), 0 where a is not above 0."""
        a, b = operands
        xp = self.backend.xp
        of_a = of_b = None
        if wanted[0]:
            of_a = xp.where(b == 0, 0, grad_y * b * a ** xp.where(b == 0, 1, b - 1).astype(grad_y.dtype))
        if wanted[1]:
            of_b = xp.where(a > 0, grad_y * a**b * xp.log(xp.where(a > 0, a, 1)), 0)
        return of_a, of_b


class Sum(Broadcast):
    """The sum of all operands, or with ``mean`` that divided by their number."""

    keeps_operands = False

    def __init__(self, operands: Sequence[Operand], mean: bool = False) -> None:
        super().__init__(operands)
        self.share = 1 / len(operands) if mean else 1

    def combine(self, *operands: Array) -> Array:
        """See the class."""
        total = operands[0]
        for operand in operands[1:]:
            total = total + operand
        return total if self.share == 1 else total * self.share

    def slopes(self, wanted: tuple[bool, ...], grad_y: Array, *operands: Array) -> Sequence[Array | None]:
        """Each gets its share."""
        return [grad_y if self.share == 1 else grad_y * self.share] * len(operands)


class Extremum(Broadcast):
    """The largest or smallest operand at each place; the first of equal ones gets the gradient. NaN wins."""

    function: ClassVar[str] = "maximum"

    def combine(self, *operands: Array) -> Array:
        """See the class."""
        extreme = operands[0]
        for operand in operands[1:]:
            extreme = getattr(self.backend.xp, self.function)(extreme, operand)
        return extreme

    def slopes(self, wanted: tuple[bool, ...], grad_y: Array, *operands: Array) -> Sequence[Array | None]:
        """The gradient goes to the operand that was chosen."""
        xp = self.backend.xp
        extreme = self.combine(*operands)
        free, found = xp.ones(grad_y.shape, bool), []
        for operand in operands:
            chosen = ((operand == extreme) | (operand != operand)) & free  # noqa: PLR0124 - only NaN differs from itself
            found.append(xp.where(chosen, grad_y, 0))
            free = free & ~chosen
        return found


class Minimum(Extremum):
    """See `Extremum`."""

    function = "minimum"


class Where(Broadcast):
    """a where a condition holds, else b; the condition is a constant, or a mask that flows through the net."""

    def combine(self, condition: Array, a: Array, b: Array) -> Array:
        """See the class."""
        return self.backend.xp.where(condition != 0, a, b)

    def slopes(self, wanted: tuple[bool, ...], grad_y: Array, *operands: Array) -> Sequence[Array | None]:
        """Each gets the gradient where it was chosen; the condition has none."""
        chosen = operands[0] != 0
        xp = self.backend.xp
        return None, xp.where(chosen, grad_y, 0), xp.where(chosen, 0, grad_y)


def _two(node: Node) -> list[Operand]:
    """Two operands; before opset 7 the second one was laid over the first from a given axis on."""
    operands = node.operands()
    if len(operands) != 2 or any(operand.kind == "absent" for operand in operands):
        node.refuse(f"it has {len(operands)} inputs, wanted two.")
    axis, rank = node.attribute("axis", None), node.rank(0)
    if node.opset >= 7 or axis is None or not node.attribute("broadcast", 0):
        return operands
    second = operands[1]
    content = second.value if second.parameter is None else second.parameter.value
    if content is None or rank is None:
        node.refuse("broadcasts along an axis as opsets below 7 do; wanted a constant second operand and known shapes.")
    shape = (*content.shape, *(1,) * (rank - content.ndim - int(axis) % rank))
    if second.parameter is not None:
        second.parameter.value = content.reshape(shape)
        return operands
    return [operands[0], replace(second, value=content.reshape(shape))]


def _register_binary(name: str, newest: int, kind: type[Broadcast]) -> None:
    @operator(name, newest)
    def build(node: Node) -> Module:
        return kind(_two(node))


for _name, _newest, _kind in (
    ("Add", 14, Add),
    ("Sub", 14, Sub),
    ("Mul", 14, Mul),
    ("Div", 14, Div),
    ("Pow", 15, Pow),
):
    _register_binary(_name, _newest, _kind)


@operator("Sum", 13)
def sum_(node: Node) -> Module:
    """The sum of any number of operands."""
    return Sum(node.operands())


@operator("Mean", 13)
def mean(node: Node) -> Module:
    """Their mean."""
    return Sum(node.operands(), mean=True)


@operator("Max", 13)
def maximum(node: Node) -> Module:
    """The largest of them at each place."""
    return Extremum(node.operands())


@operator("Min", 13)
def minimum(node: Node) -> Module:
    """The smallest of them at each place."""
    return Minimum(node.operands())


@operator("Where", 16)
def where(node: Node) -> Module:
    """One of two by a condition."""
    return Where(node.operands())
