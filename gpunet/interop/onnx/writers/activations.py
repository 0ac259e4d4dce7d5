"""Activations and softmax."""

from __future__ import annotations

from gpunet.interop.onnx.exporter import Exporter, writes
from gpunet.layers import (
    ELU,
    GELU,
    Hardswish,
    Hardtanh,
    LeakyReLU,
    LogSoftmax,
    Module,
    PReLU,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softmax,
    Tanh,
)

Names = tuple[str, ...]

_PLAIN: dict[type[Module], str] = {ReLU: "Relu", Sigmoid: "Sigmoid", Tanh: "Tanh", Hardswish: "HardSwish"}


@writes(*_PLAIN)
def plain(exporter: Exporter, module: Module, path: str, inputs: Names) -> Names:
    """One node without attributes."""
    return (exporter.node(_PLAIN[type(module)], path, inputs),)


@writes(LeakyReLU)
def leaky_relu(exporter: Exporter, module: LeakyReLU, path: str, inputs: Names) -> Names:
    """LeakyRelu."""
    return (exporter.node("LeakyRelu", path, inputs, alpha=module.negative_slope),)


@writes(Hardtanh, ReLU6)
def hardtanh(exporter: Exporter, module: Hardtanh, path: str, inputs: Names) -> Names:
    """Clip, its limits attributes before opset 11 and inputs since."""
    if exporter.opset < 11:
        return (exporter.node("Clip", path, inputs, min=module.min_val, max=module.max_val),)
    limits = (exporter.number(path, module.min_val), exporter.number(path, module.max_val))
    return (exporter.node("Clip", path, (*inputs, *limits)),)


@writes(ELU)
def elu(exporter: Exporter, module: ELU, path: str, inputs: Names) -> Names:
    """Elu."""
    return (exporter.node("Elu", path, inputs, alpha=module.alpha),)


@writes(GELU)
def gelu(exporter: Exporter, module: GELU, path: str, inputs: Names) -> Names:
    """Gelu, which is there from opset 20 on."""
    return (exporter.node("Gelu", path, inputs, approximate=module.approximate),)


@writes(SiLU)
def silu(exporter: Exporter, module: SiLU, path: str, inputs: Names) -> Names:
    """x * sigmoid(x)."""
    return (exporter.node("Mul", path, (*inputs, exporter.node("Sigmoid", path, inputs))),)


@writes(PReLU)
def prelu(exporter: Exporter, module: PReLU, path: str, inputs: Names) -> Names:
    """PRelu, with the slopes along the channels."""
    behind = len(exporter.input_shape(module)) - 1
    shape = (module.num_parameters, *(1,) * behind) if module.num_parameters > 1 else (1,)
    return (exporter.node("PRelu", path, (*inputs, exporter.parameter(path, "weight", module.weight, shape))),)


@writes(Softmax, LogSoftmax)
def softmax(exporter: Exporter, module: Softmax | LogSoftmax, path: str, inputs: Names) -> Names:
    """Softmax and LogSoftmax."""
    return (exporter.node(type(module).__name__, path, inputs, axis=module.dim),)
