"""Where the inputs of one ONNX node come from, and the modules that do not care."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from gpunet.layers.module import Context, Module
from gpunet.state import Array, Parameter


@dataclass(frozen=True)
class Operand:
    """One input of a node.

    Attributes:
        kind: "array", what flows through the net; "parameter", learned; "constant"; "setting", a value on the host that
            depends on the sizes of arrays; or "absent".
        name: of the parameter.
        parameter: it.
        value: of the constant.
    """

    kind: str
    name: str = ""
    parameter: Parameter | None = None
    value: np.ndarray | None = None


class Operation(Module):
    """Base of the modules for single nodes, whose operands may flow through the net or be weights or constants.

    A subclass writes `apply` and `gradients` over all operands of the node in ONNX's order.

    Attributes:
        operands: one for each input of the node.
        on_host: which of them are given to `apply` as NumPy arrays: shapes, axes and the like.
    """

    on_host: ClassVar[frozenset[int]] = frozenset()

    def __init__(self, operands: Sequence[Operand]) -> None:
        self.operands = tuple(operands)
        self._settings: tuple[np.ndarray, ...] = ()
        self._placed: dict[Any, Array] = {}

    def _held(self) -> Iterator[tuple[str, Any]]:
        return ((operand.name, operand.parameter) for operand in self.operands if operand.parameter is not None)

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_placed": {}}  # copies on a device are made again

    def set_settings(self, values: tuple[np.ndarray, ...]) -> None:
        """The values on the host for the next forward."""
        self._settings = values

    def apply(self, *operands: Any) -> tuple[Any, Any]:
        """The formula: outputs, and what `gradients` needs."""
        raise NotImplementedError(f"{type(self).__name__} must define apply")

    def gradients(self, kept: Any, wanted: tuple[bool, ...], *grads: Array) -> Sequence[Array | None]:
        """The gradient of each operand, None where it is not wanted or there is none."""
        raise NotImplementedError(f"{type(self).__name__} must define gradients")

    def compute(self, context: Context, *inputs: Array) -> Any:
        """The operands put together, then the formula."""
        outputs, kept = self.apply(*self._filled(inputs))
        context.save(kept)
        return outputs

    def differentiate(self, context: Context, *grads: Array) -> Any:
        """To the parameters what is theirs, the rest to the inputs."""
        wanted = tuple(
            bool(operand.parameter.trainable) if operand.parameter is not None else operand.kind == "array"
            for operand in self.operands
        )
        found = list(self.gradients(context.saved[0], wanted, *grads))
        found = [*found, *([None] * len(self.operands))][: len(self.operands)]
        sent: list[Array] = []
        for operand, grad in zip(self.operands, found, strict=True):
            if operand.parameter is not None and grad is not None:
                operand.parameter.add_grad(grad)
            if operand.kind == "array":
                shape, dtype = context.input_shapes[len(sent)], context.input_dtypes[len(sent)]
                sent.append(self.backend.xp.zeros(shape, dtype) if grad is None else grad)
        return tuple(sent) if len(sent) > 1 else sent[0]

    def _filled(self, inputs: tuple[Array, ...]) -> list[Any]:
        """All operands, in the dtype of what flows."""
        arrays, settings = iter(inputs), iter(self._settings)
        dtype = inputs[0].dtype
        result: list[Any] = []
        for index, operand in enumerate(self.operands):
            if operand.kind == "array":
                result.append(next(arrays))
            elif operand.parameter is not None:
                result.append(operand.parameter.value)
            elif operand.kind == "absent":
                result.append(None)
            else:
                value = next(settings) if operand.kind == "setting" else operand.value
                result.append(value if index in self.on_host else self._place(index, value, dtype, operand.kind))
        return result

    def _place(self, index: int, value: Any, dtype: Any, kind: str) -> Any:
        if value.ndim == 0:
            return dtype.type(value)  # no copy to a device, and no other dtype
        if kind == "setting":
            return self.backend.asarray(value, dtype)
        key = (index, self.backend.name, np.dtype(dtype))
        if key not in self._placed:
            self._placed[key] = self.backend.asarray(value, dtype)
        return self._placed[key]


def summed_to(grad: Array, shape: tuple[int, ...]) -> Array:
    """The gradient of an operand that was broadcast: the sum over all places where it was used."""
    if tuple(grad.shape) == tuple(shape):
        return grad
    extra = grad.ndim - len(shape)
    axes = (*range(extra), *(extra + axis for axis, size in enumerate(shape) if size == 1 != grad.shape[extra + axis]))
    return grad.sum(axis=axes).reshape(shape) if axes else grad.reshape(shape)


def shape_of(operand: Any) -> tuple[int, ...]:
    """Shape of an array or a number."""
    return tuple(np.shape(operand)) if np.isscalar(operand) else tuple(operand.shape)
