"""Functions of one element: the function and its slope, each a line."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from gpunet.interop.onnx.node import Node
from gpunet.interop.onnx.registry import operator
from gpunet.layers.containers import Identity
from gpunet.layers.elementwise import Elementwise
from gpunet.layers.module import Context, Module
from gpunet.state import Array

Function = Callable[[Any, Array], Array]  # of the array module and x


class ElementFunction(Elementwise):
    """y = function(x), element by element.

    Args:
        name: of the operator, for messages.
        function: of the array module and x.
        slope: its derivative, of the same.
    """

    def __init__(self, name: str, function: Function, slope: Function) -> None:
        self.name = name
        self.function = function
        self.slope = slope

    def compute(self, context: Context, x: Array) -> Array:
        """y = function(x)."""
        context.save(x)
        return self.function(self.backend.xp, x).astype(x.dtype, copy=False)

    def differentiate(self, context: Context, grad_y: Array) -> Array:
        """grad_x = grad_y * slope(x)."""
        (x,) = context.saved
        return (grad_y * self.slope(self.backend.xp, x)).astype(grad_y.dtype, copy=False)

    def describe(self) -> str:
        """The operator."""
        return self.name


def _zero(xp: Any, x: Array) -> Array:
    return xp.zeros_like(x)


# The version of the definition, the function and its slope. A step has the slope 0, as in PyTorch.
_TABLE: dict[str, tuple[int, Function, Function]] = {
    "Abs": (13, lambda xp, x: xp.abs(x), lambda xp, x: xp.sign(x)),
    "Acos": (22, lambda xp, x: xp.arccos(x), lambda xp, x: -1 / xp.sqrt(1 - x * x)),
    "Acosh": (22, lambda xp, x: xp.arccosh(x), lambda xp, x: 1 / xp.sqrt(x * x - 1)),
    "Asin": (22, lambda xp, x: xp.arcsin(x), lambda xp, x: 1 / xp.sqrt(1 - x * x)),
    "Asinh": (22, lambda xp, x: xp.arcsinh(x), lambda xp, x: 1 / xp.sqrt(x * x + 1)),
    "Atan": (22, lambda xp, x: xp.arctan(x), lambda xp, x: 1 / (1 + x * x)),
    "Atanh": (22, lambda xp, x: xp.arctanh(x), lambda xp, x: 1 / (1 - x * x)),
    "Ceil": (13, lambda xp, x: xp.ceil(x), _zero),
    "Cos": (22, lambda xp, x: xp.cos(x), lambda xp, x: -xp.sin(x)),
    "Cosh": (22, lambda xp, x: xp.cosh(x), lambda xp, x: xp.sinh(x)),
    "Exp": (13, lambda xp, x: xp.exp(x), lambda xp, x: xp.exp(x)),
    "Floor": (13, lambda xp, x: xp.floor(x), _zero),
    "Log": (13, lambda xp, x: xp.log(x), lambda xp, x: 1 / x),
    "Neg": (13, lambda xp, x: -x, lambda xp, x: -xp.ones_like(x)),
    "Reciprocal": (13, lambda xp, x: 1 / x, lambda xp, x: -1 / (x * x)),
    "Round": (22, lambda xp, x: xp.rint(x), _zero),
    "Sign": (13, lambda xp, x: xp.sign(x), _zero),
    "Sin": (22, lambda xp, x: xp.sin(x), lambda xp, x: xp.cos(x)),
    "Sinh": (22, lambda xp, x: xp.sinh(x), lambda xp, x: xp.cosh(x)),
    "Softsign": (22, lambda xp, x: x / (1 + xp.abs(x)), lambda xp, x: 1 / (1 + xp.abs(x)) ** 2),
    "Sqrt": (13, lambda xp, x: xp.sqrt(x), lambda xp, x: 0.5 / xp.sqrt(x)),
    "Tan": (22, lambda xp, x: xp.tan(x), lambda xp, x: 1 + xp.tan(x) ** 2),
}


def _register(name: str, newest: int, function: Function, slope: Function) -> None:
    @operator(name, newest)
    def build(node: Node) -> Module:
        return ElementFunction(name, function, slope)


for _name, _line in _TABLE.items():
    _register(_name, *_line)


class ErrorFunction(Elementwise):
    """y = erf(x)."""

    def compute(self, context: Context, x: Array) -> Array:
        """y = erf(x)."""
        context.save(x)
        return self.backend.erf(x)

    def differentiate(self, context: Context, grad_y: Array) -> Array:
        """The slope is 2 / sqrt(pi) * exp(-x**2)."""
        (x,) = context.saved
        return grad_y * (2 / math.sqrt(math.pi) * self.backend.xp.exp(-x * x))


@operator("Erf", 13)
def erf(node: Node) -> Module:
    """The error function."""
    return ErrorFunction()


@operator("Identity", 25)
def identity(node: Node) -> Module:
    """Its input."""
    return Identity()


@operator("Cast", 28)
def cast(node: Node) -> Module:
    """Between floating types a cast does nothing: a net computes in one type throughout. To bool it makes a mask."""
    from onnx import TensorProto

    names = {code: name for name, code in TensorProto.DataType.items()}
    wanted = names.get(int(node.attribute("to")), str(node.attribute("to")))
    if wanted == "BOOL":
        return ElementFunction("Cast", lambda xp, x: xp.where(x != 0, 1, 0), _zero)
    if wanted not in {"FLOAT", "DOUBLE", "FLOAT16", "BFLOAT16"}:
        node.refuse(f"casts what flows through the net to {wanted}; only floating types can be trained.")
    return Identity()


@operator("CastLike", 25)
def cast_like(node: Node) -> Module:
    """See `cast`; what it is to be like matters only if it is no floating number."""
    like = node.given(1)
    if like is not None and like.content is not None and like.content.dtype.kind != "f":
        node.refuse(f"casts what flows through the net to {like.content.dtype}; only floating types can be trained.")
    del node.inputs[1:]
    return Identity()
