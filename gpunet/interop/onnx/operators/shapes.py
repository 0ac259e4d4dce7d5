"""The same numbers in another shape or order."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gpunet.errors import ShapeError
from gpunet.interop.onnx.node import Node
from gpunet.interop.onnx.operand import Operation
from gpunet.interop.onnx.registry import operator
from gpunet.layers import Flatten, Module
from gpunet.layers.module import Shape
from gpunet.state import Array


class Reshaped(Operation):
    """Base of what only changes the shape."""

    on_host = frozenset({1})

    def shape(self, x_shape: Shape, setting: np.ndarray | None) -> Shape:
        """The new shape."""
        raise NotImplementedError

    def apply(self, x: Array, setting: np.ndarray | None = None) -> tuple[Array, Any]:
        """See the class."""
        shape = self.shape(tuple(x.shape), setting)
        if math.prod(shape) != math.prod(x.shape):
            raise ShapeError(
                f"{math.prod(x.shape)} numbers of shape {tuple(x.shape)} do not fit the shape {tuple(shape)}. Was the "
                f"graph made for one batch size? Export it again with a dynamic one."
            )
        return x.reshape(shape), x.shape

    def gradients(self, kept: Any, wanted: tuple[bool, ...], grad_y: Array) -> list[Array | None]:
        """Back to the shape of x."""
        return [grad_y.reshape(kept)]


class Reshape(Reshaped):
    """To given sizes: one may be -1, and 0 stands for the input's size there.

    Attributes:
        fixed: the sizes where they are an attribute.
        allow_zero: 0 means 0.
    """

    fixed: np.ndarray | None = None
    allow_zero = False

    def shape(self, x_shape: Shape, setting: np.ndarray | None) -> Shape:
        """See the class."""
        given = self.fixed if setting is None else setting
        if given is None or given.ndim != 1:
            raise ShapeError(f"Reshape: the new shape is {given}, wanted a list of sizes.")
        sizes = [int(size) for size in given]
        if sizes.count(-1) > 1 or min(sizes, default=0) < -1:
            raise ShapeError(f"Reshape: {sizes} is no shape: one size may be -1, the others are at least 0.")
        if not self.allow_zero:
            if any(size == 0 and axis >= len(x_shape) for axis, size in enumerate(sizes)):
                raise ShapeError(f"Reshape: {sizes} copies a size that the shape {x_shape} does not have.")
            copied = [x_shape[axis] if size == 0 else size for axis, size in enumerate(sizes)]
        else:
            copied = sizes
        if -1 not in copied:
            return tuple(copied)
        known = math.prod(size for size in copied if size != -1)
        if known == 0 and x_shape and x_shape[0] == 0 == copied[0]:
            # An empty batch: what is left follows from one sample.
            known, total = math.prod(size for size in copied[1:] if size != -1), math.prod(x_shape[1:])
        else:
            total = math.prod(x_shape)
        if known == 0 or total % known:
            raise ShapeError(
                f"{math.prod(x_shape)} numbers of shape {x_shape} do not fit the shape {sizes}. Was the graph made for "
                f"one batch size? Export it again with a dynamic one."
            )
        return tuple(total // known if size == -1 else size for size in copied)


@operator("Reshape", 25)
def reshape(node: Node) -> Module:
    """See `Reshape`."""
    operation = Reshape(node.operands(Reshaped.on_host))
    operation.allow_zero = bool(node.attribute("allowzero", 0))
    if node.has_attribute("shape"):
        operation.fixed = np.asarray(node.attribute("shape"))
    elif len(operation.operands) < 2:
        node.refuse("the new shape is missing.")
    return operation


class FlattenAt(Reshaped):
    """Two axes: those before ``axis`` as one, and those from it on as one."""

    axis = 1

    def shape(self, x_shape: Shape, setting: np.ndarray | None) -> Shape:
        """See the class."""
        axis = self.axis + len(x_shape) if self.axis < 0 else self.axis
        if not 0 <= axis <= len(x_shape):
            raise ShapeError(f"Flatten: axis={self.axis} is no axis of {x_shape}.")
        return (math.prod(x_shape[:axis]), math.prod(x_shape[axis:]))


@operator("Flatten", 25)
def flatten(node: Node) -> Module:
    """`Flatten` behind the batch, else `FlattenAt`."""
    axis, rank = int(node.attribute("axis", 1)), node.rank()
    if axis == 1 and rank is not None and rank > 1 and node.inputs[0] is not None and node.inputs[0].kind == "array":
        return Flatten()
    operation = FlattenAt(node.operands())
    operation.axis = axis
    return operation


class Squeeze(Reshaped):
    """Without the given axes of size 1, or without all of them.

    Attributes:
        fixed: the axes where they are an attribute.
    """

    fixed: np.ndarray | None = None

    def shape(self, x_shape: Shape, setting: np.ndarray | None) -> Shape:
        """See the class."""
        given = self.fixed if setting is None else setting
        if given is None:
            return tuple(size for size in x_shape if size != 1)
        axes = _axes(given, len(x_shape), "Squeeze")
        # An empty batch stands for one of any size, here of one.
        if any(x_shape[axis] > 1 or (x_shape[axis] == 0 and axis > 0) for axis in axes):
            raise ShapeError(f"Squeeze: axes {sorted(axes)} of {x_shape} are not all of size 1.")
        return tuple(size for axis, size in enumerate(x_shape) if axis not in axes)


@operator("Squeeze", 25)
def squeeze(node: Node) -> Module:
    """See `Squeeze`."""
    return _with_axes(node, Squeeze(node.operands(Reshaped.on_host)))


class Unsqueeze(Reshaped):
    """With axes of size 1 put in.

    Attributes:
        fixed: the axes where they are an attribute.
    """

    fixed: np.ndarray | None = None

    def shape(self, x_shape: Shape, setting: np.ndarray | None) -> Shape:
        """See the class."""
        given = self.fixed if setting is None else setting
        if given is None:
            raise ShapeError("Unsqueeze: the axes are missing.")
        ndim = len(x_shape) + given.size
        axes = _axes(given, ndim, "Unsqueeze")
        if len(axes) != given.size:
            raise ShapeError(f"Unsqueeze: axes {given.tolist()} name one axis twice.")
        sizes = iter(x_shape)
        return tuple(1 if axis in axes else next(sizes) for axis in range(ndim))


@operator("Unsqueeze", 25)
def unsqueeze(node: Node) -> Module:
    """See `Unsqueeze`."""
    return _with_axes(node, Unsqueeze(node.operands(Reshaped.on_host)))


def _with_axes(node: Node, operation: Squeeze | Unsqueeze) -> Module:
    if node.has_attribute("axes"):
        operation.fixed = np.asarray(node.attribute("axes"))
    return operation


def _axes(given: np.ndarray, ndim: int, name: str) -> set[int]:
    axes = [int(axis) for axis in given.reshape(-1)]
    if any(not -ndim <= axis < ndim for axis in axes):
        raise ShapeError(f"{name}: axes {axes} are not all axes of a {ndim}-d value.")
    return {axis % ndim for axis in axes}


class Transpose(Operation):
    """The axes in another order; reversed by default.

    Attributes:
        order: where each axis of the output comes from.
    """

    order: tuple[int, ...] | None = None

    def apply(self, x: Array) -> tuple[Array, Any]:
        """See the class."""
        order = tuple(reversed(range(x.ndim))) if self.order is None else self.order
        if sorted(order) != list(range(x.ndim)):
            raise ShapeError(f"Transpose: perm={list(order)} is no order of the axes of {tuple(x.shape)}.")
        return self.backend.xp.ascontiguousarray(self.backend.xp.transpose(x, order)), order

    def gradients(self, kept: Any, wanted: tuple[bool, ...], grad_y: Array) -> list[Array | None]:
        """The order undone."""
        xp = self.backend.xp
        return [xp.ascontiguousarray(xp.transpose(grad_y, np.argsort(kept).tolist()))]


@operator("Transpose", 25)
def transpose(node: Node) -> Module:
    """See `Transpose`."""
    operation = Transpose(node.operands())
    order = node.attribute("perm", None)
    operation.order = None if order is None else tuple(int(axis) for axis in order)
    return operation


class Blocks(Operation):
    """Channels to places inside blocks of ``size`` x ``size`` elements, or back.

    Attributes:
        size: of a block.
        to_depth: from places to channels.
        columns_first: DepthToSpace's mode CRD: the channels of one output channel stand together.
    """

    size = 1
    to_depth = False
    columns_first = False

    def apply(self, x: Array) -> tuple[Array, Any]:
        """See the class."""
        return (self._pack(x) if self.to_depth else self._spread(x)), None

    def gradients(self, kept: Any, wanted: tuple[bool, ...], grad_y: Array) -> list[Array | None]:
        """Each is the other's inverse."""
        return [self._spread(grad_y) if self.to_depth else self._pack(grad_y)]

    def _spread(self, x: Array) -> Array:
        images, channels, height, width = self._four(x)
        size, xp = self.size, self.backend.xp
        if channels % size**2:
            raise ShapeError(f"{channels} channels are not divisible by {size} x {size}.")
        if self.columns_first:
            split = x.reshape(images, channels // size**2, size, size, height, width).transpose(0, 1, 4, 2, 5, 3)
        else:
            split = x.reshape(images, size, size, channels // size**2, height, width).transpose(0, 3, 4, 1, 5, 2)
        return xp.ascontiguousarray(split).reshape(images, channels // size**2, height * size, width * size)

    def _pack(self, x: Array) -> Array:
        images, channels, height, width = self._four(x)
        size, xp = self.size, self.backend.xp
        if height % size or width % size:
            raise ShapeError(f"a {height}x{width} image is not divisible into blocks of {size}x{size}.")
        split = x.reshape(images, channels, height // size, size, width // size, size)
        order = (0, 1, 3, 5, 2, 4) if self.columns_first else (0, 3, 5, 1, 2, 4)
        packed = xp.ascontiguousarray(split.transpose(order))
        return packed.reshape(images, channels * size**2, height // size, width // size)

    def _four(self, x: Array) -> Shape:
        if x.ndim != 4:
            raise ShapeError(f"got an input of shape {tuple(x.shape)}, wanted images.")
        return tuple(x.shape)


@operator("DepthToSpace", 28)
def depth_to_space(node: Node) -> Module:
    """See `Blocks`."""
    operation = _blocks(node)
    operation.columns_first = node.choice("mode", "DCR", ("DCR", "CRD")) == "CRD"
    return operation


@operator("SpaceToDepth", 28)
def space_to_depth(node: Node) -> Module:
    """See `Blocks`."""
    operation = _blocks(node)
    operation.to_depth = True
    operation.columns_first = node.choice("mode", "DCR", ("DCR", "CRD")) == "CRD"
    return operation


def _blocks(node: Node) -> Blocks:
    operation = Blocks(node.operands())
    operation.size = int(node.attribute("blocksize"))
    if operation.size < 1:
        node.refuse(f"blocksize={operation.size}, wanted at least 1.")
    return operation
