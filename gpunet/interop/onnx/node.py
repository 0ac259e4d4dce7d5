"""One node of an ONNX graph as the builders of modules see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from gpunet.errors import DataError
from gpunet.interop.onnx.operand import Operand
from gpunet.state import Parameter

_REQUIRED = object()


@dataclass(frozen=True)
class Value:
    """What is known about a value of the graph while it is imported.

    Attributes:
        name: in the file.
        kind: "array", what flows through the net; "constant"; "host", computed on the host from sizes.
        content: of the constant.
        learned: whether the constant is an initializer or made of one, and so may be trained.
        shape: as declared or inferred: None where unknown, and so for each size.
        mask: it is true or false, and flows as 1 and 0.
    """

    name: str
    kind: str
    content: np.ndarray | None = None
    learned: bool = False
    shape: tuple[int | None, ...] | None = None
    mask: bool = False


@dataclass
class Binding:
    """An input that became a parameter or buffer of the node's module.

    Attributes:
        attribute: path of it below the module.
        shape: of the tensor in the file, which the module may hold in another one.
        transposed: whether the module holds it transposed.
    """

    attribute: str
    shape: tuple[int, ...]
    transposed: bool = False


class Node:
    """Attributes and inputs of one node, with errors that name it.

    Attributes:
        op: the operator.
        name: of the node, or of its first output.
        opset: version of the operators that the file uses.
        inputs: a value for each input; None where one is left out.
        bindings: by input, as the builder notes them with `bind`.
    """

    def __init__(self, proto: Any, opset: int, inputs: Sequence[Value | None], outputs: Sequence[str]) -> None:
        from onnx.helper import get_attribute_value

        self.op, self.opset = proto.op_type, opset
        self.name = proto.name or next((name for name in proto.output if name), "")
        self.inputs = list(inputs)
        self.outputs = list(outputs)
        self.bindings: dict[int, Binding] = {}
        self._attributes = {item.name: get_attribute_value(item) for item in proto.attribute}

    @property
    def label(self) -> str:
        """How errors call it."""
        return f"ONNX node {self.op} {self.name!r} (opset {self.opset})"

    def refuse(self, reason: str) -> NoReturn:
        """Raise a `DataError` that names the node."""
        raise DataError(f"{self.label}: {reason}")

    # ------------------------------------------------------------ attributes

    def attribute(self, name: str, default: Any = _REQUIRED) -> Any:
        """An attribute; text is decoded, and a float32 becomes the shortest number that it stands for: 1e-05."""
        if name not in self._attributes:
            if default is _REQUIRED:
                self.refuse(f"the attribute {name!r} is missing.")
            return default
        value = self._attributes[name]
        if isinstance(value, bytes):
            return value.decode("utf-8", "replace")
        return float(str(np.float32(value))) if isinstance(value, float) else value

    def has_attribute(self, name: str) -> bool:
        """Whether the file gives it."""
        return name in self._attributes

    def choice(self, name: str, default: str, allowed: Sequence[str]) -> str:
        """A text attribute with few values."""
        value = self.attribute(name, default)
        if value not in allowed:
            self.refuse(f"{name}={value!r} is not supported; wanted one of {', '.join(map(repr, allowed))}.")
        return str(value)

    def integers(self, name: str, length: int, default: int, minimum: int) -> list[int]:
        """An attribute of ``length`` integers of at least ``minimum``."""
        values = [int(value) for value in self.attribute(name, [default] * length)]
        if len(values) != length or min(values, default=minimum) < minimum:
            self.refuse(f"{name}={values}, wanted {length} integers of at least {minimum}.")
        return values

    # ---------------------------------------------------------------- inputs

    def given(self, index: int) -> Value | None:
        """An input, or None if it is left out."""
        return self.inputs[index] if index < len(self.inputs) else None

    def constant(self, index: int, what: str) -> np.ndarray | None:
        """An input that must be known now, or None if it is left out."""
        value = self.given(index)
        if value is None:
            return None
        if value.content is None:
            self.refuse(f"its {what} ({value.name!r}) is computed in the graph; wanted a constant or an initializer.")
        return value.content

    def setting(self, name: str, index: int) -> np.ndarray | None:
        """What is an attribute in older opsets and a constant input in newer ones, or None if it is neither."""
        if name in self._attributes:
            return np.asarray(self._attributes[name])
        return self.constant(index, name)

    def weight(self, index: int, what: str, ndim: int | None = None) -> np.ndarray:
        """A constant input of floating numbers, to become a parameter or a buffer."""
        array = self.constant(index, what)
        if array is None:
            self.refuse(f"its {what} is missing.")
        if array.dtype.kind != "f":
            self.refuse(f"its {what} holds {array.dtype} numbers; wanted floating ones.")
        if ndim is not None and array.ndim != ndim:
            self.refuse(f"its {what} has shape {array.shape}; wanted {ndim} axes.")
        return array

    def bind(self, index: int, attribute: str, transposed: bool = False) -> None:
        """Note that an input became ``attribute`` of the module."""
        value = self.inputs[index]
        assert value is not None
        assert value.content is not None
        self.bindings[index] = Binding(attribute, tuple(value.content.shape), transposed)

    def rank(self, index: int = 0) -> int | None:
        """How many axes an input has, if that is known."""
        value = self.given(index)
        if value is None:
            return None
        if value.content is not None:
            return value.content.ndim
        return None if value.shape is None else len(value.shape)

    def operands(self, on_host: frozenset[int] = frozenset(), count: int | None = None) -> list[Operand]:
        """The inputs for an `Operation`: initializers of floating numbers become parameters.

        Args:
            on_host: inputs that are settings, such as shapes and axes: they may not flow through the net.
            count: take the first so many.
        """
        chosen = self.inputs if count is None else self.inputs[:count]
        result, names = [], self._parameter_names(on_host)
        for index, value in enumerate(chosen):
            if value is None:
                result.append(Operand("absent"))
            elif value.kind == "array":
                if index in on_host:
                    self.refuse(
                        f"its input {index} ({value.name!r}) is computed from the data; wanted one that follows from "
                        f"constants and sizes."
                    )
                result.append(Operand("array"))
            elif value.kind == "host":
                result.append(Operand("setting"))
            elif index in names:
                assert value.content is not None
                self.bind(index, names[index])
                result.append(Operand("parameter", names[index], Parameter(np.array(value.content))))
            else:
                result.append(Operand("constant", value=value.content))
        return result

    def _parameter_names(self, on_host: frozenset[int]) -> dict[int, str]:
        """Names below the module of the inputs that become parameters: the last part of the name in the file."""
        learned = {
            index: value.name.rpartition(".")[2]
            for index, value in enumerate(self.inputs)
            if value is not None and index not in on_host and is_learned(value)
        }
        if len(set(learned.values())) < len(learned) or not all(learned.values()):
            return {index: f"operand{index}" for index in learned}
        return learned


def is_learned(value: Value) -> bool:
    """Whether a constant is to be trained: an initializer, or made of one, of floating numbers that is no scalar."""
    content = value.content
    return value.learned and content is not None and content.dtype.kind == "f" and content.ndim > 0
