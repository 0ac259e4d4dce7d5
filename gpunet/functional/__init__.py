"""The primitives on plain arrays, for anyone who has NumPy or CuPy arrays and wants no layers.

The backend follows from the arrays' own type. All floating arrays of a call have one dtype, float32 or float64. Inputs
are never written to, and no result shares memory with them.
"""

from gpunet.functional.convolution import (
    col2im,
    conv2d,
    conv2d_backward,
    conv_transpose2d,
    conv_transpose2d_backward,
    im2col,
)
from gpunet.functional.cross_entropy import softmax_cross_entropy
from gpunet.functional.normalization import batch_norm, batch_norm_backward, batch_norm_inference
from gpunet.functional.pooling import avg_pool2d, avg_pool2d_backward, max_pool2d, max_pool2d_backward

__all__ = [
    "avg_pool2d",
    "avg_pool2d_backward",
    "batch_norm",
    "batch_norm_backward",
    "batch_norm_inference",
    "col2im",
    "conv2d",
    "conv2d_backward",
    "conv_transpose2d",
    "conv_transpose2d_backward",
    "im2col",
    "max_pool2d",
    "max_pool2d_backward",
    "softmax_cross_entropy",
]
