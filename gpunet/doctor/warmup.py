"""Compiling every kernel before it is needed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from gpunet import models
from gpunet.backends.cupy import kernel_library, windows
from gpunet.data import Dataset
from gpunet.doctor.finding import one_line
from gpunet.errors import BackendError
from gpunet.geometry import Window
from gpunet.losses import CrossEntropyLoss
from gpunet.optimizers import SGD
from gpunet.training import Trainer

_LARGEST_KERNEL, _LARGEST_STRIDE = 11, 4  # among these the windows are looked for that have kernels of their own
_OF_WINDOWS = ("convolution", "im2col")  # files that know no more of a window than `windows.constants` says
_TRAINED = "float32"  # other dtypes serve checks, where the first use may compile
_MODELS = {"lenet": (1, 28, 28), "resnet20": (3, 32, 32)}  # whose training has CuPy compile what it writes itself


@dataclass(frozen=True, slots=True)
class Compiled:
    """One kernel file for one dtype, perhaps for one window; or what CuPy writes itself for a model's training.

    Attributes:
        file: in ``kernels/``; empty for CuPy's own.
        dtype: float32 or float64.
        kernels: how many kernels the file has; 0 for CuPy's own.
        seconds: that it took; little where CuPy's cache had it.
        error: why it does not compile, or empty.
        made_for: a window such as "3x3 stride 2", or a model; empty for kernels that serve all.
    """

    file: str
    dtype: str
    kernels: int
    seconds: float
    error: str
    made_for: str = ""

    def __str__(self) -> str:
        """What was compiled."""
        return f"{self.file}.cu {self.made_for}".rstrip() if self.file else f"CuPy's own for {self.made_for}"


def warm_up(backend: Any, clock: Callable[[], float] = time.perf_counter) -> Iterator[Compiled]:
    """Compile all that a training needs: its first step then compiles nothing.

    That is each file for each dtype; for float32 also for each window that has kernels of its own, and what CuPy writes
    itself for two models, which are trained for a step.

    Args:
        backend: the CuPy backend.
        clock: seconds.
    """
    for file, dtype, made_for, compile_it in _work(backend):
        start = clock()
        error = ""
        kernels = 0
        try:
            kernels = len(kernel_library.declarations(file).kernels) if file else 0
            compile_it()
        except BackendError as problem:
            error = one_line(problem)
        yield Compiled(file, dtype, kernels, clock() - start, error, made_for)


def _work(backend: Any) -> Iterator[tuple[str, str, str, Callable[[], Any]]]:
    """What a `Compiled` is to say first and last, and what compiles it."""
    library = backend.library
    for dtype in kernel_library.DTYPES:
        for file in kernel_library.files():
            yield file, dtype, "", partial(library.compile, file, dtype)
    for window in common_windows():
        name = f"{window.kernel[0]}x{window.kernel[1]} stride {window.stride[0]}"
        for file in _OF_WINDOWS:
            yield file, _TRAINED, name, partial(library.compile, file, _TRAINED, windows.constants(window))
        for padding in range(min(window.stride[0], window.kernel[0] // 2 + 1)):  # of which pooling knows the remainder
            padded = Window.create(window.kernel[0], window.stride[0], padding)
            image = backend.asarray(np.zeros((1, 1, *window.kernel), _TRAINED))
            yield "pooling", _TRAINED, f"{name} padding {padding}", partial(backend.max_pool2d, image, padded)
    for model, shape in _MODELS.items():
        yield "", _TRAINED, model, partial(_train, backend, model, shape)


def common_windows() -> list[Window]:
    """The windows whose kernels are compiled for them alone, without padding."""
    candidates = (
        Window.create(size, stride)
        for size in range(1, _LARGEST_KERNEL + 1)
        for stride in range(1, _LARGEST_STRIDE + 1)
    )
    return [window for window in candidates if windows.constants(window)]


def _train(backend: Any, name: str, shape: tuple[int, int, int]) -> None:
    """A step of training and one of evaluating, on images that hold nothing."""
    net = models.create(name).to(backend)
    data = Dataset(np.zeros((2, *shape), np.uint8), np.arange(2), tuple(map(str, range(10))))
    optimizer = SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    Trainer(net, optimizer, CrossEntropyLoss(), batch_size=2, progress=False).fit(data, 1, validation=data)
