"""Margins around an array, or cut off it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gpunet.errors import ShapeError
from gpunet.interop.onnx.node import Node
from gpunet.interop.onnx.operand import Operand, Operation
from gpunet.interop.onnx.operators.selecting import taken_back
from gpunet.interop.onnx.registry import operator
from gpunet.interop.onnx.sizes import check_size
from gpunet.layers.module import Module, Shape
from gpunet.state import Array


class Pad(Operation):
    """Elements before and after along each axis; negative numbers cut off.

    Args:
        operands: x, and pads, value and axes where they are inputs.
        mode: "constant"; or "reflect", "edge" and "wrap", which copy elements of x.
        pads: starts, then ends, where they are an attribute.
        value: of a constant margin where it is an attribute.
    """

    on_host = frozenset({1, 2, 3})

    def __init__(
        self, operands: Sequence[Operand], mode: str, pads: Sequence[int] | None = None, value: float = 0.0
    ) -> None:
        super().__init__(operands)
        self.mode, self.pads, self.value = mode, pads, value

    def apply(
        self, x: Array, pads: np.ndarray | None = None, value: np.ndarray | None = None, axes: np.ndarray | None = None
    ) -> tuple[Array, Any]:
        """See the class."""
        sides = self._sides(x.ndim, self.pads if pads is None else [int(count) for count in pads.reshape(-1)], axes)
        shape = [size + before + after for size, (before, after) in zip(x.shape, sides, strict=True)]
        check_size("Pad", shape)
        if self.mode == "constant":
            fill = self.value if value is None else float(value.reshape(()))
            y = self.backend.xp.full(shape, fill, x.dtype)
            inner, outer = _overlap(x.shape, sides)
            y[outer] = x[inner]
            return y, (x.shape, inner, outer)
        steps = []
        for axis, (before, after) in enumerate(sides):
            if before == after == 0:
                continue
            indices = self._indices(x.shape[axis], before, after)
            steps.append((axis, indices, x.shape[axis]))
            x = self.backend.xp.take(x, self.backend.asarray(indices), axis=axis)
        return x, steps

    def gradients(self, kept: Any, wanted: tuple[bool, ...], grad_y: Array) -> list[Array | None]:
        """What was copied gets the sum over its copies; a constant margin gets nothing."""
        xp = self.backend.xp
        if self.mode == "constant":
            shape, inner, outer = kept
            grad_x = xp.zeros(shape, grad_y.dtype)
            grad_x[inner] = grad_y[outer]
            return [grad_x]
        grad = grad_y
        for axis, indices, size in reversed(kept):
            grad = taken_back(xp, self.backend.asarray, grad, indices, size, axis)
        return [grad]

    def _sides(self, ndim: int, pads: Sequence[int] | None, axes: np.ndarray | None) -> list[tuple[int, int]]:
        chosen = list(range(ndim)) if axes is None else [int(axis) for axis in axes.reshape(-1)]
        if pads is None or len(pads) != 2 * len(chosen) or any(not -ndim <= axis < ndim for axis in chosen):
            raise ShapeError(f"Pad: pads {pads} for axes {chosen} do not fit a {ndim}-d input.")
        sides = [(0, 0)] * ndim
        for number, axis in enumerate(chosen):
            sides[axis % ndim] = (pads[number], pads[len(chosen) + number])
        return sides

    def _indices(self, size: int, before: int, after: int) -> np.ndarray:
        """Which element stands at each place of an axis."""
        places = np.arange(-before, size + after)
        if size == 0:
            raise ShapeError(f"Pad: there is nothing to copy along an empty axis in mode {self.mode!r}.")
        if self.mode == "edge":
            return places.clip(0, size - 1)
        if self.mode == "wrap":
            return places % size
        period = 2 * (size - 1)
        if period == 0:
            return np.zeros_like(places)
        folded = places % period
        return np.where(folded < size, folded, period - folded)


def _overlap(shape: Shape, sides: list[tuple[int, int]]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """The part of x that is left, and where it stands in y."""
    inner, outer = [], []
    for size, (before, after) in zip(shape, sides, strict=True):
        start, stop = max(0, -before), size - max(0, -after)
        inner.append(slice(start, max(start, stop)))
        outer.append(slice(max(0, before), max(0, before) + max(0, stop - start)))
    return tuple(inner), tuple(outer)


@operator("Pad", 25)
def pad(node: Node) -> Module:
    """See `Pad`."""
    mode = node.choice("mode", "constant", ("constant", "reflect", "edge", "wrap"))
    pads = node.attribute("pads", node.attribute("paddings", None))
    if pads is None and node.given(1) is None:
        node.refuse("the pads are missing.")
    return Pad(
        node.operands(Pad.on_host),
        mode,
        None if pads is None else [int(count) for count in pads],
        float(node.attribute("value", 0.0)),
    )
