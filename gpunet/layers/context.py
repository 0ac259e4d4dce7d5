"""What a layer gets hold of while it computes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gpunet.errors import StateError
from gpunet.state import Array

if TYPE_CHECKING:
    from gpunet.layers.module import Module

Shape = tuple[int, ...]


class Context:
    """What one forward pass keeps for the backward pass that follows it.

    Attributes:
        training: whether this is a training pass (batch statistics, dropout) or inference.
        keep: whether a backward may follow; if not, `save` does nothing.
        input_grads: whether the backward is to return gradients of the inputs; a layer may return None if not.
        saved: the arrays given to `save`, as a tuple.
    """

    __slots__ = (
        "input_dtypes",
        "input_grads",
        "input_shapes",
        "keep",
        "output_dtypes",
        "output_shapes",
        "saved",
        "training",
    )

    def __init__(self, training: bool, keep: bool) -> None:
        self.training = training
        self.keep = keep
        self.input_grads = True
        self.saved: tuple[Any, ...] = ()
        self.input_shapes: tuple[Shape, ...] = ()
        self.output_shapes: tuple[Shape, ...] = ()
        self.input_dtypes: tuple[Any, ...] = ()
        self.output_dtypes: tuple[Any, ...] = ()

    def save(self, *values: Any) -> None:
        """Keep ``values`` until the backward pass, if there will be one.

        Raises:
            StateError: it was called before in this pass; what was kept then would be lost.
        """
        if self.saved:
            raise StateError("context.save was called twice in one forward pass. Give all values to one call.")
        if self.keep:
            self.saved = values

    def run(self, child: Module, *inputs: Array) -> Any:
        """Forward through a child layer, in this pass's mode."""
        return child.forward(*inputs, training=self.training, keep=self.keep)
