"""Normalisation over groups of channels of one sample."""

from __future__ import annotations

import math

from gpunet.errors import ShapeError
from gpunet.geometry import as_int
from gpunet.initializers import ones, zeros
from gpunet.layers.module import Context, Module, Shape
from gpunet.state import Array, Parameter


class GroupNorm(Module):
    """Normalise each group of channels of each sample to mean 0 and variance 1, then scale and shift each channel.

    It does the same in training and inference.

    Args:
        num_groups: divides ``num_channels``.
        num_channels: C.
        eps: added to the variance; above 0.
        affine: scale and shift each channel by learned numbers.

    Attributes:
        weight, bias: (C,), or None.

    Shapes:
        (N, C, ...) to the same.

    Raises:
        ShapeError: the groups do not divide the channels.

    Source: Wu and He 2018, arXiv:1803.08494.
    """

    def __init__(self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True) -> None:
        self.num_groups = as_int(num_groups, "GroupNorm: num_groups", 1)
        self.num_channels = as_int(num_channels, "GroupNorm: num_channels", 1)
        if self.num_channels % self.num_groups:
            raise ShapeError(f"GroupNorm: num_groups={num_groups} must divide num_channels={num_channels}.")
        self.eps = float(eps)
        self.weight = Parameter(ones((self.num_channels,))) if affine else None
        self.bias = Parameter(zeros((self.num_channels,))) if affine else None

    def output_shape(self, input_shape: Shape) -> Shape:
        """The same."""
        if not input_shape or input_shape[0] != self.num_channels or min(input_shape) < 1:
            raise ShapeError(
                f"got an input of shape {tuple(input_shape)} without the batch, "
                f"wanted {self.num_channels} channels first and no size of 0."
            )
        return tuple(input_shape)

    def compute(self, context: Context, x: Array) -> Array:
        """Batch norm, every group of every sample being a channel of its own, then y = normalised * weight + bias."""
        normalised, mean, inv_std = self.backend.batch_norm(self._grouped(x), None, None, self.eps)
        context.save(x, mean, inv_std)
        y = normalised.reshape(x.shape)
        if self.weight is not None and self.bias is not None:
            shape = self._channels_first(x)
            y *= self.weight.value.reshape(shape)
            y += self.bias.value.reshape(shape)
        return y

    def differentiate(self, context: Context, grad_y: Array) -> Array:
        """Through the scale, then through each group's mean and variance."""
        x, mean, inv_std = context.saved
        grad = grad_y
        if self.weight is not None and self.bias is not None:
            others = (0, *range(2, x.ndim))
            normalised = ((self._grouped(x) - mean[:, None]) * inv_std[:, None]).reshape(x.shape)
            self.weight.add_grad((grad_y * normalised).sum(axis=others))
            self.bias.add_grad(grad_y.sum(axis=others))
            grad = grad_y * self.weight.value.reshape(self._channels_first(x))
        grad_x, _, _ = self.backend.batch_norm_backward(self._grouped(grad), self._grouped(x), None, mean, inv_std)
        return grad_x.reshape(x.shape)

    def _grouped(self, x: Array) -> Array:
        """(N, C, ...) as (1, N * groups, values)."""
        values = math.prod(x.shape[1:]) // self.num_groups
        return x.reshape(1, x.shape[0] * self.num_groups, values)

    def _channels_first(self, x: Array) -> Shape:
        return (self.num_channels, *(1,) * (x.ndim - 2))

    def operations(self, input_shape: Shape, output_shape: Shape) -> int:
        """Two sums, then a subtraction, two multiplications and an addition an element."""
        return 6 * super().operations(input_shape, output_shape)

    def describe(self) -> str:
        """Sizes, and the settings that differ from the defaults."""
        parts = [f"{self.num_groups}, {self.num_channels}"]
        if self.eps != 1e-5:
            parts.append(f"eps={self.eps}")
        if self.weight is None:
            parts.append("affine=False")
        return ", ".join(parts)
