"""The CuPy backend's class: places arrays on the device and hands each primitive to its family's file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np

from gpunet.backends.base import Backend
from gpunet.backends.cupy import columns as column_kernels
from gpunet.backends.cupy import convolution, elementwise, normalization, optimizers, pooling
from gpunet.backends.cupy.kernel_library import KernelLibrary
from gpunet.backends.cupy.memory import failures_explained
from gpunet.backends.cupy.options import Options
from gpunet.backends.cupy.softmax_cross_entropy import softmax_cross_entropy
from gpunet.errors import BackendError
from gpunet.geometry import Window
from gpunet.random import Stream
from gpunet.state import Array

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")


def _primitive(
    method: Callable[Concatenate[CupyBackend, _Parameters], _Result],
) -> Callable[Concatenate[CupyBackend, _Parameters], _Result]:
    """Explain a device that is out of memory; a net does so too, for what its layers compute without primitives."""

    @wraps(method)
    def call(self: CupyBackend, /, *args: _Parameters.args, **kwargs: _Parameters.kwargs) -> _Result:
        with self.computing():
            return method(self, *args, **kwargs)

    return call


class CupyBackend(Backend):
    """Computes on a GPU with CuPy and the kernels of ``kernels/``, on CuPy's current device and stream.

    Args:
        xp: the cupy module.

    Attributes:
        library: compiles and launches the kernels.
    """

    name = "cupy"

    def __init__(self, xp: Any) -> None:
        self.xp = xp
        self.library = KernelLibrary(xp)

    @property
    def options(self) -> Options:
        """What may be set: ``scatter`` and ``workspace_bytes``."""
        return self.library.options

    def asarray(self, array: Any, dtype: Any = None) -> Array:
        """See `Backend.asarray`; host arrays are copied to the current device.

        Raises:
            BackendError: the array is on another device, the device is out of memory, or CuPy knows no such dtype.
        """
        current = self.xp.cuda.runtime.getDevice()
        if self.owns(array) and array.device.id != current:
            raise BackendError(
                f"asarray: got an array on device {array.device.id}, wanted one on the current device {current}. "
                f"Call it within `with cupy.cuda.Device({array.device.id}):`, or move the array with to_numpy first."
            )
        with self.computing():
            try:
                return self.xp.asarray(array, dtype=dtype)
            except (TypeError, ValueError) as error:
                raise BackendError(f"asarray: {error}. Give an array of numbers.") from None

    def to_numpy(self, array: Array) -> Any:
        """See `Backend.to_numpy`."""
        return self.xp.asnumpy(array) if self.owns(array) else np.asarray(array)

    def owns(self, array: Any) -> bool:
        """See `Backend.owns`."""
        return isinstance(array, self.xp.ndarray)

    def synchronize(self) -> None:
        """See `Backend.synchronize`."""
        self.xp.cuda.Device().synchronize()

    def device_memory(self) -> tuple[int, int]:
        """See `Backend.device_memory`; what CuPy keeps for later arrays is held too."""
        return self.xp.get_default_memory_pool().total_bytes(), self.xp.cuda.runtime.memGetInfo()[1]

    def computing(self) -> AbstractContextManager[None]:
        """An error for a device out of memory says how much was asked and free, and what to lower."""
        return failures_explained(self.xp)

    @_primitive
    def conv2d(
        self,
        x: Array,
        weight: Array,
        bias: Array | None,
        window: Window,
        groups: int = 1,
        precision: str = "fast",
        relu: bool = False,
    ) -> Array:
        """See `Backend.conv2d`."""
        return convolution.conv2d(self.library, x, weight, bias, window, groups, precision, relu)

    @_primitive
    def conv2d_backward_input(
        self,
        grad_y: Array,
        weight: Array,
        x_shape: tuple[int, ...],
        window: Window,
        groups: int = 1,
        precision: str = "fast",
    ) -> Array:
        """See `Backend.conv2d_backward_input`."""
        return convolution.conv2d_backward_input(self.library, grad_y, weight, x_shape, window, groups, precision)

    @_primitive
    def conv2d_backward_weight(
        self,
        grad_y: Array,
        x: Array,
        weight_shape: tuple[int, ...],
        window: Window,
        groups: int = 1,
        precision: str = "fast",
    ) -> Array:
        """See `Backend.conv2d_backward_weight`."""
        return convolution.conv2d_backward_weight(self.library, grad_y, x, weight_shape, window, groups, precision)

    @_primitive
    def im2col(self, x: Array, window: Window) -> Array:
        """See `Backend.im2col`."""
        return column_kernels.im2col(self.library, x, window)

    @_primitive
    def col2im(self, columns: Array, x_shape: tuple[int, ...], window: Window) -> Array:
        """See `Backend.col2im`."""
        return column_kernels.col2im(self.library, columns, x_shape, window)

    @_primitive
    def max_pool2d(self, x: Array, window: Window) -> tuple[Array, Array]:
        """See `Backend.max_pool2d`."""
        return pooling.max_pool2d(self.library, x, window)

    @_primitive
    def max_pool2d_backward(self, grad_y: Array, offsets: Array, x_shape: tuple[int, ...], window: Window) -> Array:
        """See `Backend.max_pool2d_backward`."""
        return pooling.max_pool2d_backward(self.library, grad_y, offsets, x_shape, window)

    @_primitive
    def avg_pool2d(self, x: Array, window: Window, count_include_pad: bool = True) -> Array:
        """See `Backend.avg_pool2d`."""
        return pooling.avg_pool2d(self.library, x, window, count_include_pad)

    @_primitive
    def avg_pool2d_backward(
        self, grad_y: Array, x_shape: tuple[int, ...], window: Window, count_include_pad: bool = True
    ) -> Array:
        """See `Backend.avg_pool2d_backward`."""
        return pooling.avg_pool2d_backward(self.library, grad_y, x_shape, window, count_include_pad)

    @_primitive
    def batch_norm(
        self,
        x: Array,
        weight: Array | None,
        bias: Array | None,
        eps: float,
        residual: Array | None = None,
        relu: bool = False,
    ) -> tuple[Array, Array, Array]:
        """See `Backend.batch_norm`."""
        return normalization.batch_norm(self.library, x, weight, bias, eps, residual, relu)

    @_primitive
    def batch_norm_backward(
        self,
        grad_y: Array,
        x: Array,
        weight: Array | None,
        mean: Array,
        inv_std: Array,
        y: Array | None = None,
    ) -> tuple[Array, Array, Array]:
        """See `Backend.batch_norm_backward`."""
        return normalization.batch_norm_backward(self.library, grad_y, x, weight, mean, inv_std, y)

    @_primitive
    def batch_norm_inference(
        self,
        x: Array,
        weight: Array | None,
        bias: Array | None,
        mean: Array,
        inv_std: Array,
        residual: Array | None = None,
        relu: bool = False,
    ) -> Array:
        """See `Backend.batch_norm_inference`."""
        return normalization.batch_norm_inference(self.library, x, weight, bias, mean, inv_std, residual, relu)

    @_primitive
    def softmax_cross_entropy(
        self,
        logits: Array,
        labels: Array,
        class_weight: Array | None = None,
        ignore_index: int = -100,
        label_smoothing: float = 0.0,
    ) -> tuple[Array, Array]:
        """See `Backend.softmax_cross_entropy`."""
        return softmax_cross_entropy(self.library, logits, labels, class_weight, ignore_index, label_smoothing)

    @_primitive
    def relu(self, x: Array) -> Array:
        """See `Backend.relu`."""
        return elementwise.relu(self.library, x)

    @_primitive
    def relu_backward(self, grad_y: Array, y: Array) -> Array:
        """See `Backend.relu_backward`."""
        return elementwise.relu_backward(self.library, grad_y, y)

    @_primitive
    def bias_relu(self, x: Array, bias: Array) -> Array:
        """See `Backend.bias_relu`."""
        return elementwise.bias_relu(self.library, x, bias)

    @_primitive
    def bias_relu_backward(self, grad_y: Array, y: Array) -> tuple[Array, Array]:
        """See `Backend.bias_relu_backward`."""
        return elementwise.bias_relu_backward(self.library, grad_y, y)

    @_primitive
    def dropout(self, x: Array, probability: float, stream: Stream) -> tuple[Array, Array]:
        """See `Backend.dropout`."""
        return elementwise.dropout(self.library, x, probability, stream)

    @_primitive
    def dropout_backward(self, grad_y: Array, mask: Array, probability: float) -> Array:
        """See `Backend.dropout_backward`."""
        return elementwise.dropout_backward(self.library, grad_y, mask, probability)

    @_primitive
    def erf(self, x: Array) -> Array:
        """See `Backend.erf`."""
        return elementwise.erf(self.library, x)

    @_primitive
    def sum_of_squares(self, arrays: Sequence[Array]) -> Array:
        """See `Backend.sum_of_squares`."""
        return optimizers.sum_of_squares(self.library, arrays)

    @_primitive
    def sgd_step(
        self,
        values: Sequence[Array],
        grads: Sequence[Array],
        momentum_buffers: Sequence[Array] | None,
        *,
        lr: float,
        momentum: float,
        dampening: float,
        nesterov: bool,
        weight_decay: float,
        first: bool,
    ) -> None:
        """See `Backend.sgd_step`."""
        optimizers.sgd_step(
            self.library,
            values,
            grads,
            momentum_buffers,
            lr=lr,
            momentum=momentum,
            dampening=dampening,
            nesterov=nesterov,
            weight_decay=weight_decay,
            first=first,
        )

    @_primitive
    def adam_step(
        self,
        values: Sequence[Array],
        grads: Sequence[Array],
        exp_avgs: Sequence[Array],
        exp_avg_sqs: Sequence[Array],
        *,
        lr: float,
        beta1: float,
        beta2: float,
        eps: float,
        weight_decay: float,
        decoupled: bool,
        step: int,
    ) -> None:
        """See `Backend.adam_step`."""
        optimizers.adam_step(
            self.library,
            values,
            grads,
            exp_avgs,
            exp_avg_sqs,
            lr=lr,
            beta1=beta1,
            beta2=beta2,
            eps=eps,
            weight_decay=weight_decay,
            decoupled=decoupled,
            step=step,
        )
