"""Modules made of modules."""

from __future__ import annotations

from typing import Any

from gpunet.interop.onnx.exporter import Exporter, below, writes
from gpunet.layers import Add, Concat, Dropout, Flatten, Identity, Module, Sequential
from gpunet.models.residual import BasicBlock, Bottleneck, ResidualBlock
from gpunet.models.resnet_cifar import SubsampleAndPad

Names = tuple[str, ...]


@writes(Sequential)
def sequential(exporter: Exporter, module: Sequential, path: str, inputs: Names) -> Names:
    """One after the other."""
    for name, child in module.children():
        inputs = exporter.module(child, below(path, name), inputs)
    return inputs


@writes(Add)
def add(exporter: Exporter, module: Add, path: str, inputs: Names) -> Names:
    """A chain of sums."""
    branches = [exporter.module(child, below(path, name), inputs)[0] for name, child in module.children()]
    total = branches[0]
    for branch in branches[1:]:
        total = exporter.node("Add", path, (total, branch))
    return (total,)


@writes(Concat)
def concat(exporter: Exporter, module: Concat, path: str, inputs: Names) -> Names:
    """Channels one after the other."""
    branches = [exporter.module(child, below(path, name), inputs)[0] for name, child in module.children()]
    return (exporter.node("Concat", path, branches, axis=1),)


@writes(Identity)
def identity(exporter: Exporter, module: Identity, path: str, inputs: Names) -> Names:
    """Its input."""
    return (exporter.node("Identity", path, inputs),)


@writes(Flatten)
def flatten(exporter: Exporter, module: Flatten, path: str, inputs: Names) -> Names:
    """Flatten, or a Reshape where some axes stay."""
    sizes = exporter.output_shape(module)
    if len(sizes) == 1:
        return (exporter.node("Flatten", path, inputs, axis=1),)
    shape = exporter.constant(path, [0, *sizes])  # 0 stands for the batch, whatever it is
    return (exporter.node("Reshape", path, (*inputs, shape)),)


@writes(Dropout)
def dropout(exporter: Exporter, module: Dropout, path: str, inputs: Names) -> Names:
    """Written although it does nothing in inference: an import of the file trains as the net did.

    A probability of 1, which runtimes refuse, is left out.
    """
    if module.p == 1:
        return (exporter.node("Identity", path, inputs),)
    if exporter.opset < 12:
        return (exporter.node("Dropout", path, inputs, ratio=module.p),)
    return (exporter.node("Dropout", path, (*inputs, exporter.number(path, module.p))),)


@writes(BasicBlock, Bottleneck)
def residual(exporter: Exporter, module: ResidualBlock, path: str, inputs: Names) -> Names:
    """The body, the shortcut, their sum and the last rectifier."""
    names = {id(child): name for name, child in module.children()}

    def written(child: Module, values: Names) -> Names:
        return exporter.module(child, below(path, names[id(child)]), values)

    body: Any = inputs
    for layer in module.body():
        body = written(layer, body)
    shortcut = inputs if module.downsample is None else written(module.downsample, inputs)
    return written(module.last(), (exporter.node("Add", path, (body[0], shortcut[0])),))


@writes(SubsampleAndPad)
def subsample_and_pad(exporter: Exporter, module: SubsampleAndPad, path: str, inputs: Names) -> Names:
    """Slice, then Pad."""
    largest = 2**31 - 1
    slices = ([0, 0], [largest, largest], [2, 3], [module.stride, module.stride])
    x = exporter.node("Slice", path, (*inputs, *(exporter.constant(path, values) for values in slices)))
    before = (module.out_channels - module.in_channels) // 2
    after = module.out_channels - module.in_channels - before
    return (exporter.node("Pad", path, (x, exporter.constant(path, [0, before, 0, 0, 0, after, 0, 0]))),)
