"""The contract that every backend fulfils; each docstring is the specification of its primitive.

Images are (N, C, H, W) in logical order, whatever their strides. A primitive never writes to its arguments, except the
optimizer steps, which work in place. A batch of 0 images is legal: outputs are empty and sums over it are 0. Sizes are
checked by the callers (layers and `gpunet.functional`) through `gpunet.geometry.Window`, not here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from gpunet.geometry import Window
from gpunet.random import Stream
from gpunet.state import Array


class Backend(ABC):
    """One place to compute: its arrays and the primitives that have an implementation of their own there.

    Elementwise work, plain reductions and matrix products are written once, in the layers, against `xp`.

    Attributes:
        name: "numpy" or "cupy".
        xp: the array module.
    """

    name: str
    xp: Any

    def __deepcopy__(self, memo: dict[int, Any]) -> Backend:
        return self  # a copied net computes in the same place

    # ------------------------------------------------------------------ place

    @abstractmethod
    def asarray(self, array: Any, dtype: Any = None) -> Array:
        """``array`` as an array of this backend, copied only if it must be."""

    @abstractmethod
    def to_numpy(self, array: Array) -> Any:
        """``array`` as a NumPy array on the host; waits for the device."""

    @abstractmethod
    def owns(self, array: Any) -> bool:
        """Whether ``array`` is an array of this backend."""

    @abstractmethod
    def synchronize(self) -> None:
        """Wait until everything asked of the device is done."""

    def computing(self) -> AbstractContextManager[None]:
        """What must hold while a net computes; entered around each forward and each backward of every layer.

        It nests, since layers do. A failure that is the backend's own, such as a device out of memory, leaves it as a
        `BackendError`, to which the layer it came from adds its name.
        """
        return nullcontext()

    # ------------------------------------------------------------ convolution

    @abstractmethod
    def conv2d(
        self, x: Array, weight: Array, bias: Array | None, window: Window, groups: int = 1, precision: str = "fast"
    ) -> Array:
        """Cross-correlate images with filters: y[n, f] = bias[f] + sum over c, i, j of x window[c, i, j] * weight[f].

        Args:
            x: (N, C, H, W).
            weight: (F, C / groups, kh, kw); output channels f of group g see the input channels of group g.
            bias: (F,) or None.
            window: kernel (kh, kw), stride, padding with zeros, dilation.
            groups: divides C and F.
            precision: "strict" allows only algorithms with the error of a direct sum.

        Returns:
            y: (N, F, H', W').
        """

    @abstractmethod
    def conv2d_backward_input(
        self,
        grad_y: Array,
        weight: Array,
        x_shape: tuple[int, ...],
        window: Window,
        groups: int = 1,
        precision: str = "fast",
    ) -> Array:
        """Gradient of `conv2d` for x: each input element gets the sum of what every window over it sends.

        Args:
            grad_y: (N, F, H', W').
            weight, window, groups, precision: as in `conv2d`.
            x_shape: (N, C, H, W).

        Returns:
            grad_x: (N, C, H, W); elements that no window touches are 0.
        """

    @abstractmethod
    def conv2d_backward_weight(
        self,
        grad_y: Array,
        x: Array,
        weight_shape: tuple[int, ...],
        window: Window,
        groups: int = 1,
        precision: str = "fast",
    ) -> Array:
        """Gradient of `conv2d` for weight: the sum over images and windows of grad_y times the window it came from.

        Args:
            grad_y: (N, F, H', W').
            x: (N, C, H, W).
            weight_shape: (F, C / groups, kh, kw).
            window, groups, precision: as in `conv2d`.

        Returns:
            grad_weight: of ``weight_shape``.
        """

    @abstractmethod
    def im2col(self, x: Array, window: Window) -> Array:
        """Write every window as a column.

        Args:
            x: (N, C, H, W).

        Returns:
            columns: (N, C * kh * kw, H' * W'); row (c * kh + i) * kw + j is element (i, j) of channel c.
        """

    @abstractmethod
    def col2im(self, columns: Array, x_shape: tuple[int, ...], window: Window) -> Array:
        """Transpose of `im2col`: put columns back where they came from; overlapping entries add.

        Args:
            columns: (N, C * kh * kw, H' * W').
            x_shape: (N, C, H, W).

        Returns:
            x: of ``x_shape``; what falls on the padding is dropped.
        """

    # ---------------------------------------------------------------- pooling

    @abstractmethod
    def max_pool2d(self, x: Array, window: Window) -> tuple[Array, Array]:
        """Largest element of each window, and where it stands.

        Ties go to the first in row-major order; 0.0 and -0.0 tie. A NaN beats every number, and the last of several
        NaN wins. Padding is never chosen, not even over -inf.

        Args:
            x: (N, C, H, W).

        Returns:
            y: (N, C, H', W').
            offsets: like y, unsigned: i * kw + j of the chosen element inside its window.
        """

    @abstractmethod
    def max_pool2d_backward(self, grad_y: Array, offsets: Array, x_shape: tuple[int, ...], window: Window) -> Array:
        """Send each gradient to the one element that `max_pool2d` chose; where windows overlap they add.

        Args:
            grad_y, offsets: (N, C, H', W').
            x_shape: (N, C, H, W).

        Returns:
            grad_x: (N, C, H, W).
        """

    @abstractmethod
    def avg_pool2d(self, x: Array, window: Window, count_include_pad: bool = True) -> Array:
        """Mean of each window.

        Args:
            x: (N, C, H, W).
            count_include_pad: divide by the window's size clipped to the padded image; False: to the image itself.

        Returns:
            y: (N, C, H', W').
        """

    @abstractmethod
    def avg_pool2d_backward(
        self, grad_y: Array, x_shape: tuple[int, ...], window: Window, count_include_pad: bool = True
    ) -> Array:
        """Give every element of a window its share of the window's gradient; where windows overlap shares add.

        Args:
            grad_y: (N, C, H', W').
            x_shape: (N, C, H, W).

        Returns:
            grad_x: (N, C, H, W).
        """

    # ---------------------------------------------------------- normalisation

    @abstractmethod
    def batch_norm(self, x: Array, weight: Array | None, bias: Array | None, eps: float) -> tuple[Array, Array, Array]:
        """Normalise each channel by this batch's mean and variance, then scale and shift.

        Args:
            x: (N, C, ...), at least one value a channel.
            weight, bias: (C,); None means 1 and 0.
            eps: added to the variance; above 0.

        Returns:
            y like x; mean (C,); inv_std (C,) = 1 / sqrt(variance + eps), the variance biased (over N * ...).

        Source: Ioffe and Szegedy 2015, arXiv:1502.03167, algorithm 1.
        """

    @abstractmethod
    def batch_norm_backward(
        self, grad_y: Array, x: Array, weight: Array | None, mean: Array, inv_std: Array
    ) -> tuple[Array, Array, Array]:
        """Gradients of `batch_norm`; mean and variance are functions of x.

        Args:
            grad_y, x: (N, C, ...).
            weight: (C,) or None.
            mean, inv_std: (C,) as `batch_norm` returned them.

        Returns:
            grad_x like x; grad_weight (C,); grad_bias (C,).
        """

    @abstractmethod
    def batch_norm_inference(
        self, x: Array, weight: Array | None, bias: Array | None, mean: Array, inv_std: Array
    ) -> Array:
        """Normalise each channel by given statistics: (x - mean) * inv_std * weight + bias.

        Args:
            x: (N, C, ...).
            weight, bias: (C,) or None.
            mean, inv_std: (C,).

        Returns:
            y like x.
        """

    # ----------------------------------------------------------------- others

    @abstractmethod
    def softmax_cross_entropy(
        self,
        logits: Array,
        labels: Array,
        class_weight: Array | None = None,
        ignore_index: int = -100,
        label_smoothing: float = 0.0,
    ) -> tuple[Array, Array]:
        """Negative log-likelihood of the labels under the softmax of the logits; stable for logits of any size.

        Args:
            logits: (N, C, d1, ...).
            labels: (N, d1, ...) integers in [0, C) or ``ignore_index``.
            class_weight: (C,) factor of each class, or None.
            ignore_index: samples with this label have loss 0 and gradient 0.
            label_smoothing: in [0, 1]: share of the target that is spread evenly over all classes.

        Returns:
            losses: (N, d1, ...), each already multiplied by its class weight.
            grad: like logits, the gradient of sum(losses) / sum of the class weights of the labels not ignored
                (their number without ``class_weight``); NaN if all are ignored.

        Raises:
            DataError: a label is out of range. Where looking at the labels would wait for a device, nothing is raised:
                such a label reads nothing, and makes its loss and the whole gradient NaN.
        """

    @abstractmethod
    def relu(self, x: Array) -> Array:
        """The larger of x and 0; NaN stays NaN.

        Args:
            x: (N, ...).

        Returns:
            y like x.
        """

    @abstractmethod
    def relu_backward(self, grad_y: Array, y: Array) -> Array:
        """Gradient of `relu`: grad_y where x was above 0 or NaN, else 0.

        Args:
            grad_y: (N, ...).
            y: as `relu` returned it; it says as much as x did.

        Returns:
            grad_x like y.
        """

    @abstractmethod
    def dropout(self, x: Array, probability: float, stream: Stream) -> tuple[Array, Array]:
        """Zero each element with ``probability`` and scale the others by 1 / (1 - probability).

        Element i, in logical N, C, H, W order, is kept if word i of ``stream`` is at least probability * 2**32.

        Args:
            x: any shape.
            probability: in [0, 1]; 1 zeroes everything.

        Returns:
            y like x; mask like x, bool, True where kept.
        """

    @abstractmethod
    def dropout_backward(self, grad_y: Array, mask: Array, probability: float) -> Array:
        """Gradient of `dropout`: the very same mask and scale.

        Args:
            grad_y, mask: any shape.

        Returns:
            grad_x like grad_y.
        """

    @abstractmethod
    def erf(self, x: Array) -> Array:
        """The error function of each element, to a few units in the last place of x's dtype."""

    @abstractmethod
    def sum_of_squares(self, arrays: Sequence[Array]) -> Array:
        """Sum of the squares of all elements of all ``arrays``, as a 0-d array."""

    @abstractmethod
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
        """One step of stochastic gradient descent on every array, in place.

        g = grad + weight_decay * value; buffer = g if first else momentum * buffer + (1 - dampening) * g;
        value -= lr * (g + momentum * buffer if nesterov else buffer). Without momentum the buffer is g.

        Args:
            values, grads: arrays of equal shapes; grads are not changed.
            momentum_buffers: like values, or None without momentum.
            first: the buffers hold nothing yet.
        """

    @abstractmethod
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
        """One step of Adam, or of AdamW if ``decoupled``, on every array, in place.

        Args:
            values, grads, exp_avgs, exp_avg_sqs: arrays of equal shapes; grads are not changed.
            decoupled: weight decay shrinks the value by lr * weight_decay instead of being added to the gradient.
            step: 1 at the first step; corrects the bias of the averages.

        Source: Kingma and Ba 2015, arXiv:1412.6980, algorithm 1; Loshchilov and Hutter 2019, arXiv:1711.05101.
        """
