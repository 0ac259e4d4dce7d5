"""A net as a tree of modules: children, parameters and buffers by name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeGuard, cast

from gpunet.errors import StateError
from gpunet.state import Buffer, Parameter

if TYPE_CHECKING:
    from gpunet.layers.module import Module


class ModuleTree:
    """What `Module` knows of its attributes: modules, parameters and buffers, also in lists, tuples and dicts."""

    def children(self) -> Iterator[tuple[str, Module]]:
        """(name, module) of the modules that are attributes of this one, or stand in a list or dict of it."""
        return ((name, value) for name, value in self._held() if _is_module(value))

    def named_modules(self) -> Iterator[tuple[str, Module]]:
        """(path, module) of this module, whose path is empty, and of all below it, depth first.

        Raises:
            StateError: a module stands in the net twice.
        """
        seen: dict[int, str] = {}

        def visit(path: str, module: Module) -> Iterator[tuple[str, Module]]:
            if id(module) in seen:
                raise StateError(
                    f"{type(module).__name__} '{path}' is the same object as '{seen[id(module)]}': a layer stands "
                    f"once in a net. Make a second layer; share weights by giving both the same Parameter."
                )
            seen[id(module)] = path
            yield path, module
            for name, child in module.children():
                yield from visit(f"{path}.{name}" if path else name, child)

        return visit("", cast("Module", self))

    def _own(self, kind: type[Any]) -> Iterator[tuple[str, Any]]:
        return ((name, value) for name, value in self._held() if isinstance(value, kind))

    def _held(self) -> Iterator[tuple[str, Any]]:
        """(name, value) of every attribute, one level into lists, tuples and dicts."""
        for name, value in list(vars(self).items()):  # a list: a forward in the loop adds attributes
            if isinstance(value, list | tuple):
                yield from ((f"{name}.{index}", item) for index, item in enumerate(value))
            elif isinstance(value, dict):
                yield from ((f"{name}.{key}", item) for key, item in value.items())
            else:
                yield name, value

    def _named(self, kind: type[Any]) -> Iterator[tuple[str, Any]]:
        for path, module in self.named_modules():
            for name, value in module._own(kind):
                yield (f"{path}.{name}" if path else name), value

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """(name, parameter) of all parameters below; a shared one comes once, under its first name."""
        seen: set[int] = set()
        for name, parameter in self._named(Parameter):
            if id(parameter) not in seen:
                seen.add(id(parameter))
                yield name, parameter

    def parameters(self) -> list[Parameter]:
        """All parameters below, each once."""
        return [parameter for _, parameter in self.named_parameters()]

    def named_buffers(self) -> Iterator[tuple[str, Buffer]]:
        """(name, buffer) of all buffers below."""
        return self._named(Buffer)

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for parameter in self.parameters():
            parameter.grad = None


def _is_module(value: Any) -> TypeGuard[Module]:
    return isinstance(value, ModuleTree)
