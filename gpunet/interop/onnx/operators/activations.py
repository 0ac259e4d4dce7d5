"""Activations: layers of ours where there is one, else the function and its slope."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpunet.interop.onnx.node import Node, is_learned
from gpunet.interop.onnx.operand import Operation, summed_to
from gpunet.interop.onnx.operators.functions import ElementFunction
from gpunet.interop.onnx.registry import operator
from gpunet.layers import ELU, GELU, Hardswish, Hardtanh, LeakyReLU, Module, PReLU, ReLU, ReLU6, Sigmoid, SiLU, Tanh
from gpunet.state import Array, Parameter


@operator("Relu", 14)
def relu(node: Node) -> Module:
    """max(x, 0)."""
    return ReLU()


@operator("LeakyRelu", 16)
def leaky_relu(node: Node) -> Module:
    """x, or alpha * x below 0."""
    return LeakyReLU(node.attribute("alpha", 0.01))


@operator("Elu", 22)
def elu(node: Node) -> Module:
    """x, or alpha * (exp(x) - 1) below 0."""
    return ELU(node.attribute("alpha", 1.0))


@operator("Sigmoid", 13)
def sigmoid(node: Node) -> Module:
    """1 / (1 + exp(-x))."""
    return Sigmoid()


@operator("Tanh", 13)
def tanh(node: Node) -> Module:
    """tanh(x)."""
    return Tanh()


@operator("Gelu", 20)
def gelu(node: Node) -> Module:
    """x times the share of a normal distribution below x."""
    return GELU(node.choice("approximate", "none", ("none", "tanh")))


@operator("HardSwish", 22)
def hard_swish(node: Node) -> Module:
    """x * clip(x + 3, 0, 6) / 6."""
    return Hardswish()


@operator("Swish", 24)
def swish(node: Node) -> Module:
    """x * sigmoid(alpha * x)."""
    alpha = float(node.attribute("alpha", 1.0))
    if alpha == 1:
        return SiLU()

    def share(xp: Any, x: Array) -> Array:
        return 0.5 * (1 + xp.tanh(0.5 * alpha * x))

    return ElementFunction(
        "Swish",
        lambda xp, x: x * share(xp, x),
        lambda xp, x: share(xp, x) * (1 + alpha * x * (1 - share(xp, x))),
    )


@operator("HardSigmoid", 22)
def hard_sigmoid(node: Node) -> Module:
    """clip(alpha * x + beta, 0, 1)."""
    alpha, beta = float(node.attribute("alpha", 0.2)), float(node.attribute("beta", 0.5))
    return ElementFunction(
        "HardSigmoid",
        lambda xp, x: xp.clip(alpha * x + beta, 0, 1),
        lambda xp, x: xp.where((alpha * x + beta > 0) & (alpha * x + beta < 1), alpha, 0),
    )


@operator("Selu", 22)
def selu(node: Node) -> Module:
    """gamma * x, or gamma * alpha * (exp(x) - 1) below 0."""
    old = node.opset < 6  # the constants had fewer digits then
    alpha = float(node.attribute("alpha", 1.6732 if old else 1.67326319217681884765625))
    gamma = float(node.attribute("gamma", 1.0507 if old else 1.05070102214813232421875))
    return ElementFunction(
        "Selu",
        lambda xp, x: gamma * xp.where(x > 0, x, alpha * xp.expm1(xp.minimum(x, 0))),
        lambda xp, x: gamma * xp.where(x > 0, 1, alpha * xp.exp(xp.minimum(x, 0))),
    )


@operator("Celu", 28)
def celu(node: Node) -> Module:
    """x, or alpha * (exp(x / alpha) - 1) below 0."""
    alpha = float(node.attribute("alpha", 1.0))
    return ElementFunction(
        "Celu",
        lambda xp, x: xp.maximum(x, 0) + xp.minimum(0, alpha * xp.expm1(xp.minimum(x, 0) / alpha)),
        lambda xp, x: xp.where(x > 0, 1, xp.exp(xp.minimum(x, 0) / alpha)),
    )


@operator("Softplus", 22)
def softplus(node: Node) -> Module:
    """log(1 + exp(x)), without overflow."""
    return ElementFunction("Softplus", _softplus, lambda xp, x: 0.5 * (1 + xp.tanh(0.5 * x)))


@operator("Mish", 22)
def mish(node: Node) -> Module:
    """x * tanh(softplus(x))."""

    def slope(xp: Any, x: Array) -> Array:
        share = xp.tanh(_softplus(xp, x))
        return share + x * (1 - share * share) * 0.5 * (1 + xp.tanh(0.5 * x))

    return ElementFunction("Mish", lambda xp, x: x * xp.tanh(_softplus(xp, x)), slope)


@operator("ThresholdedRelu", 22)
def thresholded_relu(node: Node) -> Module:
    """x where it is above alpha, else 0."""
    alpha = float(node.attribute("alpha", 1.0))
    return ElementFunction(
        "ThresholdedRelu", lambda xp, x: xp.where(x > alpha, x, 0), lambda xp, x: xp.where(x > alpha, 1, 0)
    )


@operator("Shrink", 9)
def shrink(node: Node) -> Module:
    """x moved towards 0 by bias where it is farther from it than lambd, else 0."""
    threshold, bias = float(node.attribute("lambd", 0.5)), float(node.attribute("bias", 0.0))
    return ElementFunction(
        "Shrink",
        lambda xp, x: xp.where(x < -threshold, x + bias, xp.where(x > threshold, x - bias, 0)),
        lambda xp, x: xp.where(xp.abs(x) > threshold, 1, 0),
    )


@operator("Clip", 13)
def clip(node: Node) -> Module:
    """`ReLU6` and `Hardtanh` where they are it; else x limited to [min, max], of which the upper limit wins."""
    low, high = (_limit(node, name, index) for name, index in (("min", 1), ("max", 2)))
    if (low, high) == (0, 6):
        return ReLU6()
    if low < high:
        return Hardtanh(low, high)
    return ElementFunction("Clip", lambda xp, x: xp.full_like(x, high), lambda xp, x: xp.zeros_like(x))


def _limit(node: Node, name: str, index: int) -> float:
    value = node.setting(name, index)
    if value is None:
        return -np.inf if name == "min" else np.inf
    if value.size != 1:
        node.refuse(f"{name} has shape {value.shape}; wanted one number.")
    return float(value.reshape(()))


@operator("PRelu", 16)
def prelu(node: Node) -> Module:
    """x, or slope * x below 0; a slope for each channel is a layer of ours."""
    slope, rank = node.given(1), node.rank(0)
    if slope is not None and slope.content is not None and is_learned(slope):
        content = slope.content
        by_channel = content.size == 1 or (
            rank is not None
            and (
                content.shape == (content.size, *(1,) * (rank - 2))
                or (node.opset < 7 and rank > 1 and content.ndim == 1)
                or (content.ndim == rank == 2 and content.shape[0] == 1)
            )
        )
        if by_channel and content.dtype.kind == "f":
            layer = PReLU(content.size)
            layer.weight = Parameter(np.array(content).reshape(-1))
            node.bind(1, "weight")
            return layer
    return BroadcastPRelu(node.operands())


class BroadcastPRelu(Operation):
    """y = x where x > 0, else slope * x, the slope being broadcast."""

    def apply(self, x: Array, slope: Array) -> tuple[Array, Any]:
        """See the class."""
        return self.backend.xp.where(x > 0, x, x * slope), (x, slope)

    def gradients(self, kept: Any, wanted: tuple[bool, ...], grad_y: Array) -> tuple[Array, Array]:
        """The slope gathers grad_y * x from all negative x."""
        x, slope = kept
        positive = x > 0
        xp = self.backend.xp
        grad_slope = xp.where(positive, xp.zeros_like(grad_y), grad_y * x)
        return xp.where(positive, grad_y, grad_y * slope), summed_to(grad_slope, tuple(slope.shape))


def _softplus(xp: Any, x: Array) -> Array:
    return xp.maximum(x, 0) + xp.log1p(xp.exp(-xp.abs(x)))
