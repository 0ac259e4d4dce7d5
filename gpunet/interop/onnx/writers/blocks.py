"""The blocks of our models that are modules of their own."""

from __future__ import annotations

from typing import Any

from gpunet.interop.onnx.exporter import Exporter, below, writes
from gpunet.layers import Module
from gpunet.models.mobilenet import InvertedResidual
from gpunet.models.residual import BasicBlock, Bottleneck, ResidualBlock
from gpunet.models.resnet_cifar import SubsampleAndPad
from gpunet.models.squeezenet import Fire
from gpunet.models.unet import UNet, Up

Names = tuple[str, ...]


class _Children:
    """Writes children of a module under their paths."""

    def __init__(self, exporter: Exporter, module: Module, path: str) -> None:
        self._exporter, self._path = exporter, path
        self._names = {id(child): name for name, child in module.children()}

    def write(self, child: Module, *inputs: str) -> str:
        return self._exporter.module(child, below(self._path, self._names[id(child)]), inputs)[0]


@writes(BasicBlock, Bottleneck)
def residual(exporter: Exporter, module: ResidualBlock, path: str, inputs: Names) -> Names:
    """The body, the shortcut, their sum and the last rectifier."""
    children, (x,) = _Children(exporter, module, path), inputs
    body = x
    for layer in module.body():
        body = children.write(layer, body)
    shortcut = x if module.downsample is None else children.write(module.downsample, x)
    return (children.write(module.last(), exporter.node("Add", path, (body, shortcut))),)


@writes(SubsampleAndPad)
def subsample_and_pad(exporter: Exporter, module: SubsampleAndPad, path: str, inputs: Names) -> Names:
    """Slice, then Pad."""
    largest = 2**31 - 1
    slices = ([0, 0], [largest, largest], [2, 3], [module.stride, module.stride])
    x = exporter.node("Slice", path, (*inputs, *(exporter.constant(path, values) for values in slices)))
    before = (module.out_channels - module.in_channels) // 2
    after = module.out_channels - module.in_channels - before
    return (exporter.node("Pad", path, (x, exporter.constant(path, [0, before, 0, 0, 0, after, 0, 0]))),)


@writes(InvertedResidual)
def inverted_residual(exporter: Exporter, module: InvertedResidual, path: str, inputs: Names) -> Names:
    """The layers, and x added where it fits."""
    y = _Children(exporter, module, path).write(module.conv, *inputs)
    return (exporter.node("Add", path, (y, *inputs)) if module.adds else y,)


@writes(Fire)
def fire(exporter: Exporter, module: Fire, path: str, inputs: Names) -> Names:
    """Two convolutions of what is squeezed, joined."""
    children = _Children(exporter, module, path)
    squeezed = children.write(module.squeeze_activation, children.write(module.squeeze, *inputs))
    parts = [
        children.write(activation, children.write(convolution, squeezed))
        for convolution, activation in (
            (module.expand1x1, module.expand1x1_activation),
            (module.expand3x3, module.expand3x3_activation),
        )
    ]
    return (exporter.node("Concat", path, parts, axis=1),)


@writes(UNet)
def unet(exporter: Exporter, module: UNet, path: str, inputs: Names) -> Names:
    """Down, and up again, each size joined with its own."""
    children = dict(module.children())

    def written(name: str, *values: str) -> str:
        return exporter.module(children[name], below(path, name), values)[0]

    sizes = [written("inc", *inputs)]
    for name in [name for name in children if name.startswith("down")]:
        sizes.append(written(name, sizes[-1]))
    y = sizes.pop()
    for name in [name for name in children if name.startswith("up")]:
        y = written(name, y, sizes.pop())
    return (written("outc", y),)


@writes(Up)
def up(exporter: Exporter, module: Up, path: str, inputs: Names) -> Names:
    """The smaller image enlarged, a row and a column of zeros where the other has one more, and the convolutions."""
    children, (smaller, beside) = _Children(exporter, module, path), inputs
    enlarged = children.write(module.up, smaller)
    made, wanted = exporter.output_shape(module.up)[1:], exporter.output_shape(module)[1:]
    missing: list[Any] = [size - got for size, got in zip(wanted, made, strict=True)]
    if any(missing):
        margins = exporter.constant(path, [0, 0, 0, 0, 0, 0, *missing])
        enlarged = exporter.node("Pad", path, (enlarged, margins))
    return (children.write(module.conv, exporter.node("Concat", path, (beside, enlarged), axis=1)),)
