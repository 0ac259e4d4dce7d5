"""An ONNX graph while it is written: nodes, initializers and names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gpunet.errors import DataError
from gpunet.layers.module import Module, Shape
from gpunet.state import Buffer, Parameter

Write = Callable[["Exporter", Any, str, tuple[str, ...]], tuple[str, ...]]

WRITERS: dict[type[Module], Write] = {}


def writes(*kinds: type[Module]) -> Callable[[Write], Write]:
    """Register a function (exporter, module, path, names of the inputs) -> names of the outputs for these modules."""

    def register(write: Write) -> Write:
        WRITERS.update(dict.fromkeys(kinds, write))
        return write

    return register


class Exporter:
    """What a module of one's own uses in its method ``to_onnx(exporter, path, inputs)`` to write its nodes.

    Attributes:
        opset: version of ONNX's operators that is written.
        nodes, initializers: the protos so far.
    """

    def __init__(self, net: Module, opset: int, shapes: dict[int, tuple[tuple[Shape, ...], tuple[Shape, ...]]]) -> None:
        self.opset = opset
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self._net = net
        self._shapes = shapes
        self._names: set[str] = set()
        self._written: dict[int, str] = {}

    def input_shape(self, module: Module) -> Shape:
        """Shape of the first input of a module, without the batch."""
        return self._shapes[id(module)][0][0]

    def output_shape(self, module: Module) -> Shape:
        """Shape of its first output, without the batch."""
        return self._shapes[id(module)][1][0]

    def unique(self, name: str) -> str:
        """``name``, or one like it if it is taken."""
        found, number = name, 2
        while found in self._names:
            found, number = f"{name}_{number}", number + 1
        self._names.add(found)
        return found

    def node(self, operator: str, path: str, inputs: tuple[str, ...] | list[str], **attributes: Any) -> str:
        """Write a node with one output.

        Args:
            operator: of ONNX.
            path: of the module, for names.
            inputs: names of values.
            attributes: of the node.

        Returns:
            the name of its output.
        """
        from onnx.helper import make_node

        output = self.unique(f"{path}/{operator}" if path else operator)
        self.nodes.append(make_node(operator, list(inputs), [output], name=output, **attributes))
        return output

    def parameter(self, path: str, attribute: str, holder: Parameter | Buffer, reshaped: Shape | None = None) -> str:
        """The name of the initializer for a parameter or buffer: its key in the state dict; a shared one is one.

        Args:
            reshaped: write it in this shape instead of its own.
        """
        if id(holder) not in self._written or reshaped is not None:
            array = np.asarray(self._net.backend.to_numpy(holder.value))
            name = self.initializer(below(path, attribute), array.reshape(reshaped or array.shape))
            if reshaped is not None:
                return name
            self._written[id(holder)] = name
        return self._written[id(holder)]

    def initializer(self, name: str, array: np.ndarray) -> str:
        """Write an initializer and return its name."""
        from onnx.numpy_helper import from_array

        found = self.unique(name)
        self.initializers.append(from_array(np.ascontiguousarray(array).reshape(array.shape), found))
        return found

    def constant(self, path: str, array: Any, dtype: Any = np.int64) -> str:
        """Write a `Constant` node, which stays what it is when a net is trained, and return its name."""
        from onnx.helper import make_node
        from onnx.numpy_helper import from_array

        name = self.unique(f"{path}/constant" if path else "constant")
        self.nodes.append(make_node("Constant", [], [name], name=name, value=from_array(np.array(array, dtype), name)))
        return name

    def number(self, path: str, value: float) -> str:
        """A scalar constant in the net's dtype."""
        return self.constant(path, value, self.dtype)

    @property
    def dtype(self) -> Any:
        """Of the net."""
        return self._net.dtype or np.dtype("float32")

    def module(self, module: Module, path: str, inputs: tuple[str, ...]) -> tuple[str, ...]:
        """Write any module.

        Raises:
            DataError: nobody knows how.
        """
        own = getattr(module, "to_onnx", None)
        if own is not None:
            outputs = own(self, path, inputs)
            return (outputs,) if isinstance(outputs, str) else tuple(outputs)
        write = WRITERS.get(type(module))
        if write is None:
            known = ", ".join(sorted(kind.__name__ for kind in WRITERS))
            raise DataError(
                f"{type(module).__name__} '{path}' cannot be written as ONNX. There are {known}. Give the class a "
                f"method to_onnx(self, exporter, path, inputs) that calls exporter.node(...) and returns the output's "
                f"name."
            )
        return write(self, module, path, inputs)


def below(path: str, name: str) -> str:
    """The path of a child."""
    return f"{path}.{name}" if path else name
