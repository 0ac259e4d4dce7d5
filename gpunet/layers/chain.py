"""Layers one after another, neighbours computed together where one primitive can.

While somebody observes a layer, or has replaced its methods, it computes alone and as usual.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from gpunet.layers.batch_norm import BatchNorm2d
from gpunet.layers.checks import check_inputs
from gpunet.layers.context import Context
from gpunet.layers.fused import FUSIONS, BatchNormAddReLU, Fused
from gpunet.layers.module import Module
from gpunet.layers.relu import ReLU
from gpunet.state import Array

_LONGEST = max(map(len, FUSIONS))


@dataclass(frozen=True, slots=True)
class Step:
    """One layer, or several that are computed together.

    Attributes:
        layers: these layers.
        fused: computes them together, or None for one layer.
        context: what ``fused`` kept for its backward.
    """

    layers: tuple[Module, ...]
    fused: Fused | None
    context: Context

    def backward(self, grad_y: Array, inputs: bool) -> Array | None:
        """From the gradient of the output, add the parameters' gradients and return the input's if it is wanted."""
        if self.fused is None:
            return self.layers[0].backward(grad_y, inputs=inputs)
        self.context.input_grads = inputs
        with self.layers[0].named_errors():
            grad_x = self.fused.differentiate(self.context, grad_y)
        self.context.saved = ()  # let go as it is used: the list of steps lives until the last of them is done
        return grad_x


def forward(context: Context, layers: Sequence[Module], x: Array) -> tuple[Array, list[Step]]:
    """Send ``x`` through the layers.

    Args:
        context: of the module that holds the layers.

    Returns:
        the last output, and what `backward` needs.
    """
    steps = []
    for group, fused in _groups(layers):
        step = Step(group, fused, Context(context.training, context.keep))
        if step.fused is None:
            x = context.run(group[0], x)
        else:
            check_fused(group, x)
            with group[0].named_errors():
                x = step.fused.compute(step.context, x)
        steps.append(step)
    return x, steps


def backward(steps: Sequence[Step], grad_y: Array, inputs: bool = True) -> Any:
    """The same steps reversed, each needing only the gradient above it.

    Args:
        inputs: whether the gradient of the first step's input is wanted.
    """
    grad: Any = grad_y
    for number in reversed(range(len(steps))):
        grad = steps[number].backward(grad, inputs or number > 0)
    return grad


@dataclass(frozen=True, slots=True)
class AddReLU:
    """The end of a residual block, as `add_relu` computed it.

    Attributes:
        norm, relu: the layers.
        fused, context: what computed them together and what it kept, or None where they computed one after the other.
    """

    norm: Module
    relu: Module
    fused: BatchNormAddReLU | None
    context: Context

    def backward(self, grad_y: Array) -> tuple[Array, Array]:
        """From the gradient of the output those of ``x`` and ``shortcut``."""
        if self.fused is None:
            grad_sum = self.relu.backward(grad_y)
            return self.norm.backward(grad_sum), grad_sum
        with self.norm.named_errors():
            return self.fused.differentiate(self.context, grad_y)


def add_relu(context: Context, norm: Module, relu: Module, x: Array, shortcut: Array) -> tuple[Array, AddReLU]:
    """relu(norm(x) + shortcut), in one pass over the arrays where ``norm`` is a batch norm that nobody watches.

    Args:
        context: of the module that holds the layers.
        norm, relu: the layers.
        x, shortcut: of equal shapes.

    Returns:
        the output, and what goes back.
    """
    inner = Context(context.training, context.keep)
    if not (type(norm) is BatchNorm2d and type(relu) is ReLU and fusible(norm, relu)):
        return context.run(relu, context.run(norm, x) + shortcut), AddReLU(norm, relu, None, inner)
    check_fused((norm, relu), x)
    fused = BatchNormAddReLU(norm, relu)
    with norm.named_errors():
        y = fused.compute(inner, x, shortcut)
    return y, AddReLU(norm, relu, fused, inner)


def fusible(*layers: Module) -> bool:
    """Whether nobody watches the layers and their methods are those of their classes."""
    return not any(layer._observers or "forward" in vars(layer) or "backward" in vars(layer) for layer in layers)


def check_fused(layers: Sequence[Module], x: Array) -> None:
    """What each layer's own forward would see to: drop what an earlier one kept; check each new shape and dtype.

    Raises:
        ShapeError, DataError: a layer cannot take what arrives at it; it is named.
    """
    for layer in layers:
        layer._context = None  # what an earlier forward kept, when somebody watched the layer
    first = layers[0]
    key = ("fused", len(layers), x.shape[1:], x.dtype)
    if key in first._checked:
        return
    with first.named_errors():
        check_inputs(first, (x,))
        shape = first.output_shape(tuple(x.shape[1:]))
    for layer in layers[1:]:
        with layer.named_errors():
            shape = layer.output_shape(shape)
    first._checked = first._checked | {key}


def _groups(layers: Sequence[Module]) -> Iterator[tuple[tuple[Module, ...], Fused | None]]:
    """The layers in order, those together that can be fused: the longest group first."""
    kinds = tuple(map(type, layers))
    start = 0
    while start < len(layers):
        for length in range(min(_LONGEST, len(layers) - start), 1, -1):
            kind = FUSIONS.get(kinds[start : start + length])
            group = tuple(layers[start : start + length])
            if kind is not None and fusible(*group):
                yield group, kind(*group)
                break
        else:
            length = 1
            yield (layers[start],), None
        start += length
