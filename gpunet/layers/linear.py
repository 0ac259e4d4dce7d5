"""Fully connected layer."""

from __future__ import annotations

import math

from gpunet.errors import ShapeError
from gpunet.geometry import as_int
from gpunet.initializers import Initializer, initial, uniform
from gpunet.layers.module import Context, Module, Shape
from gpunet.state import Array, Parameter


class Linear(Module):
    """y = x @ weight.T + bias over the last axis.

    Args:
        in_features, out_features: length of the last axis of x and of y.
        bias: add a learned number to each output.
        initializer: of the weight: a name of `gpunet.initializers` or a function; the default is PyTorch's.

    Attributes:
        weight: (out_features, in_features).
        bias: (out_features,), or None.

    Shapes:
        (N, ..., in_features) to (N, ..., out_features).
    """

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, initializer: str | Initializer = "torch"
    ) -> None:
        self.in_features = as_int(in_features, "Linear: in_features", 1)
        self.out_features = as_int(out_features, "Linear: out_features", 1)
        self.weight = Parameter(initial(initializer, (self.out_features, self.in_features)))
        self.bias = Parameter(uniform((self.out_features,), 1 / math.sqrt(self.in_features))) if bias else None

    def output_shape(self, input_shape: Shape) -> Shape:
        """(..., in_features) to (..., out_features)."""
        if not input_shape or input_shape[-1] != self.in_features:
            raise ShapeError(
                f"got an input of shape {tuple(input_shape)} without the batch, wanted {self.in_features} values along "
                f"the last axis. Put Flatten() before it, or set in_features to what arrives."
            )
        return (*input_shape[:-1], self.out_features)

    def compute(self, context: Context, x: Array) -> Array:
        """y = x @ weight.T + bias, as one matrix product however many axes x has."""
        context.save(x)
        y = self.product(x)
        if self.bias is not None:
            y += self.bias.value
        return y.reshape(*x.shape[:-1], self.out_features)

    def differentiate(self, context: Context, grad_y: Array) -> Array | None:
        """grad_weight = grad_y.T @ x, grad_bias = the sum of grad_y, grad_x = grad_y @ weight."""
        (x,) = context.saved
        grad = _matrix(grad_y)
        if self.bias is not None:
            self.bias.add_grad(grad.sum(axis=0))
        return self.gradients(context, x, grad)

    def product(self, x: Array) -> Array:
        """x @ weight.T as one matrix (N * ..., out_features), without the bias."""
        return _matrix(x) @ self.weight.value.T

    def gradients(self, context: Context, x: Array, grad: Array) -> Array | None:
        """Add the weight's gradient and return that of ``x``, given the gradient of `product`."""
        if self.weight.trainable:
            self.weight.add_grad(grad.T @ _matrix(x))
        if not context.input_grads:
            return None
        return (grad @ self.weight.value).reshape(x.shape)

    def operations(self, input_shape: Shape, output_shape: Shape) -> int:
        """A multiplication and an addition for each weight, in each row."""
        rows = math.prod(output_shape[:-1])
        return rows * (2 * math.prod(self.weight.shape) + (self.out_features if self.bias else 0))

    def describe(self) -> str:
        """Sizes, and whether the bias is missing."""
        return f"{self.in_features}, {self.out_features}{'' if self.bias else ', bias=False'}"


def _matrix(x: Array) -> Array:
    """(N, ..., features) as (N * ..., features)."""
    return x.reshape(math.prod(x.shape[:-1]), x.shape[-1])
