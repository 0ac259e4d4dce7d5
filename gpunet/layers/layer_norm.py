"""Normalisation over the last axes of one sample."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gpunet.errors import ShapeError
from gpunet.geometry import as_int
from gpunet.initializers import ones, zeros
from gpunet.layers.module import Context, Module, Shape
from gpunet.state import Array, Parameter


class LayerNorm(Module):
    """Normalise over the last axes to mean 0 and variance 1, then scale and shift each element of them.

    It does the same in training and inference.

    Args:
        normalized_shape: sizes of the last axes, or one int for the last alone.
        eps: added to the variance; above 0.
        elementwise_affine: scale and shift by learned numbers.
        bias: False leaves out the shift.

    Attributes:
        weight, bias: of ``normalized_shape``, or None.

    Shapes:
        (N, ..., *normalized_shape) to the same.

    Source: Ba, Kiros and Hinton 2016, arXiv:1607.06450.
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
    ) -> None:
        sizes = normalized_shape if isinstance(normalized_shape, Sequence) else (normalized_shape,)
        self.normalized_shape = tuple(as_int(size, "LayerNorm: normalized_shape", 1) for size in sizes)
        if not self.normalized_shape:
            raise ShapeError("LayerNorm: normalized_shape is empty, wanted the size of at least one axis.")
        self.eps = float(eps)
        self.weight = Parameter(ones(self.normalized_shape)) if elementwise_affine else None
        self.bias = Parameter(zeros(self.normalized_shape)) if elementwise_affine and bias else None

    def output_shape(self, input_shape: Shape) -> Shape:
        """The same."""
        if tuple(input_shape[-len(self.normalized_shape) :]) != self.normalized_shape:
            raise ShapeError(
                f"got an input of shape {tuple(input_shape)} without the batch, "
                f"wanted its last sizes to be {self.normalized_shape}."
            )
        return tuple(input_shape)

    def compute(self, context: Context, x: Array) -> Array:
        """Batch norm, every row being a channel of its own, then y = normalised * weight + bias."""
        normalised, mean, inv_std = self.backend.batch_norm(self._rows(x), None, None, self.eps)
        context.save(x, mean, inv_std)
        y = normalised.reshape(x.shape)
        if self.weight is not None:
            y *= self.weight.value
        if self.bias is not None:
            y += self.bias.value
        return y

    def differentiate(self, context: Context, grad_y: Array) -> Array:
        """Through the scale, then through each row's mean and variance."""
        x, mean, inv_std = context.saved
        grad = grad_y
        others = tuple(range(x.ndim - len(self.normalized_shape)))
        if self.bias is not None:
            self.bias.add_grad(grad_y.sum(axis=others))
        if self.weight is not None:
            normalised = ((self._rows(x) - mean[:, None]) * inv_std[:, None]).reshape(x.shape)
            self.weight.add_grad((grad_y * normalised).sum(axis=others))
            grad = grad_y * self.weight.value
        grad_x, _, _ = self.backend.batch_norm_backward(self._rows(grad), self._rows(x), None, mean, inv_std)
        return grad_x.reshape(x.shape)

    def _rows(self, x: Array) -> Array:
        """(N, ..., *normalized_shape) as (1, rows, values)."""
        count = math.prod(x.shape[: x.ndim - len(self.normalized_shape)])
        return x.reshape(1, count, math.prod(self.normalized_shape))

    def operations(self, input_shape: Shape, output_shape: Shape) -> int:
        """Two sums, then a subtraction, two multiplications and an addition an element."""
        return 6 * super().operations(input_shape, output_shape)

    def describe(self) -> str:
        """The shape, and the settings that differ from the defaults."""
        parts = [str(self.normalized_shape)]
        if self.eps != 1e-5:
            parts.append(f"eps={self.eps}")
        if self.weight is None:
            parts.append("elementwise_affine=False")
        elif self.bias is None:
            parts.append("bias=False")
        return ", ".join(parts)
