"""Modules made of modules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gpunet.errors import ShapeError, StateError
from gpunet.layers import chain
from gpunet.layers.concatenation import concatenate, split
from gpunet.layers.module import Context, Module, Shape
from gpunet.state import Array


class _Branches(Module):
    """Children under names: 0, 1, ... in the order given, or the keys of a mapping."""

    def __init__(self, *modules: Module | Mapping[str, Module]) -> None:
        named: dict[Any, Any]
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            named = dict(modules[0])
        else:
            named = {str(index): module for index, module in enumerate(modules)}
        for name, module in named.items():
            if not isinstance(module, Module):
                raise StateError(f"{type(self).__name__} '{name}': got {module!r}, wanted a layer such as gn.ReLU().")
            if not isinstance(name, str) or not name or "." in name or hasattr(self, name):
                raise StateError(
                    f"{type(self).__name__}: {name!r} cannot name a layer. Use a text without dots that is no method."
                )
            setattr(self, name, module)

    def __len__(self) -> int:
        return sum(1 for _ in self.children())

    def __iter__(self) -> Iterator[Module]:
        return (module for _, module in self.children())

    def __reversed__(self) -> Iterator[Module]:
        return reversed(list(self))

    def __getitem__(self, index: int) -> Module:
        return list(self)[index]

    def _child_shape(self, child: Module, input_shape: Shape) -> Shape:
        self._name_modules()
        with child.named_errors():
            return tuple(child.output_shape(input_shape))


class Sequential(_Branches):
    """One layer after the other.

    Args:
        modules: the layers, named 0, 1, ...; or one mapping from names to layers.
    """

    def output_shape(self, input_shape: Shape) -> Shape:
        """Shape after the last layer."""
        shape = tuple(input_shape)
        for module in self:
            shape = self._child_shape(module, shape)
        return shape

    def compute(self, context: Context, x: Array) -> Array:
        """Each layer's output is the next one's input."""
        y, steps = chain.forward(context, list(self), x)
        context.save(steps)
        return y

    def differentiate(self, context: Context, grad_y: Array) -> Array | None:
        """The same layers reversed, each needing only the gradient above it."""
        (steps,) = context.saved
        return chain.backward(steps, grad_y, context.input_grads)


class Add(_Branches):
    """The sum of several branches over one input: ``Add(Sequential(...), Identity())`` is a residual block."""

    def output_shape(self, input_shape: Shape) -> Shape:
        """The branches' common shape."""
        shapes = [self._child_shape(module, tuple(input_shape)) for module in self]
        _require_equal(shapes)
        return shapes[0]

    def compute(self, context: Context, x: Array) -> Array:
        """y = sum of the branches."""
        outputs = [context.run(module, x) for module in self]
        _require_equal([tuple(y.shape) for y in outputs])
        total = outputs[0]
        for y in outputs[1:]:
            total = total + y
        return total

    def differentiate(self, context: Context, grad_y: Array) -> Array:
        """The input fed every branch: what the branches send back adds."""
        return _sum_of_backwards(list(self), [grad_y] * len(self))


class Concat(_Branches):
    """The channels of several branches over one input, one branch after the other."""

    def output_shape(self, input_shape: Shape) -> Shape:
        """Channels add; all else must be equal."""
        shapes = [self._child_shape(module, tuple(input_shape)) for module in self]
        _require_channels(shapes)
        return (sum(shape[0] for shape in shapes), *shapes[0][1:])

    def compute(self, context: Context, x: Array) -> Array:
        """y = the branches' outputs along axis 1."""
        outputs = [context.run(module, x) for module in self]
        _require_channels([tuple(y.shape[1:]) for y in outputs])
        context.save([y.shape[1] for y in outputs])
        return concatenate(self.backend, outputs)

    def differentiate(self, context: Context, grad_y: Array) -> Array:
        """Each branch gets the gradient of its own channels; what they send back adds."""
        (channels,) = context.saved
        return _sum_of_backwards(list(self), split(grad_y, channels))


class Identity(Module):
    """Its input, unchanged."""

    def output_shape(self, input_shape: Shape) -> Shape:
        """The same."""
        return tuple(input_shape)

    def compute(self, context: Context, x: Array) -> Array:
        """y = x."""
        return x

    def differentiate(self, context: Context, grad_y: Array) -> Array:
        """grad_x = grad_y."""
        return grad_y

    def operations(self, input_shape: Shape, output_shape: Shape) -> int:
        """None."""
        return 0


def _sum_of_backwards(modules: list[Module], grads: list[Array]) -> Array:
    total = None
    for module, grad in zip(modules, grads, strict=True):
        grad_x = module.backward(grad)
        total = grad_x if total is None else total + grad_x
    return total


def _require_channels(shapes: list[Shape]) -> None:
    if any(not shape for shape in shapes):
        raise ShapeError("Concat joins channels, got a branch with no axis but the batch.")
    if len({shape[1:] for shape in shapes}) != 1:
        raise ShapeError(
            f"Concat needs branches that differ in channels only, and at least one branch, "
            f"got {', '.join(map(str, shapes)) or 'none'}."
        )


def _require_equal(shapes: list[Shape]) -> None:
    if len(set(shapes)) != 1:
        raise ShapeError(
            f"Add needs branches of one shape, and at least one branch, got {', '.join(map(str, shapes)) or 'none'}."
        )
