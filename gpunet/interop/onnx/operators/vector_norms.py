"""Elements divided by the norm of those along some axes."""

from __future__ import annotations

from typing import Any

from gpunet.interop.onnx.node import Node
from gpunet.interop.onnx.operand import Operation
from gpunet.interop.onnx.registry import operator
from gpunet.layers.module import Module
from gpunet.state import Array


@operator("LpNormalization", 22)
def lp_normalization(node: Node) -> Module:
    """x / norm along one axis, 0 where the norm is 0."""
    p = int(node.attribute("p", 2))
    if p not in (1, 2):
        node.refuse(f"p={p} is not supported; wanted 1 or 2.")
    operation = LpNormalization(node.operands())
    operation.axis, operation.p = int(node.attribute("axis", -1)), p
    return operation


class LpNormalization(Operation):
    """y = x / norm.

    Attributes:
        axis: along which the norm is taken.
        p: 1 or 2.
    """

    axis = -1
    p = 2

    def apply(self, x: Array) -> tuple[Array, Any]:
        """See the class."""
        xp = self.backend.xp
        powers = abs(x) if self.p == 1 else x * x
        norm = powers.sum(axis=self.axis, keepdims=True)
        norm = norm if self.p == 1 else xp.sqrt(norm)
        inverse = xp.where(norm == 0, 0, 1 / xp.where(norm == 0, 1, norm)).astype(x.dtype)
        return x * inverse, (x, inverse)

    def gradients(self, kept: Any, wanted: tuple[bool, ...], grad_y: Array) -> list[Array | None]:
        """Through x itself and through the norm."""
        x, inverse = kept
        along = (grad_y * x).sum(axis=self.axis, keepdims=True) * inverse * inverse
        slope = self.backend.xp.sign(x) if self.p == 1 else x * inverse
        return [grad_y * inverse - along * slope]


@operator("MeanVarianceNormalization", 13)
def mean_variance_normalization(node: Node) -> Module:
    """(x - mean) / (standard deviation + 1e-9) over some axes."""
    operation = MeanVarianceNormalization(node.operands())
    operation.axes = tuple(int(axis) for axis in node.attribute("axes", [0, 2, 3]))
    return operation


class MeanVarianceNormalization(Operation):
    """y = (x - mean) / (std + 1e-9).

    Attributes:
        axes: over which mean and standard deviation are taken.
    """

    axes: tuple[int, ...] = (0, 2, 3)

    def apply(self, x: Array) -> tuple[Array, Any]:
        """See the class."""
        xp = self.backend.xp
        centred = x - x.mean(axis=self.axes, keepdims=True)
        std = xp.sqrt((centred * centred).mean(axis=self.axes, keepdims=True))
        inverse = (1 / (std + 1e-9)).astype(x.dtype, copy=False)
        return centred * inverse, (centred, std, inverse)

    def gradients(self, kept: Any, wanted: tuple[bool, ...], grad_y: Array) -> list[Array | None]:
        """Through x itself, the mean and the standard deviation."""
        centred, std, inverse = kept
        xp = self.backend.xp
        direct = grad_y - grad_y.mean(axis=self.axes, keepdims=True)
        along = (grad_y * centred).mean(axis=self.axes, keepdims=True)
        through_std = xp.where(std > 0, along * inverse * centred / xp.where(std > 0, std, 1), 0)
        return [((direct - through_std) * inverse).astype(grad_y.dtype, copy=False)]
