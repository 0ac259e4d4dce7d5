"""The NumPy backend's class: places arrays and hands each primitive to its family's file."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from gpunet.backends.base import Backend
from gpunet.backends.numpy import convolution, elementwise, memory, normalization, optimizers, pooling
from gpunet.backends.numpy.blas import single_threaded_blas
from gpunet.backends.numpy.error_function import erf
from gpunet.backends.numpy.softmax_cross_entropy import softmax_cross_entropy


class NumpyBackend(Backend):
    """Computes on the CPU with NumPy."""

    name = "numpy"
    xp = np

    def asarray(self, array: Any, dtype: Any = None) -> np.ndarray:
        """See `Backend.asarray`."""
        return np.asarray(array, dtype=dtype)

    def to_numpy(self, array: Any) -> np.ndarray:
        """See `Backend.to_numpy`."""
        return np.asarray(array)

    def owns(self, array: Any) -> bool:
        """See `Backend.owns`; NumPy's scalars count as 0-d arrays."""
        return isinstance(array, np.ndarray | np.generic)

    def synchronize(self) -> None:
        """Nothing to wait for: NumPy returns when it is done."""

    def empty_like(self, x: Any) -> np.ndarray:
        """See `Backend.empty_like`."""
        return memory.empty_like(x)

    def computing(self) -> AbstractContextManager[None]:
        """One BLAS thread for each product, here too: see `parallel`."""
        return single_threaded_blas()

    conv2d = staticmethod(convolution.conv2d)
    conv2d_backward_input = staticmethod(convolution.conv2d_backward_input)
    conv2d_backward_weight = staticmethod(convolution.conv2d_backward_weight)
    im2col = staticmethod(convolution.im2col)
    col2im = staticmethod(convolution.col2im)
    max_pool2d = staticmethod(pooling.max_pool2d)
    max_pool2d_backward = staticmethod(pooling.max_pool2d_backward)
    avg_pool2d = staticmethod(pooling.avg_pool2d)
    avg_pool2d_backward = staticmethod(pooling.avg_pool2d_backward)
    batch_norm = staticmethod(normalization.batch_norm)
    batch_norm_backward = staticmethod(normalization.batch_norm_backward)
    batch_norm_inference = staticmethod(normalization.batch_norm_inference)
    softmax_cross_entropy = staticmethod(softmax_cross_entropy)
    add = staticmethod(elementwise.add)
    relu = staticmethod(elementwise.relu)
    relu_backward = staticmethod(elementwise.relu_backward)
    bias_relu = staticmethod(elementwise.bias_relu)
    bias_relu_backward = staticmethod(elementwise.bias_relu_backward)
    dropout = staticmethod(elementwise.dropout)
    dropout_backward = staticmethod(elementwise.dropout_backward)
    erf = staticmethod(erf)
    sum_of_squares = staticmethod(optimizers.sum_of_squares)
    sgd_step = staticmethod(optimizers.sgd_step)
    adam_step = staticmethod(optimizers.adam_step)
