"""Layers with the initial weights that torchvision gives them in several models."""

from __future__ import annotations

import numpy as np

from gpunet.initializers import Initializer, Shape, normal, zeros
from gpunet.layers import Conv2d, Linear
from gpunet.state import Parameter


def small(shape: Shape) -> np.ndarray:
    """Normal with standard deviation 0.01."""
    return normal(shape, 0.01)


def small_linear(in_features: int, out_features: int) -> Linear:
    """A linear layer with small weights and a bias of zeros."""
    layer = Linear(in_features, out_features, initializer=small)
    layer.bias = Parameter(zeros((layer.out_features,)))
    return layer


def conv_from_zero_bias(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    stride: int = 1,
    padding: int = 0,
    initializer: str | Initializer = "torch",
) -> Conv2d:
    """A convolution whose bias is learned, from zeros on."""
    layer = Conv2d(in_channels, out_channels, kernel_size, stride, padding, initializer=initializer)
    layer.bias = Parameter(zeros((layer.out_channels,)))
    return layer
