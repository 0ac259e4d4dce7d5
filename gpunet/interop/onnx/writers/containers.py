"""Modules made of modules."""

from __future__ import annotations

from gpunet.interop.onnx.exporter import Exporter, below, writes
from gpunet.layers import Add, Concat, Dropout, Flatten, Identity, Sequential

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
