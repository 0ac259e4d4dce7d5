"""Nodes that compute from constants and sizes: worked out when the file is read, or on the host in each forward."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpunet.errors import GpunetError, ShapeError
from gpunet.interop.onnx.host_functions import host_function
from gpunet.interop.onnx.node import Node
from gpunet.interop.onnx.operand import Operation
from gpunet.interop.onnx.registry import OPERATORS
from gpunet.interop.onnx.sizes import constants_only

# What a node of one version does with small numbers can raise nearly anything; none of it may leave without a name.
_FAULTS = (ValueError, TypeError, IndexError, KeyError, ZeroDivisionError, OverflowError, MemoryError, AttributeError)


@dataclass(frozen=True)
class OnHost:
    """A node as a function of those of its inputs that are not known when the file is read.

    Attributes:
        label: of the node, for messages.
        function: of all inputs.
        inputs: the constant for each input, or None where an argument comes.
        absent: inputs that are left out; they are None for ``function`` and no argument comes for them.
    """

    label: str
    function: Callable[..., tuple[np.ndarray, ...]]
    inputs: tuple[np.ndarray | None, ...]
    absent: frozenset[int]

    def __call__(self, *arguments: np.ndarray) -> tuple[np.ndarray, ...]:
        """The outputs."""
        rest = iter(arguments)
        filled = [
            None if index in self.absent else next(rest) if constant is None else constant
            for index, constant in enumerate(self.inputs)
        ]
        while filled and filled[-1] is None:
            filled.pop()
        try:
            with np.errstate(all="ignore"):
                return self.function(*filled)
        except _FAULTS as error:
            if isinstance(error, GpunetError):
                error.args = (f"{self.label}: {error}",)
                raise
            shapes = ", ".join(str(value.shape) for value in filled if value is not None)
            raise ShapeError(f"{self.label}: cannot be computed from values of shapes {shapes}: {error}") from None


def on_host(node: Node) -> OnHost:
    """The function for a node none of whose inputs flows through the net.

    Raises:
        DataError: there is none.
    """
    function = host_function(node) or _of_module(node)
    inputs = tuple(None if value is None else value.content for value in node.inputs)
    absent = frozenset(index for index, value in enumerate(node.inputs) if value is None)
    return OnHost(node.label, function, inputs, absent)


def folded(node: Node) -> tuple[np.ndarray, ...]:
    """The outputs of a node of constants."""
    with constants_only():
        return on_host(node)()


def _of_module(node: Node) -> Callable[..., tuple[np.ndarray, ...]]:
    """The formula of the module that the node would become, on NumPy arrays of any type."""
    if node.op not in OPERATORS:
        node.refuse("is not supported on constants and sizes.")
    module = OPERATORS[node.op].build(node)
    node.bindings.clear()

    def computed(*arrays: Any) -> tuple[np.ndarray, ...]:
        if isinstance(module, Operation):
            outputs = module.apply(*arrays)[0]
        else:
            outputs = module.forward(*(array for array in arrays[:1] if array is not None))
        return tuple(map(np.asarray, outputs)) if isinstance(outputs, tuple) else (np.asarray(outputs),)

    return computed
