"""Sums, means, extrema and norms over axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gpunet.errors import ShapeError
from gpunet.interop.onnx.node import Node
from gpunet.interop.onnx.operand import Operand, Operation
from gpunet.interop.onnx.registry import operator
from gpunet.layers.module import Module
from gpunet.state import Array

Reduce = Callable[[Any, Array, tuple[int, ...]], Array]
Slope = Callable[[Any, Array, Array, int], Array]


def _log_sum_exp(xp: Any, x: Array, axes: tuple[int, ...]) -> Array:
    top = x.max(axis=axes, keepdims=True)
    top = xp.where(xp.isfinite(top), top, 0)
    return xp.log(xp.exp(x - top).sum(axis=axes, keepdims=True)) + top


def _share_of_extreme(xp: Any, x: Array, y: Array, count: int) -> Array:
    """Equal elements share the gradient, as in PyTorch's amax."""
    return x == y


def _slope_of_product(xp: Any, x: Array, y: Array, count: int) -> Array:
    raise NotImplementedError  # needs the axes: see Reduction.gradients


# What each computes with the axes kept, and the slope of y towards x.
_TABLE: dict[str, tuple[int, Reduce, Slope]] = {
    "ReduceSum": (13, lambda xp, x, axes: x.sum(axis=axes, keepdims=True), lambda xp, x, y, n: xp.ones_like(x)),
    "ReduceMean": (18, lambda xp, x, axes: x.mean(axis=axes, keepdims=True), lambda xp, x, y, n: xp.ones_like(x) / n),
    "ReduceMax": (20, lambda xp, x, axes: x.max(axis=axes, keepdims=True), _share_of_extreme),
    "ReduceMin": (20, lambda xp, x, axes: x.min(axis=axes, keepdims=True), _share_of_extreme),
    "ReduceProd": (18, lambda xp, x, axes: x.prod(axis=axes, keepdims=True), _slope_of_product),
    "ReduceL1": (18, lambda xp, x, axes: abs(x).sum(axis=axes, keepdims=True), lambda xp, x, y, n: xp.sign(x)),
    "ReduceL2": (
        18,
        lambda xp, x, axes: xp.sqrt((x * x).sum(axis=axes, keepdims=True)),
        lambda xp, x, y, n: x / xp.where(y == 0, 1, y),
    ),
    "ReduceSumSquare": (18, lambda xp, x, axes: (x * x).sum(axis=axes, keepdims=True), lambda xp, x, y, n: 2 * x),
    "ReduceLogSum": (
        28,
        lambda xp, x, axes: xp.log(x.sum(axis=axes, keepdims=True)),
        lambda xp, x, y, n: xp.exp(-y) * xp.ones_like(x),
    ),
    "ReduceLogSumExp": (28, _log_sum_exp, lambda xp, x, y, n: xp.exp(x - y)),
}
_EXTREMA = ("ReduceMax", "ReduceMin")
_OF_NOTHING = {
    "ReduceMax": -np.inf,
    "ReduceMin": np.inf,
    "ReduceLogSumExp": -np.inf,
    "ReduceMean": np.nan,
}  # where NumPy would refuse


class Reduction(Operation):
    """One number for all elements along some axes.

    Args:
        name: of the operator.
        operands: x, and the axes if they are an input.
        axes: fixed ones, or None for those of the input, or all if there is none.
        keepdims: whether the axes stay, with one element each.
        empty_is_none: no axes mean that nothing is reduced, instead of everything.
        spatial: the axes are all but the first two.
    """

    on_host = frozenset({1})

    def __init__(
        self,
        name: str,
        operands: Sequence[Operand],
        axes: Sequence[int] | None,
        keepdims: bool,
        empty_is_none: bool = False,
        spatial: bool = False,
    ) -> None:
        super().__init__(operands)
        self.name, self.axes, self.keepdims = name, None if axes is None else tuple(axes), keepdims
        self.empty_is_none, self.spatial = empty_is_none, spatial

    def _axes(self, ndim: int, given: np.ndarray | None) -> tuple[int, ...]:
        if self.spatial:
            return tuple(range(2, ndim))
        axes = self.axes if given is None else tuple(int(axis) for axis in given.reshape(-1))
        if not axes:
            return () if self.empty_is_none else tuple(range(ndim))
        if any(not -ndim <= axis < ndim for axis in axes):
            raise ShapeError(f"{self.name}: axes {axes} are not all axes of a {ndim}-d input.")
        return tuple(sorted({axis % ndim for axis in axes}))

    def apply(self, x: Array, axes: np.ndarray | None = None) -> tuple[Array, Any]:
        """See the class; no axes leave each element to itself."""
        xp = self.backend.xp
        chosen = self._axes(x.ndim, axes)
        if self.name in _OF_NOTHING and any(x.shape[axis] == 0 for axis in chosen):
            shape = tuple(1 if axis in chosen else size for axis, size in enumerate(x.shape))
            y = xp.full(shape, _OF_NOTHING[self.name], x.dtype)
        else:
            with np.errstate(divide="ignore"):
                y = _TABLE[self.name][1](xp, x, chosen)
        result = y if self.keepdims else y.reshape([size for axis, size in enumerate(x.shape) if axis not in chosen])
        return xp.asarray(result).astype(x.dtype, copy=False), (x, y, chosen)

    def gradients(self, kept: Any, wanted: tuple[bool, ...], grad_y: Array) -> list[Array | None]:
        """Each element's slope times the gradient of its result."""
        x, y, chosen = kept
        xp = self.backend.xp
        grad = grad_y.reshape(y.shape)
        count = int(np.prod([x.shape[axis] for axis in chosen], dtype=np.int64))
        if self.name == "ReduceProd":
            return [(grad * _product_of_others(xp, x, chosen)).astype(x.dtype, copy=False)]
        slope = _TABLE[self.name][2](xp, x, y, count)
        if self.name in _EXTREMA:
            slope = slope / slope.sum(axis=chosen, keepdims=True)
        return [(grad * slope).astype(x.dtype, copy=False)]

    def describe(self) -> str:
        """The operator and its axes."""
        return self.name if self.axes is None else f"{self.name}, axes={self.axes}"


def _product_of_others(xp: Any, x: Array, axes: tuple[int, ...]) -> Array:
    """For each element the product of all others along the axes, right where there are zeros too."""
    rest = [axis for axis in range(x.ndim) if axis not in axes]
    moved = xp.transpose(x, (*rest, *axes))
    flat = moved.reshape(*(x.shape[axis] for axis in rest), -1)
    ones = xp.ones((*flat.shape[:-1], 1), x.dtype)
    before = xp.cumprod(xp.concatenate([ones, flat[..., :-1]], axis=-1), axis=-1)
    after = xp.cumprod(xp.concatenate([ones, flat[..., :0:-1]], axis=-1), axis=-1)[..., ::-1]
    return xp.transpose((before * after).reshape(moved.shape), np.argsort((*rest, *axes)).tolist())


def _register(name: str, newest: int) -> None:
    @operator(name, newest)
    def build(node: Node) -> Module:
        axes = node.attribute("axes", None)
        return Reduction(
            name,
            node.operands(Reduction.on_host),
            None if axes is None else [int(axis) for axis in axes],
            bool(node.attribute("keepdims", 1)),
            bool(node.attribute("noop_with_empty_axes", 0)),
        )


for _name, _line in _TABLE.items():
    _register(_name, _line[0])
