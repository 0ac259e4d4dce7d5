"""Images made larger or smaller: Resize and the older Upsample."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from gpunet.errors import ShapeError
from gpunet.interop.onnx.node import Node
from gpunet.interop.onnx.operand import Operand, Operation
from gpunet.interop.onnx.operators.resize_axis import AxisTaps, ResizeRule, axis_taps
from gpunet.interop.onnx.registry import operator
from gpunet.interop.onnx.sizes import check_size
from gpunet.layers.module import Module, Shape
from gpunet.state import Array


class Resize(Operation):
    """Each axis by itself: nearest elements, or sums of weighted neighbours.

    Args:
        operands: x, and region, scales and sizes where they are inputs.
        rule: how one axis is computed.
        places: which input is the region, the scales and the sizes; None where there is none.
        axes: that region, scales and sizes are given for; None for all.
        policy: what becomes of the proportions if sizes are given: stretch, not_larger or not_smaller.
        scales: where they are an attribute.
    """

    on_host = frozenset({1, 2, 3})

    def __init__(
        self,
        operands: Sequence[Operand],
        rule: ResizeRule,
        places: tuple[int | None, int | None, int | None],
        axes: Sequence[int] | None = None,
        policy: str = "stretch",
        scales: Sequence[float] | None = None,
    ) -> None:
        super().__init__(operands)
        self.rule, self.places, self.policy = rule, places, policy
        self.axes = None if axes is None else tuple(axes)
        self.scales = None if scales is None else tuple(scales)
        self._known: dict[Any, list[tuple[int, AxisTaps]]] = {}

    def apply(self, x: Array, *given: np.ndarray | None) -> tuple[Array, Any]:
        """See the class."""
        settings = [
            None if place is None or place > len(given) or given[place - 1] is None else given[place - 1]
            for place in self.places
        ]
        steps = self._steps(tuple(x.shape), *settings)
        y = x
        for axis, taps in steps:
            y = self._resized(y, axis, taps)
        for axis, taps in steps:
            if taps.outside is not None:
                shape = [-1 if number == axis else 1 for number in range(y.ndim)]
                outside = self.backend.asarray(taps.outside).reshape(shape)
                y = self.backend.xp.where(outside, y.dtype.type(self.rule.extrapolation), y)
        return y, steps

    def gradients(self, kept: Any, wanted: tuple[bool, ...], grad_y: Array) -> list[Array | None]:
        """Each input element gets the sum of what it gave, weighted as it was."""
        xp, grad = self.backend.xp, grad_y
        for axis, taps in kept:
            if taps.outside is not None:
                shape = [-1 if number == axis else 1 for number in range(grad.ndim)]
                grad = xp.where(self.backend.asarray(taps.outside).reshape(shape), 0, grad)
        for axis, taps in reversed(kept):
            matrix = self.backend.asarray(taps.matrix(), grad.dtype)
            grad = xp.moveaxis(xp.matmul(xp.moveaxis(grad, axis, -1), matrix), -1, axis)
        return [xp.ascontiguousarray(grad)]

    def _resized(self, x: Array, axis: int, taps: AxisTaps) -> Array:
        backend, total = self.backend, None
        for tap in range(taps.indices.shape[1]):
            taken = backend.xp.take(x, backend.asarray(taps.indices[:, tap]), axis=axis)
            if taps.copies:
                return taken
            shape = [-1 if number == axis else 1 for number in range(x.ndim)]
            part = taken * backend.asarray(taps.weights[:, tap], x.dtype).reshape(shape)
            total = part if total is None else total + part
        return total

    def _steps(
        self, shape: Shape, region: np.ndarray | None, scales: np.ndarray | None, sizes: np.ndarray | None
    ) -> list[tuple[int, AxisTaps]]:
        """What is done along which axes; remembered for the next forward of this shape."""
        key = (shape, *(None if array is None else array.tobytes() for array in (region, scales, sizes)))
        if key not in self._known:
            self._known = {key: self._computed(shape, region, scales, sizes)}
        return self._known[key]

    def _computed(
        self, shape: Shape, region: np.ndarray | None, scales: np.ndarray | None, sizes: np.ndarray | None
    ) -> list[tuple[int, AxisTaps]]:
        ndim = len(shape)
        axes = list(range(ndim)) if self.axes is None else [axis % ndim for axis in self.axes]
        factors: list[float]
        if sizes is not None and sizes.size:
            wanted = [int(size) for size in sizes.reshape(-1)]
            self._require(len(wanted) == len(axes), f"sizes {wanted} are not one for each axis of {shape}")
            factors = [size / shape[axis] if shape[axis] else 1.0 for axis, size in zip(axes, wanted, strict=True)]
            if self.policy != "stretch":
                factor = (min if self.policy == "not_larger" else max)(factors)
                factors = [factor] * len(axes)
                wanted = [math.floor(factor * shape[axis] + 0.5) for axis in axes]
        else:
            given = self.scales if scales is None or not scales.size else [float(s) for s in scales.reshape(-1)]
            self._require(given is not None and len(given) == len(axes), f"scales {given} do not fit the shape {shape}")
            factors = list(given or ())
            wanted = [math.floor(shape[axis] * factor) for axis, factor in zip(axes, factors, strict=True)]
        self._require(all(math.isfinite(f) and f > 0 for f in factors), f"scales {factors} are not all above 0")
        check_size("Resize", [size for axis, size in zip(axes, wanted, strict=True) if axis > 0])
        regions = [(0.0, 1.0)] * len(axes)
        if region is not None and region.size:
            self._require(region.size == 2 * len(axes), f"roi of {region.size} numbers does not fit the shape {shape}")
            regions = list(zip(region[: len(axes)].tolist(), region[len(axes) :].tolist(), strict=True))
        steps = []
        for axis, size, factor, part in zip(axes, wanted, factors, regions, strict=True):
            if axis == 0:
                self._require(
                    size == shape[0],
                    f"the batch of {shape[0]} would be resized to {size}. Was the graph made for one batch size? "
                    f"Export it again with a dynamic one",
                )
                continue
            taps = axis_taps(self.rule, shape[axis], size, factor, part)
            if taps.changes or taps.outside is not None:
                steps.append((axis, taps))
        return steps

    def _require(self, holds: bool, problem: str) -> None:
        if not holds:
            raise ShapeError(f"Resize: {problem}.")


_COORDINATES = (
    "half_pixel",
    "half_pixel_symmetric",
    "pytorch_half_pixel",
    "align_corners",
    "asymmetric",
    "tf_crop_and_resize",
)


@operator("Resize", 19)
def resize(node: Node) -> Module:
    """See `Resize`."""
    mode = node.choice("mode", "nearest", ("nearest", "linear", "cubic"))
    if node.opset < 11:
        rule = ResizeRule(mode, "asymmetric", "floor")
        return Resize(node.operands(Resize.on_host), rule, (None, 1, None))
    coordinates = node.choice("coordinate_transformation_mode", "half_pixel", _COORDINATES)
    rule = ResizeRule(
        mode,
        coordinates,
        node.choice("nearest_mode", "round_prefer_floor", ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")),
        float(node.attribute("cubic_coeff_a", -0.75)),
        bool(node.attribute("exclude_outside", 0)),
        bool(node.attribute("antialias", 0)),
        float(node.attribute("extrapolation_value", 0.0)),
    )
    return Resize(
        node.operands(Resize.on_host),
        rule,
        (1 if coordinates == "tf_crop_and_resize" else None, 2, 3),
        node.attribute("axes", None),
        node.choice("keep_aspect_ratio_policy", "stretch", ("stretch", "not_larger", "not_smaller")),
    )


@operator("Upsample", 10)
def upsample(node: Node) -> Module:
    """Resize as it was before opset 10."""
    rule = ResizeRule(node.choice("mode", "nearest", ("nearest", "linear", "bilinear")), "asymmetric", "floor")
    if rule.mode == "bilinear":
        rule = ResizeRule("linear", "asymmetric", "floor")
    scales = node.attribute("scales", None)
    return Resize(node.operands(Resize.on_host), rule, (None, 1, None), scales=scales)
