"""Steps of the optimizers by ``optimizers.cu``, and the sum of squares by ``reductions.cu``, many arrays a launch."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np

from gpunet.backends.cupy.contiguous import contiguous
from gpunet.backends.cupy.kernel_library import KernelLibrary, accumulator_type
from gpunet.state import Array

_ARRAYS_PER_LAUNCH = 64  # as the kernels' tables hold
_CHUNK_SIZE = 4096  # elements that one block takes; fixes the order of a sum, whatever the device


@dataclass(frozen=True)
class _Batch:
    """Arrays that one launch works on, each cut into chunks.

    Attributes:
        numbers: which ones of the caller's arrays.
        table: the fields "sizes" and "chunk_ends" of the kernels' tables.
        chunks: number of all chunks.
    """

    numbers: list[int]
    table: dict[str, list[int]]
    chunks: int


def _batches(arrays: Sequence[Array]) -> Iterator[tuple[np.dtype[Any], _Batch]]:
    """The ``arrays`` that hold something, by dtype, as many at a time as a launch takes."""
    by_dtype: dict[np.dtype[Any], list[int]] = defaultdict(list)
    for number, array in enumerate(arrays):
        if array.size:
            by_dtype[array.dtype].append(number)
    for dtype, numbers in by_dtype.items():
        for start in range(0, len(numbers), _ARRAYS_PER_LAUNCH):
            chosen = numbers[start : start + _ARRAYS_PER_LAUNCH]
            sizes = [arrays[number].size for number in chosen]
            ends = list(accumulate(-(-size // _CHUNK_SIZE) for size in sizes))
            yield dtype, _Batch(chosen, {"sizes": sizes, "chunk_ends": ends}, ends[-1])


def sum_of_squares(library: KernelLibrary, arrays: Sequence[Array]) -> Array:
    """See `Backend.sum_of_squares`; nothing waits for the device."""
    xp = library.xp
    arrays = [contiguous(array) for array in arrays]
    total = xp.zeros((), xp.result_type(*arrays) if arrays else np.float32)
    partials: dict[np.dtype[Any], list[Array]] = defaultdict(list)
    for dtype, batch in _batches(arrays):
        partial = xp.empty(batch.chunks, accumulator_type(dtype))
        table = {"arrays": [arrays[number] for number in batch.numbers], **batch.table}
        arguments = (table, partial, batch.chunks, _CHUNK_SIZE)
        library.launch("reductions", "sum_of_squares", dtype, *arguments, blocks=batch.chunks)
        partials[dtype].append(partial)
    for dtype, several in partials.items():
        joined = several[0] if len(several) == 1 else xp.concatenate(several)
        part = xp.empty((), dtype)
        library.launch("reductions", "sum_rows", dtype, joined, part, 1, joined.size, blocks=1)
        total = part.astype(total.dtype, copy=False) if len(partials) == 1 else total + part
    return total


def sgd_step(
    library: KernelLibrary,
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
    settings = (lr, momentum, 1 - dampening, weight_decay, bool(nesterov), momentum_buffers is not None, bool(first))
    _step(library, "sgd_step", values, grads, (momentum_buffers, None), settings)


def adam_step(
    library: KernelLibrary,
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
    corrections = lr / (1 - beta1**step), math.sqrt(1 - beta2**step)
    settings = (corrections[0], 1 - beta1, beta2, 1 - beta2, eps, corrections[1], 1 - lr * weight_decay, weight_decay)
    _step(library, "adam_step", values, grads, (exp_avgs, exp_avg_sqs), (*settings, bool(decoupled)))


def _step(
    library: KernelLibrary,
    kernel: str,
    values: Sequence[Array],
    grads: Sequence[Array],
    memories: tuple[Sequence[Array] | None, Sequence[Array] | None],
    settings: tuple[Any, ...],
) -> None:
    """One step of ``values`` and ``memories``, in place, in as few launches as there are tables to fill."""
    written = {"values": values, "averages": memories[0], "square_averages": memories[1]}
    ready = {
        name: None if arrays is None else [contiguous(array) for array in arrays] for name, arrays in written.items()
    }
    for dtype, batch in _batches(values):
        table: dict[str, Any] = {
            name: [] if arrays is None else [arrays[number] for number in batch.numbers]
            for name, arrays in ready.items()
        }
        table["grads"] = [contiguous(grads[number], dtype) for number in batch.numbers]
        arguments = ({**table, **batch.table}, *settings, batch.chunks, _CHUNK_SIZE)
        library.launch("optimizers", kernel, dtype, *arguments, blocks=batch.chunks)
    for name, arrays in written.items():
        for array, copy in zip(arrays or (), ready[name] or (), strict=True):
            if copy is not array:  # a view in other strides was stepped as a copy
                array[...] = copy
