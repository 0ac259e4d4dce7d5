"""Batch normalisation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gpunet.errors import ShapeError
from gpunet.geometry import as_int
from gpunet.initializers import ones, zeros
from gpunet.layers.module import Context, Module, Shape
from gpunet.state import Array, Buffer, Parameter


class _BatchNorm(Module):
    """Both layers below; they differ in the inputs that they take."""

    _wanted = ""  # shape of one input, for messages
    _axes: tuple[int, ...] = ()  # how many axes a sample may have

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
    ) -> None:
        self.num_features = as_int(num_features, f"{type(self).__name__}: num_features", 1)
        self.eps = float(eps)
        self.momentum = None if momentum is None else float(momentum)
        shape = (self.num_features,)
        self.weight = Parameter(ones(shape)) if affine else None
        self.bias = Parameter(zeros(shape)) if affine else None
        self.running_mean = Buffer(zeros(shape)) if track_running_stats else None
        self.running_var = Buffer(ones(shape)) if track_running_stats else None
        self.num_batches_tracked = Buffer(np.zeros((), np.int64)) if track_running_stats else None

    def output_shape(self, input_shape: Shape) -> Shape:
        """The same."""
        if len(input_shape) not in self._axes or input_shape[0] != self.num_features or min(input_shape) < 1:
            raise ShapeError(
                f"got an input of shape {tuple(input_shape)} without the batch, "
                f"wanted {self._wanted.format(self.num_features)}."
            )
        return tuple(input_shape)

    def compute(self, context: Context, x: Array) -> Array:
        """y = (x - mean) / sqrt(variance + eps) * weight + bias."""
        y, kept = self.normalise(context, x)
        context.save(*kept)
        return y

    def differentiate(self, context: Context, grad_y: Array) -> Array:
        """Through this batch's mean and variance, or past fixed ones."""
        return self.gradients(context.saved, grad_y)

    def normalise(
        self, context: Context, x: Array, residual: Array | None = None, relu: bool = False
    ) -> tuple[Array, tuple[Any, ...]]:
        """Compute y and track the statistics.

        Args:
            residual: added to y, if given.
            relu: y is the larger of that and 0.

        Returns:
            y, and what `gradients` needs.
        """
        weight, bias = self._scale_and_shift()
        count = x.shape[0] * math.prod(x.shape[2:])
        if count == 1 and (context.training or self.running_mean is None):
            raise ShapeError(
                f"got one value a channel (input {tuple(x.shape)}), whose variance says nothing; batch statistics need "
                f"two or more. Use a larger batch (drop_last=True drops a last batch of one), GroupNorm or LayerNorm."
            )
        # An empty batch has no statistics of its own.
        by_batch = count > 0 and (context.training or self.running_mean is None)
        if by_batch:
            y, mean, inv_std = self.backend.batch_norm(x, weight, bias, self.eps, residual, relu)
        else:
            mean, inv_std = self._fixed_statistics(x.dtype)
            y = self.backend.batch_norm_inference(x, weight, bias, mean, inv_std, residual, relu)
        if context.training:
            self._track(mean, inv_std, count)
        return y, (x, mean, inv_std, by_batch)

    def gradients(self, kept: tuple[Any, ...], grad_y: Array, y: Array | None = None) -> Array:
        """Add the gradients of weight and bias and return that of x.

        Args:
            kept: as `normalise` returned it.
            y: what `normalise` returned if it rectified without a residual: the gradient first passes the rectifier.
        """
        x, mean, inv_std, by_batch = kept
        weight, _ = self._scale_and_shift()
        if by_batch:
            grad_x, grad_weight, grad_bias = self.backend.batch_norm_backward(grad_y, x, weight, mean, inv_std, y)
        else:
            if y is not None:
                grad_y = self.backend.relu_backward(grad_y, y)
            others = (0, *range(2, x.ndim))
            shape = (self.num_features, *(1,) * (x.ndim - 2))
            grad_x = grad_y * (inv_std if weight is None else inv_std * weight).reshape(shape)
            normalised = (x - mean.reshape(shape)) * inv_std.reshape(shape)
            grad_weight, grad_bias = (grad_y * normalised).sum(axis=others), grad_y.sum(axis=others)
        if self.weight is not None and self.bias is not None:
            self.weight.add_grad(grad_weight)
            self.bias.add_grad(grad_bias)
        return grad_x

    def _scale_and_shift(self) -> tuple[Array | None, Array | None]:
        return (
            None if self.weight is None else self.weight.value,
            None if self.bias is None else self.bias.value,
        )

    def _fixed_statistics(self, dtype: Any) -> tuple[Array, Array]:
        """Mean and 1 / sqrt(variance + eps) from the running statistics; without them, for an empty batch, 0 and 1."""
        if self.running_mean is None or self.running_var is None:
            return self.backend.xp.zeros(self.num_features, dtype), self.backend.xp.ones(self.num_features, dtype)
        inv_std = 1 / self.backend.xp.sqrt(self.running_var.value + self.eps)
        return self.running_mean.value.astype(dtype, copy=False), inv_std.astype(dtype, copy=False)

    def _track(self, mean: Array, inv_std: Array, count: int) -> None:
        """Move the running statistics towards this batch's; the variance that is tracked is the unbiased one."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.value = self.backend.asarray(self.num_batches_tracked.value + 1)
        if count == 0:  # counted all the same, as in PyTorch
            return
        biased = self.backend.xp.maximum(1 / (inv_std * inv_std) - self.eps, 0)
        variance = biased * (count / (count - 1))
        # As an array, not a float: nothing waits for the device.
        share: Any = 1.0 / self.num_batches_tracked.value if self.momentum is None else self.momentum
        for buffer, statistic in ((self.running_mean, mean), (self.running_var, variance)):
            moved = (1 - share) * buffer.value + share * statistic
            buffer.value = moved.astype(buffer.value.dtype, copy=False)

    def operations(self, input_shape: Shape, output_shape: Shape) -> int:
        """A multiplication and an addition an element, as in inference."""
        return 2 * super().operations(input_shape, output_shape)

    def describe(self) -> str:
        """The settings that differ from the defaults, after the size."""
        parts = [str(self.num_features)]
        if self.eps != 1e-5:
            parts.append(f"eps={self.eps}")
        if self.momentum != 0.1:
            parts.append(f"momentum={self.momentum}")
        if self.weight is None:
            parts.append("affine=False")
        if self.running_mean is None:
            parts.append("track_running_stats=False")
        return ", ".join(parts)


class BatchNorm1d(_BatchNorm):
    """`BatchNorm2d` for features without rows and columns; arguments, attributes and errors are the same.

    Shapes:
        (N, C) or (N, C, L) to the same.
    """

    _wanted = "({0},) or ({0}, length)"
    _axes = (1, 2)


class BatchNorm2d(_BatchNorm):
    """Normalise each channel to mean 0 and variance 1 over the batch, then scale and shift it.

    In training the statistics are those of the batch, and running ones are tracked; in inference the running ones are
    used. With ``keep=True`` inference is differentiated with these fixed statistics.

    Args:
        num_features: C.
        eps: added to the variance; above 0.
        momentum: weight of the new batch in the running statistics; None: their plain average over all batches.
        affine: scale and shift each channel by learned numbers.
        track_running_stats: False uses the batch's statistics in inference too.

    Attributes:
        weight, bias: (C,), or None.
        running_mean, running_var: (C,) buffers, or None; the variance is the unbiased one.
        num_batches_tracked: 0-d int64 buffer, or None.

    Shapes:
        (N, C, H, W) to the same.

    Raises:
        ShapeError: batch statistics of one value a channel.

    Source: Ioffe and Szegedy 2015, arXiv:1502.03167.
    """

    _wanted = "({0}, height, width)"
    _axes = (3,)
