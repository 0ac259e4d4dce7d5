"""Compiling every kernel before it is needed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from gpunet.backends.cupy import kernel_library
from gpunet.doctor.finding import one_line
from gpunet.errors import BackendError


@dataclass(frozen=True, slots=True)
class Compiled:
    """One kernel file for one dtype.

    Attributes:
        file: in ``kernels/``.
        dtype: float32 or float64.
        kernels: how many kernels it has.
        seconds: that it took; little where CuPy's cache had it.
        error: why it does not compile, or empty.
    """

    file: str
    dtype: str
    kernels: int
    seconds: float
    error: str


def warm_up(library: Any, clock: Callable[[], float] = time.perf_counter) -> Iterator[Compiled]:
    """Compile all files for all dtypes, without the sizes of a window as constants: those come with the first use.

    Args:
        library: the backend's `KernelLibrary`.
        clock: seconds.
    """
    for dtype in kernel_library.DTYPES:
        for file in kernel_library.files():
            start = clock()
            error = ""
            kernels = 0
            try:
                kernels = len(kernel_library.declarations(file).kernels)
                library.compile(file, dtype)
            except BackendError as problem:
                error = one_line(problem)
            yield Compiled(file, dtype, kernels, clock() - start, error)
