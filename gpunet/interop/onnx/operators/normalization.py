"""Normalisation: layers of ours, and what they do not do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from gpunet.errors import ShapeError
from gpunet.interop.onnx.node import Node, is_learned
from gpunet.interop.onnx.operand import Operand, Operation, shape_of, summed_to
from gpunet.interop.onnx.registry import operator
from gpunet.layers import BatchNorm1d, BatchNorm2d, GroupNorm, LayerNorm, LocalResponseNorm, Module
from gpunet.state import Array, Buffer, Parameter


class BatchNormAnyRank(BatchNorm2d):
    """`BatchNorm2d` for inputs with any number of axes behind the channels."""

    _wanted = "({0}, ...)"
    _axes: Any = tuple(range(1, 9))


@operator("BatchNormalization", 15)
def batch_normalization(node: Node) -> Module:
    """A batch norm with the node's statistics; it uses and tracks those of the batch when it is trained."""
    if len([name for name in node.outputs if name]) > 1:
        node.refuse("only its first output is supported; running statistics are buffers of the layer.")
    if node.opset < 9 and not node.attribute("spatial", 1):
        node.refuse("spatial=0 is not supported; wanted statistics for each channel.")
    weight, bias, mean, variance = (
        node.weight(index, what, ndim=1) for index, what in ((1, "scale"), (2, "bias"), (3, "mean"), (4, "variance"))
    )
    if not weight.shape == bias.shape == mean.shape == variance.shape or not weight.size:
        node.refuse(
            f"scale, bias, mean and variance have shapes {weight.shape}, {bias.shape}, {mean.shape} and "
            f"{variance.shape}; wanted one size, the number of channels."
        )
    kind = {2: BatchNorm1d, 3: BatchNorm1d, 4: BatchNorm2d, None: BatchNorm2d}.get(node.rank(), BatchNormAnyRank)
    layer = kind(
        len(weight), float(node.attribute("epsilon", 1e-5)), round(1 - float(node.attribute("momentum", 0.9)), 7)
    )
    layer.weight, layer.bias = _affine(node)
    layer.running_mean, layer.running_var = Buffer(np.array(mean)), Buffer(np.array(variance))
    for index, attribute in enumerate(("weight", "bias", "running_mean", "running_var"), start=1):
        node.bind(index, attribute)
    return layer


def _affine(node: Node) -> tuple[Parameter, Parameter]:
    """Scale and shift; ones and zeros that are constants, as of a layer without them, are not trained."""
    found = []
    for index, neutral in ((1, 1), (2, 0)):
        value = node.inputs[index]
        assert value is not None
        assert value.content is not None
        plain = not value.learned and bool((value.content == neutral).all())
        found.append(Parameter(np.array(value.content), trainable=not plain))
    return found[0], found[1]


@operator("InstanceNormalization", 22)
def instance_normalization(node: Node) -> Module:
    """A group norm whose groups are single channels."""
    channels = len(node.weight(1, "scale", ndim=1))
    return _group_norm(node, channels, channels)


@operator("GroupNormalization", 21)
def group_normalization(node: Node) -> Module:
    """A group norm."""
    if node.opset < 21:
        node.refuse("before opset 21 it scales whole groups; wanted a scale for each channel. Convert it to opset 21.")
    return _group_norm(node, int(node.attribute("num_groups")), len(node.weight(1, "scale", ndim=1)))


def _group_norm(node: Node, groups: int, channels: int) -> GroupNorm:
    weight, bias = node.weight(1, "scale", ndim=1), node.weight(2, "bias", ndim=1)
    if groups < 1 or channels < 1 or channels % groups or bias.shape != weight.shape:
        node.refuse(f"scale {weight.shape}, bias {bias.shape} and {groups} groups do not fit together.")
    layer = GroupNorm(groups, channels, float(node.attribute("epsilon", 1e-5)))
    layer.weight, layer.bias = _affine(node)
    node.bind(1, "weight")
    node.bind(2, "bias")
    return layer


@operator("LayerNormalization", 17)
def layer_normalization(node: Node) -> Module:
    """A layer norm; where statistics are wanted too, or the scale is broadcast, the general form."""
    axis, eps, rank = int(node.attribute("axis", -1)), float(node.attribute("epsilon", 1e-5)), node.rank()
    scale, bias = node.given(1), node.given(2)
    axes = -axis if axis < 0 else None if rank is None else rank - axis
    plain = (
        len([name for name in node.outputs if name]) == 1
        and scale is not None
        and is_learned(scale)
        and scale.content is not None
        and scale.content.ndim == axes
        and (
            bias is None
            or (is_learned(bias) and bias.content is not None and bias.content.shape == scale.content.shape)
        )
    )
    if not plain:
        return LayerNormalization(node.operands(), axis, eps, len(node.outputs))
    assert scale is not None
    assert scale.content is not None
    layer = LayerNorm(scale.content.shape, eps, bias=bias is not None)
    layer.weight = Parameter(np.array(scale.content))
    node.bind(1, "weight")
    if bias is not None:
        layer.bias = Parameter(np.array(bias.content))
        node.bind(2, "bias")
    return layer


class LayerNormalization(Operation):
    """y = (x - mean) * inv_std * scale + bias over the axes from ``axis`` on; mean and inv_std are outputs too.

    Args:
        operands: x, scale, bias.
        axis: the first axis that is normalised over.
        eps: added to the variance.
        outputs: how many of the three are wanted.
    """

    def __init__(self, operands: Sequence[Operand], axis: int, eps: float, outputs: int) -> None:
        super().__init__(operands)
        self.axis, self.eps, self.outputs = axis, eps, outputs

    def apply(self, x: Array, scale: Array, bias: Array | None = None) -> tuple[Any, Any]:
        """See the class."""
        axes = _axes_from(self.axis, x.ndim)
        mean = x.mean(axis=axes, keepdims=True)
        centred = x - mean
        inv_std = 1 / self.backend.xp.sqrt((centred * centred).mean(axis=axes, keepdims=True) + x.dtype.type(self.eps))
        normalised = centred * inv_std
        y = normalised * scale if bias is None else normalised * scale + bias
        kept = normalised, inv_std, scale, shape_of(bias) if bias is not None else None, axes
        return ((y, mean, inv_std)[: self.outputs] if self.outputs > 1 else y), kept

    def gradients(self, kept: Any, wanted: tuple[bool, ...], *grads: Array) -> list[Array | None]:
        """Through scale and shift, then through mean and variance; the statistics have gradients of their own."""
        normalised, inv_std, scale, bias_shape, axes = kept
        grad_y, count = grads[0], math.prod(normalised.shape[axis] for axis in axes)
        grad = grad_y * scale
        grad_x = grad - grad.mean(axis=axes, keepdims=True)
        grad_x = (grad_x - normalised * (grad * normalised).mean(axis=axes, keepdims=True)) * inv_std
        if len(grads) > 1:
            grad_x = grad_x + grads[1] / count
        if len(grads) > 2:
            grad_x = grad_x - grads[2] * normalised * inv_std * inv_std / count
        grad_scale = summed_to(grad_y * normalised, shape_of(scale)) if wanted[1] else None
        return [grad_x, grad_scale, None if bias_shape is None else summed_to(grad_y, bias_shape)]


@operator("RMSNormalization", 23)
def rms_normalization(node: Node) -> Module:
    """See `RMSNormalization`."""
    return RMSNormalization(node.operands(), int(node.attribute("axis", -1)), float(node.attribute("epsilon", 1e-5)))


class RMSNormalization(Operation):
    """y = x / sqrt(mean of x**2 + eps) * scale over the axes from ``axis`` on."""

    def __init__(self, operands: Sequence[Operand], axis: int, eps: float) -> None:
        super().__init__(operands)
        self.axis, self.eps = axis, eps

    def apply(self, x: Array, scale: Array) -> tuple[Array, Any]:
        """See the class."""
        axes = _axes_from(self.axis, x.ndim)
        inverse = 1 / self.backend.xp.sqrt((x * x).mean(axis=axes, keepdims=True) + x.dtype.type(self.eps))
        normalised = x * inverse
        return normalised * scale, (normalised, inverse, scale, axes)

    def gradients(self, kept: Any, wanted: tuple[bool, ...], grad_y: Array) -> list[Array | None]:
        """Through the scale, then through the root mean square."""
        normalised, inverse, scale, axes = kept
        grad = grad_y * scale
        grad_x = (grad - normalised * (grad * normalised).mean(axis=axes, keepdims=True)) * inverse
        return [grad_x, summed_to(grad_y * normalised, shape_of(scale)) if wanted[1] else None]


def _axes_from(axis: int, ndim: int) -> tuple[int, ...]:
    first = axis + ndim if axis < 0 else axis
    if not 0 <= first < ndim:
        raise ShapeError(f"axis={axis} is no axis of a {ndim}-d input.")
    return tuple(range(first, ndim))


@operator("LRN", 13)
def lrn(node: Node) -> Module:
    """Local response norm; with an even size the odd neighbour stands behind the channel, other than in PyTorch."""
    size = int(node.attribute("size"))
    kind = LocalResponseNorm if size % 2 else ForwardLocalResponseNorm
    return kind(
        size,
        float(node.attribute("alpha", 1e-4)),
        float(node.attribute("beta", 0.75)),
        float(node.attribute("bias", 1.0)),
    )


class ForwardLocalResponseNorm(LocalResponseNorm):
    """`LocalResponseNorm` with the neighbours c - (size - 1) // 2 to c + size // 2."""

    def _sum_over_neighbours(self, values: Array, before: int) -> Array:
        return super()._sum_over_neighbours(values, before=self.size - 1 - before)
