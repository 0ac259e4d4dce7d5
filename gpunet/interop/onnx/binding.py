"""The parameters and buffers of modules by the paths that bindings name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gpunet.errors import DataError
from gpunet.interop.onnx.operand import Operation
from gpunet.layers.module import Module
from gpunet.state import Buffer, Parameter


def held(module: Module, attribute: str) -> Parameter | Buffer:
    """What a binding names.

    Raises:
        DataError: it is not there any more.
    """
    if isinstance(module, Operation):
        return next(
            operand.parameter
            for operand in module.operands
            if operand.parameter is not None and operand.name == attribute
        )
    owner, name = _owner(module, attribute)
    found = getattr(owner, name)
    if not isinstance(found, Parameter | Buffer):
        raise DataError(f"{module.label}: {attribute!r} was taken away; it cannot be written as it was imported.")
    return found


def put(module: Module, attribute: str, parameter: Parameter) -> None:
    """Let a module hold another parameter in the place that a binding names."""
    if isinstance(module, Operation):
        module.operands = tuple(
            replace(operand, parameter=parameter) if operand.name == attribute else operand
            for operand in module.operands
        )
        return
    owner, name = _owner(module, attribute)
    setattr(owner, name, parameter)


def _owner(module: Module, attribute: str) -> tuple[Any, str]:
    *path, name = attribute.split(".")
    owner: Any = module
    for step in path:
        owner = getattr(owner, step)
    return owner, name
