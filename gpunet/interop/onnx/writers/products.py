"""Convolution and linear layers."""

from __future__ import annotations

from typing import Any

from gpunet.geometry import Window
from gpunet.interop.onnx.exporter import Exporter, writes
from gpunet.layers import Conv2d, ConvTranspose2d, Linear

Names = tuple[str, ...]


def window_attributes(window: Window) -> dict[str, Any]:
    """A window as convolutions and pooling have it."""
    (top, bottom), (left, right) = window.padding
    settings: dict[str, Any] = {
        "kernel_shape": list(window.kernel),
        "strides": list(window.stride),
        "pads": [top, left, bottom, right],
    }
    if window.dilation != (1, 1):
        settings["dilations"] = list(window.dilation)
    return settings


def _weights(exporter: Exporter, module: Conv2d | ConvTranspose2d | Linear, path: str) -> Names:
    weight = exporter.parameter(path, "weight", module.weight)
    return (weight,) if module.bias is None else (weight, exporter.parameter(path, "bias", module.bias))


@writes(Conv2d)
def conv(exporter: Exporter, module: Conv2d, path: str, inputs: Names) -> Names:
    """Conv."""
    settings = window_attributes(module.window)
    return (exporter.node("Conv", path, (*inputs, *_weights(exporter, module, path)), group=module.groups, **settings),)


@writes(ConvTranspose2d)
def conv_transpose(exporter: Exporter, module: ConvTranspose2d, path: str, inputs: Names) -> Names:
    """ConvTranspose; an output_padding that other runtimes refuse is said by less padding, or by a margin."""
    window, (rows, cols) = module.window, module.output_padding
    (top, bottom), (left, right) = window.padding
    less = (min(bottom, rows), min(right, cols))
    extra = [rows - less[0], cols - less[1]]
    settings = window_attributes(window)
    settings["pads"] = [top, left, bottom - less[0], right - less[1]]
    weights = _weights(exporter, module, path)
    if all(count < stride for count, stride in zip(extra, window.stride, strict=True)):
        values = (*inputs, *weights)
        return (exporter.node("ConvTranspose", path, values, group=module.groups, output_padding=extra, **settings),)
    y = exporter.node("ConvTranspose", path, (*inputs, weights[0]), group=module.groups, **settings)
    y = exporter.node("Pad", path, (y, exporter.constant(path, [0, 0, 0, 0, 0, 0, *extra])))
    if len(weights) == 1:
        return (y,)
    shape = exporter.constant(path, [module.out_channels, 1, 1])
    return (exporter.node("Add", path, (y, exporter.node("Reshape", path, (weights[1], shape)))),)


@writes(Linear)
def linear(exporter: Exporter, module: Linear, path: str, inputs: Names) -> Names:
    """Gemm; over more axes a product with the transposed weight, and the bias."""
    weights = _weights(exporter, module, path)
    if len(exporter.input_shape(module)) == 1:
        return (exporter.node("Gemm", path, (*inputs, *weights), transB=1),)
    y = exporter.node("MatMul", path, (*inputs, exporter.node("Transpose", path, weights[:1], perm=[1, 0])))
    return (exporter.node("Add", path, (y, weights[1])) if len(weights) > 1 else y,)
