"""Steps of the optimizers, in place: no new arrays, and one pass over memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gpunet.backends.numpy import cutting, memory, parallel
from gpunet.backends.numpy.blas import single_threaded_blas
from gpunet.backends.numpy.windows import Floats

PIECE_BYTES = 1 << 19  # of one array: pieces go to threads, whose calls into NumPy must not be short


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

    def update(factors: Sequence[Floats], value: Floats, grad: Floats, buffer: Floats | None = None) -> None:
        rate, momentum_factor, kept, decay = factors
        moved = _scratch("moved", value)
        if weight_decay:
            decayed = _scratch("decayed", value)
            np.multiply(value, decay, decayed)
            grad = np.add(decayed, grad, decayed)
        if buffer is None:
            step = grad
        else:
            if first:
                np.copyto(buffer, grad)
            else:
                np.multiply(buffer, momentum_factor, buffer)
                np.add(buffer, np.multiply(grad, kept, moved) if dampening else grad, buffer)
            step = buffer
            if nesterov:
                np.multiply(buffer, momentum_factor, moved)
                step = np.add(moved, grad, moved)
        np.multiply(step, rate, moved)
        np.subtract(value, moved, value)

    arrays = (values, grads) if momentum_buffers is None else (values, grads, momentum_buffers)
    _update_all(update, (lr, momentum, 1 - dampening, weight_decay), *arrays)


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
    root_correction = math.sqrt(1 - beta2**step)

    def update(factors: Sequence[Floats], value: Floats, grad: Floats, exp_avg: Floats, exp_avg_sq: Floats) -> None:
        step_size, decay, taken, square_kept, square_taken, smallest, correction = factors
        moved = _scratch("moved", value)
        if decoupled:
            np.multiply(value, decay, value)
        elif weight_decay:
            decayed = _scratch("decayed", value)
            np.multiply(value, decay, decayed)
            grad = np.add(decayed, grad, decayed)
        np.subtract(grad, exp_avg, moved)
        np.multiply(moved, taken, moved)
        np.add(exp_avg, moved, exp_avg)
        np.multiply(grad, grad, moved)
        np.multiply(moved, square_taken, moved)
        np.multiply(exp_avg_sq, square_kept, exp_avg_sq)
        np.add(exp_avg_sq, moved, exp_avg_sq)
        np.sqrt(exp_avg_sq, moved)
        np.divide(moved, correction, moved)
        np.add(moved, smallest, moved)
        scaled = _scratch("scaled", value)
        np.multiply(exp_avg, step_size, scaled)
        np.divide(scaled, moved, moved)
        np.subtract(value, moved, value)

    step_size = lr / (1 - beta1**step)
    decay = 1 - lr * weight_decay if decoupled else weight_decay
    factors = (step_size, decay, 1 - beta1, beta2, 1 - beta2, eps, root_correction)
    _update_all(update, factors, values, grads, exp_avgs, exp_avg_sqs)


def _update_all(update: Callable[..., None], factors: Sequence[float], *lists: Sequence[Floats]) -> None:
    """``update(factors, *arrays)`` for the arrays that stand at one place of all ``lists``, on all cores.

    Large arrays are cut, small ones go together. The factors come as arrays of their type: NumPy takes longer to
    convert a Python float than to multiply a bias by it.
    """
    converted: dict[Any, list[Floats]] = {}
    together: list[tuple[Floats, ...]] = []
    jobs = [together]
    room = PIECE_BYTES
    filled = 0
    for arrays in zip(*lists, strict=True):
        first = arrays[0]
        if first.dtype not in converted:
            converted[first.dtype] = [np.asarray(factor, first.dtype) for factor in factors]
        if first.nbytes > room and all(array.flags.c_contiguous for array in arrays):
            flat = [array.reshape(-1) for array in arrays]
            pieces = cutting.even(first.size, room // first.itemsize)
            jobs.extend([tuple(array[piece] for array in flat)] for piece in pieces)
            continue
        if filled > room:
            together, filled = [], 0
            jobs.append(together)
        filled += first.nbytes
        together.append(arrays)

    def work(index: slice) -> None:
        for arrays in jobs[index.start]:
            update(converted[arrays[0].dtype], *arrays)

    parallel.run(work, cutting.even(len(jobs), 1), sum(array.nbytes for arrays in lists for array in arrays))


def _scratch(name: str, value: Floats) -> Floats:
    """Memory of the shape of ``value``; little of it is quickest fetched anew."""
    if value.nbytes < memory.SMALLEST:
        return np.empty(value.shape, value.dtype)
    return memory.workspace(name, value.shape, value.dtype)
