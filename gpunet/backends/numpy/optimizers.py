"""Steps of the optimizers, in place."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from gpunet.backends.numpy.parallel import single_threaded_blas
from gpunet.backends.numpy.windows import Floats


def sum_of_squares(arrays: Sequence[Floats]) -> Floats:
    """See `Backend.sum_of_squares`. One BLAS thread: the order of the additions must not depend on their number."""
    with single_threaded_blas():
        total = sum((np.vdot(array, array) for array in arrays), start=np.float32(0) if not arrays else 0)
    return np.asarray(total)


def sgd_step(
    values: Sequence[Floats],
    grads: Sequence[Floats],
    momentum_buffers: Sequence[Floats] | None,
    *,
    lr: float,
    momentum: float,
    dampening: float,
    nesterov: bool,
    weight_decay: float,
    first: bool,
) -> None:
    """See `Backend.sgd_step`."""
    for index, (value, grad) in enumerate(zip(values, grads, strict=True)):
        update = grad + weight_decay * value if weight_decay else grad
        if momentum_buffers is not None:
            buffer = momentum_buffers[index]
            if first:
                buffer[...] = update
            else:
                buffer *= momentum
                buffer += (1 - dampening) * update
            update = update + momentum * buffer if nesterov else buffer
        value -= lr * update


def adam_step(
    values: Sequence[Floats],
    grads: Sequence[Floats],
    exp_avgs: Sequence[Floats],
    exp_avg_sqs: Sequence[Floats],
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
    step_size = lr / (1 - beta1**step)
    root_correction = math.sqrt(1 - beta2**step)
    for value, grad, exp_avg, exp_avg_sq in zip(values, grads, exp_avgs, exp_avg_sqs, strict=True):
        if decoupled:
            value *= 1 - lr * weight_decay
        elif weight_decay:
            grad = grad + weight_decay * value
        exp_avg += (1 - beta1) * (grad - exp_avg)
        exp_avg_sq *= beta2
        exp_avg_sq += (1 - beta2) * np.square(grad)
        value -= step_size * exp_avg / (np.sqrt(exp_avg_sq) / root_correction + eps)
