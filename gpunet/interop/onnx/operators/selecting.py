"""Parts of an array: Slice, Split and Gather."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gpunet.errors import ShapeError
from gpunet.interop.onnx.node import Node
from gpunet.interop.onnx.operand import Operand, Operation
from gpunet.interop.onnx.registry import operator
from gpunet.layers.module import Module
from gpunet.state import Array


def taken_back(xp: Any, asarray: Any, grad: Array, indices: np.ndarray, size: int, axis: int) -> Array:
    """The gradient of ``take(x, indices, axis)``: what was taken several times gets the sum.

    In rounds in which no index comes twice, so that the order of additions is fixed.

    Args:
        grad: of the result.
        indices: (n,) on the host, each in [0, size).
        size: of the axis of x.
    """
    grad_x = xp.zeros((*grad.shape[:axis], size, *grad.shape[axis + 1 :]), grad.dtype)
    order = np.argsort(indices, kind="stable")
    ranked = indices[order]
    starts = np.searchsorted(ranked, ranked, side="left")
    rounds = np.empty(len(indices), np.int64)
    rounds[order] = np.arange(len(indices)) - starts
    before: tuple[slice, ...] = (slice(None),) * axis
    for number in range(int(rounds.max(initial=-1)) + 1):
        places = np.flatnonzero(rounds == number)
        grad_x[(*before, asarray(indices[places]))] += grad[(*before, asarray(places))]
    return grad_x


class Gather(Operation):
    """The elements with given indices along one axis; the indices' shape takes the place of the axis."""

    on_host = frozenset({1})
    axis = 0

    def apply(self, x: Array, indices: np.ndarray) -> tuple[Array, Any]:
        """See the class."""
        axis = _axis(self.axis, x.ndim, "Gather")
        size = x.shape[axis]
        if indices.size and not (-size <= indices.min() and indices.max() < size) and size:
            raise ShapeError(f"Gather: indices reach from {indices.min()} to {indices.max()}, the axis has {size}.")
        flat = np.where(indices < 0, indices + size, indices).reshape(-1).astype(np.int64)
        shape = (*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])
        if not size:  # of an empty batch
            return self.backend.xp.zeros(shape, x.dtype), (flat[:0], indices.ndim, 0, axis)
        taken = self.backend.xp.take(x, self.backend.asarray(flat), axis=axis)
        return taken.reshape(shape), (flat, indices.ndim, size, axis)

    def gradients(self, kept: Any, wanted: tuple[bool, ...], grad_y: Array) -> list[Array | None]:
        """See `taken_back`."""
        flat, index_axes, size, axis = kept
        grad = grad_y.reshape(*grad_y.shape[:axis], len(flat), *grad_y.shape[axis + index_axes :])
        return [taken_back(self.backend.xp, self.backend.asarray, grad, flat, size, axis)]


@operator("Gather", 13)
def gather(node: Node) -> Module:
    """See `Gather`."""
    operation = Gather(node.operands(Gather.on_host))
    operation.axis = int(node.attribute("axis", 0))
    return operation


class Slice(Operation):
    """From start to end in steps along some axes.

    Attributes:
        fixed: starts, ends and axes where they are attributes.
    """

    on_host = frozenset({1, 2, 3, 4})
    fixed: tuple[np.ndarray, np.ndarray, np.ndarray | None] | None = None

    def apply(self, x: Array, *given: np.ndarray | None) -> tuple[Array, Any]:
        """See the class."""
        if self.fixed is not None:
            given = (*self.fixed, None)
        starts, ends, axes, steps = (*given, None, None, None, None)[:4]
        if starts is None or ends is None:
            raise ShapeError("Slice: starts or ends are missing.")
        count = starts.size
        chosen_axes = range(count) if axes is None else [int(axis) for axis in axes.reshape(-1)]
        chosen_steps = [1] * count if steps is None else [int(step) for step in steps.reshape(-1)]
        parts = [slice(None)] * x.ndim
        for start, end, axis, step in zip(starts.reshape(-1), ends.reshape(-1), chosen_axes, chosen_steps, strict=True):
            if step == 0:
                raise ShapeError("Slice: a step is 0.")
            place = _axis(axis, x.ndim, "Slice")
            parts[place] = _python_slice(int(start), int(end), step, x.shape[place])
        index = tuple(parts)
        return self.backend.xp.ascontiguousarray(x[index]), (x.shape, index)

    def gradients(self, kept: Any, wanted: tuple[bool, ...], grad_y: Array) -> list[Array | None]:
        """What was cut off gets 0."""
        shape, index = kept
        grad_x = self.backend.xp.zeros(shape, grad_y.dtype)
        grad_x[index] = grad_y
        return [grad_x]


def _python_slice(start: int, end: int, step: int, size: int) -> slice:
    """ONNX's rule as Python's: with a negative step an end of -size - 1 or less means up to the first element."""
    start += size if start < 0 else 0
    end += size if end < 0 else 0
    if step > 0:
        return slice(min(max(start, 0), size), min(max(end, 0), size), step)
    start, end = min(max(start, -1), size - 1), min(max(end, -1), size - 1)
    return slice(start, None if end < 0 else end, step) if start >= 0 else slice(0, 0)


@operator("Slice", 13)
def slice_(node: Node) -> Module:
    """See `Slice`."""
    operation = Slice(node.operands(Slice.on_host))
    if node.has_attribute("starts"):
        axes = node.attribute("axes", None)
        operation.fixed = (
            np.asarray(node.attribute("starts")),
            np.asarray(node.attribute("ends")),
            None if axes is None else np.asarray(axes),
        )
    return operation


class Split(Operation):
    """Several parts along one axis, as many outputs.

    Args:
        operands: x, and the sizes if they are an input.
        outputs: how many parts.
        axis: along which.
        sizes: of the parts where they are an attribute; else equal ones, the last one smaller if need be.
    """

    on_host = frozenset({1})

    def __init__(self, operands: Sequence[Operand], outputs: int, axis: int, sizes: Sequence[int] | None) -> None:
        super().__init__(operands)
        self.outputs, self.axis, self.sizes = outputs, axis, sizes

    def apply(self, x: Array, given: np.ndarray | None = None) -> tuple[Any, Any]:
        """See the class."""
        axis = _axis(self.axis, x.ndim, "Split")
        total = x.shape[axis]
        if given is not None:
            sizes = [int(size) for size in given.reshape(-1)]
        elif self.sizes is not None:
            sizes = list(self.sizes)
        else:
            part = -(-total // self.outputs)
            sizes = [max(0, min(part, total - start * part)) for start in range(self.outputs)]
        if sum(sizes) != total or min(sizes, default=0) < 0 or len(sizes) < self.outputs:
            raise ShapeError(f"Split: parts of {sizes} do not make up the {total} elements of axis {axis}.")
        parts, start = [], 0
        for size in sizes:
            index = (*(slice(None),) * axis, slice(start, start + size))
            parts.append(self.backend.xp.ascontiguousarray(x[index]))
            start += size
        return (tuple(parts) if len(parts) > 1 else parts[0]), axis

    def gradients(self, kept: Any, wanted: tuple[bool, ...], *grads: Array) -> list[Array | None]:
        """The parts put together again."""
        return [self.backend.xp.concatenate(grads, axis=kept)]


@operator("Split", 18)
def split(node: Node) -> Module:
    """See `Split`."""
    sizes = node.attribute("split", None)
    return Split(
        node.operands(Split.on_host),
        int(node.attribute("num_outputs", len(node.outputs))),
        int(node.attribute("axis", 0)),
        None if sizes is None else [int(size) for size in sizes],
    )


def _axis(axis: int, ndim: int, name: str) -> int:
    if not -ndim <= axis < ndim:
        raise ShapeError(f"{name}: axis={axis} is no axis of a {ndim}-d value.")
    return int(axis) % ndim
