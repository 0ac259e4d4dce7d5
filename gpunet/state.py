"""What a layer remembers between steps: parameters, which an optimizer changes, and buffers, which it does not."""

from __future__ import annotations

from typing import Any

from gpunet.errors import ShapeError

Array = Any  # an array of some backend: numpy.ndarray or cupy.ndarray


class Parameter:
    """An array to be learned and the gradient that the last backward passes added up for it.

    Attributes:
        value: the array.
        grad: an array like ``value``, or None before the first backward and after `zero_grad`.
        trainable: False freezes it: it gathers no gradient and optimizers pass it by.
    """

    __slots__ = ("__weakref__", "grad", "trainable", "value")

    def __init__(self, value: Array, trainable: bool = True) -> None:
        self.value = value
        self.grad: Array | None = None
        self.trainable = trainable

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return tuple(self.value.shape)

    def add_grad(self, grad: Array) -> None:
        """Add ``grad`` to what is there; the array given is never written to."""
        if not self.trainable:
            return
        if tuple(grad.shape) != self.shape:
            raise ShapeError(f"a gradient of shape {tuple(grad.shape)} does not fit a parameter of {self.shape}.")
        self.grad = grad if self.grad is None else self.grad + grad

    def __repr__(self) -> str:
        return f"Parameter(shape={self.shape}, dtype={self.value.dtype}, trainable={self.trainable})"


class Buffer:
    """An array that belongs to the net's state and is not learned, such as a running mean."""

    __slots__ = ("value",)

    def __init__(self, value: Array) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"Buffer(shape={tuple(self.value.shape)}, dtype={self.value.dtype})"
