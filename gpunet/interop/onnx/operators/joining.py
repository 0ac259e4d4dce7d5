"""Arrays put together or repeated."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet.errors import ShapeError
from gpunet.interop.onnx.node import Node
from gpunet.interop.onnx.operand import Operation, shape_of, summed_to
from gpunet.interop.onnx.registry import operator
from gpunet.interop.onnx.sizes import check_size
from gpunet.layers.module import Module
from gpunet.state import Array


class Concat(Operation):
    """Operands one after another along one axis."""

    axis = 0

    def apply(self, *operands: Array) -> tuple[Array, Any]:
        """See the class."""
        shapes = [shape_of(operand) for operand in operands]
        ndim = len(shapes[0])
        if not -ndim <= self.axis < ndim:
            raise ShapeError(f"Concat: axis={self.axis} is no axis of {shapes[0]}.")
        axis = self.axis % ndim
        if len({(*shape[:axis], *shape[axis + 1 :]) for shape in shapes}) > 1 or any(len(s) != ndim for s in shapes):
            raise ShapeError(f"Concat: shapes {', '.join(map(str, shapes))} differ in more than axis {axis}.")
        return self.backend.xp.concatenate(operands, axis=axis), (axis, [shape[axis] for shape in shapes])

    def gradients(self, kept: Any, wanted: tuple[bool, ...], grad_y: Array) -> list[Array | None]:
        """Each operand gets its own part."""
        axis, sizes = kept
        found, start = [], 0
        for size in sizes:
            index = (*(slice(None),) * axis, slice(start, start + size))
            found.append(self.backend.xp.ascontiguousarray(grad_y[index]))
            start += size
        return found


@operator("Concat", 13)
def concat(node: Node) -> Module:
    """See `Concat`."""
    operation = Concat(node.operands())
    operation.axis = int(node.attribute("axis", 1))
    return operation


class Expand(Operation):
    """Broadcast to a shape."""

    on_host = frozenset({1})

    def apply(self, x: Array, sizes: np.ndarray) -> tuple[Array, Any]:
        """See the class."""
        try:
            shape = np.broadcast_shapes(x.shape, tuple(int(size) for size in sizes))
        except ValueError:
            raise ShapeError(f"Expand: {tuple(x.shape)} cannot be broadcast to {sizes.tolist()}.") from None
        check_size("Expand", shape)
        xp = self.backend.xp
        return xp.ascontiguousarray(xp.broadcast_to(x, shape)), x.shape

    def gradients(self, kept: Any, wanted: tuple[bool, ...], grad_y: Array) -> list[Array | None]:
        """The sum over all copies."""
        return [summed_to(grad_y, kept)]


@operator("Expand", 13)
def expand(node: Node) -> Module:
    """See `Expand`."""
    return Expand(node.operands(Expand.on_host))


class Tile(Operation):
    """Repeated along each axis."""

    on_host = frozenset({1})

    def apply(self, x: Array, repeats: np.ndarray) -> tuple[Array, Any]:
        """See the class."""
        counts = [int(count) for count in repeats]
        if len(counts) != x.ndim or min(counts, default=1) < 0:
            raise ShapeError(f"Tile: repeats {counts} are not one for each axis of {tuple(x.shape)}.")
        check_size("Tile", [size * count for size, count in zip(x.shape, counts, strict=True)])
        return self.backend.xp.tile(x, counts), (x.shape, counts)

    def gradients(self, kept: Any, wanted: tuple[bool, ...], grad_y: Array) -> list[Array | None]:
        """The sum over all copies."""
        shape, counts = kept
        pairs = [number for pair in zip(counts, shape, strict=True) for number in pair]
        return [grad_y.reshape(pairs).sum(axis=tuple(range(0, 2 * len(shape), 2))).reshape(shape)]


@operator("Tile", 13)
def tile(node: Node) -> Module:
    """See `Tile`."""
    if node.opset < 6:
        node.refuse("before opset 6 it repeats along one axis; wanted a number of repeats for each axis.")
    return Tile(node.operands(Tile.on_host))
