"""Every primitive of the CuPy backend at a typical size, and which kernels it launches, with or without a GPU.

The same calls serve twice. Under the emulator they run, and its tracer counts what they read and write. Anywhere else
`recorded_launches` makes them over NumPy arrays with a library that only notes what would be launched: kernel, dtype,
constants, block size. So the static checks compile exactly what the backend runs, and need neither CuPy nor a device.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from gpunet.backends.cupy.backend import CupyBackend
from gpunet.backends.cupy.kernel_library import KernelLibrary
from gpunet.geometry import Window
from gpunet.random import Stream

Run = Callable[[CupyBackend, np.dtype[Any]], object]

IMAGES = (2, 16, 56, 56)
FEW_CHANNELS = (1, 8, 56, 56)  # direct convolutions read everything again for each pair of channels; tracing takes time
POOLING_WINDOWS = {
    "2x2/2": Window.create(2, 2),
    "3x3/2": Window.create(3, 2, 1),
    "3x3/1": Window.create(3, 1, 1),
    "3x2/3": Window.create((3, 2), 3),  # no window of the common ones
    "17x17/8": Window.create(17, 8),  # offsets that need more than a byte
}
CONVOLUTION_WINDOWS = {
    "1x1": Window.create(1),
    "3x3": Window.create(3, 1, 1),
    "3x3/2": Window.create(3, 2, 1),
    "5x5": Window.create(5, 1, 2),
    "7x7/2": Window.create(7, 2, 3),
    "3x3 dilated": Window.create(3, 1, 2, 2),
}


@dataclass(frozen=True)
class Workload:
    """One call, or a few that belong together, of a backend's primitives."""

    name: str
    run: Run


@dataclass(frozen=True)
class Launch:
    """What one launch asked of the kernel library.

    Attributes:
        file, kernel, dtype: as in `KernelLibrary.launch`; the dtype by name.
        constants: sorted names and values.
        block_size: threads of a block.
        shared_bytes: dynamic shared memory of a block.
        workload: name of the `Workload` that launched it.
    """

    file: str
    kernel: str
    dtype: str
    constants: tuple[tuple[str, int], ...]
    block_size: int
    shared_bytes: int
    workload: str


class Recorder:
    """Wraps the library of a backend and notes its launches; passes them on if there is a device to run them.

    Args:
        backend: whose ``library`` it replaces.
        runs: whether launches are passed on.
    """

    def __init__(self, backend: CupyBackend, runs: bool) -> None:
        self.launches: list[Launch] = []
        self.workload = ""
        self._library, self._runs = backend.library, runs
        backend.library = self  # type: ignore[assignment]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._library, name)

    def launch(self, *arguments: Any, **settings: Any) -> None:
        """As `KernelLibrary.launch`."""
        call = inspect.signature(KernelLibrary.launch).bind(self._library, *arguments, **settings)
        call.apply_defaults()
        given = call.arguments
        if not (given["blocks"] if given["threads"] is None else given["threads"]):
            return  # nothing to do: the library launches nothing
        self.launches.append(
            Launch(
                given["file"],
                given["kernel"],
                np.dtype(given["dtype"]).name,
                tuple(sorted((given["constants"] or {}).items())),
                given["block_size"],
                given["shared_bytes"],
                self.workload,
            )
        )
        if self._runs:
            self._library.launch(*arguments, **settings)


class _NumpyInsteadOfCupy:
    """NumPy with as much of ``cupy.cuda`` as the backend's host code looks at when nothing is launched."""

    cuda = SimpleNamespace(
        memory=SimpleNamespace(OutOfMemoryError=MemoryError),
        runtime=SimpleNamespace(getDevice=lambda: 0, memGetInfo=lambda: (1 << 34, 1 << 34)),
    )

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)


def recorded_launches(dtype: Any) -> list[Launch]:
    """What all workloads launch for one dtype, without running it."""
    backend = CupyBackend(_NumpyInsteadOfCupy())
    recorder = Recorder(backend, runs=False)
    with np.errstate(all="ignore"):  # nothing computes: arrays hold what was in memory
        run_all(backend, recorder, dtype)
    return recorder.launches


def run_all(backend: CupyBackend, recorder: Recorder, dtype: Any, names: Container[str] | None = None) -> None:
    """Run every workload, or those of ``names``, each one's name noted with what it launches."""
    for workload in workloads():
        if names is not None and workload.name not in names:
            continue
        recorder.workload = workload.name
        workload.run(backend, np.dtype(dtype))


def workloads() -> Iterator[Workload]:
    """All of them; each primitive, window and algorithm that has a kernel of its own."""
    for name, window in CONVOLUTION_WINDOWS.items():
        yield Workload(f"conv2d {name}", _convolution(window, IMAGES, (32, 16)))
    for name in ("3x3", "3x3/2", "3x3 dilated"):
        window = CONVOLUTION_WINDOWS[name]
        yield Workload(f"conv2d {name}, groups", _convolution(window, IMAGES, (32, 4)))
        yield Workload(f"conv2d {name}, depthwise", _convolution(window, IMAGES, (16, 1)))
        yield Workload(f"conv2d {name}, no workspace", _convolution(window, FEW_CHANNELS, (8, 8), workspace_bytes=0))
        yield Workload(f"conv2d {name}, atomic", _convolution(window, IMAGES, (32, 16), scatter="atomic"))
        yield Workload(f"im2col and col2im {name}", _columns(window))
    for name, window in POOLING_WINDOWS.items():
        yield Workload(f"max_pool2d {name}", _max_pool2d(window))
        yield Workload(f"max_pool2d {name}, atomic", _max_pool2d(window, scatter="atomic"))
        yield Workload(f"avg_pool2d {name}", _avg_pool2d(window))
    yield Workload("batch_norm", _batch_norm)
    yield Workload("batch_norm, residual and relu", _batch_norm_residual_relu)
    yield Workload("softmax_cross_entropy", _softmax_cross_entropy)
    yield Workload("elementwise", _elementwise)
    yield Workload("optimizers", _optimizers)


def _random(backend: CupyBackend, dtype: np.dtype[Any], *shape: int) -> Any:
    values = np.random.default_rng(0).standard_normal(shape)
    return backend.xp.asarray(values.astype(dtype))


def _convolution(window: Window, images: tuple[int, ...], channels: tuple[int, int], **options: Any) -> Run:
    """Forward and both gradients, for ``channels`` (out, in of one group)."""

    def run(backend: CupyBackend, dtype: np.dtype[Any]) -> None:
        x = _random(backend, dtype, *images)
        weight = _random(backend, dtype, *channels, *window.kernel)
        bias = _random(backend, dtype, channels[0])
        groups = images[1] // channels[1]
        with _options(backend, options):
            y = backend.conv2d(x, weight, bias, window, groups)
            backend.conv2d_backward_input(y, weight, x.shape, window, groups)
            backend.conv2d_backward_weight(y, x, weight.shape, window, groups)

    return run


def _columns(window: Window) -> Run:
    def run(backend: CupyBackend, dtype: np.dtype[Any]) -> None:
        columns = backend.im2col(_random(backend, dtype, *IMAGES), window)
        for scatter in ("gather", "atomic"):
            with _options(backend, {"scatter": scatter}):
                backend.col2im(columns, IMAGES, window)

    return run


def _max_pool2d(window: Window, **options: Any) -> Run:
    def run(backend: CupyBackend, dtype: np.dtype[Any]) -> None:
        y, offsets = backend.max_pool2d(_random(backend, dtype, *IMAGES), window)
        with _options(backend, options):
            backend.max_pool2d_backward(y, offsets, IMAGES, window)

    return run


def _avg_pool2d(window: Window) -> Run:
    def run(backend: CupyBackend, dtype: np.dtype[Any]) -> None:
        y = backend.avg_pool2d(_random(backend, dtype, *IMAGES), window)
        backend.avg_pool2d_backward(y, IMAGES, window)

    return run


def _batch_norm(backend: CupyBackend, dtype: np.dtype[Any]) -> None:
    x = _random(backend, dtype, *IMAGES)
    weight, bias = _random(backend, dtype, IMAGES[1]), _random(backend, dtype, IMAGES[1])
    y, mean, inv_std = backend.batch_norm(x, weight, bias, 1e-5)
    backend.batch_norm_backward(y, x, weight, mean, inv_std)
    backend.batch_norm_inference(x, weight, bias, mean, inv_std)


def _batch_norm_residual_relu(backend: CupyBackend, dtype: np.dtype[Any]) -> None:
    x, residual = _random(backend, dtype, *IMAGES), _random(backend, dtype, *IMAGES)
    weight, bias = _random(backend, dtype, IMAGES[1]), _random(backend, dtype, IMAGES[1])
    y, mean, inv_std = backend.batch_norm(x, weight, bias, 1e-5, residual, relu=True)
    backend.batch_norm_backward(x, x, weight, mean, inv_std, y)


def _softmax_cross_entropy(backend: CupyBackend, dtype: np.dtype[Any]) -> None:
    for shape in ((8192, 10), (128, 1000), (2, 10, 64, 64)):  # few classes, many, and an image of them
        logits = _random(backend, dtype, *shape)
        labels = np.random.default_rng(0).integers(0, shape[1], (shape[0], *shape[2:]))
        backend.softmax_cross_entropy(logits, backend.xp.asarray(labels))


def _elementwise(backend: CupyBackend, dtype: np.dtype[Any]) -> None:
    x = _random(backend, dtype, *IMAGES)
    backend.relu_backward(x, backend.relu(x))
    backend.bias_relu_backward(x, backend.bias_relu(x, _random(backend, dtype, IMAGES[1])))
    _, mask = backend.dropout(x, 0.5, Stream(0, "dropout"))
    backend.dropout_backward(x, mask, 0.5)
    backend.erf(x)


def _optimizers(backend: CupyBackend, dtype: np.dtype[Any]) -> None:
    def arrays() -> list[Any]:
        return [_random(backend, dtype, *shape) for shape in ((64, 32, 3, 3), (64,), (10, 1024), (10,))]

    values, grads, averages, square_averages = arrays(), arrays(), arrays(), arrays()
    backend.sum_of_squares(grads)
    sgd = {"lr": 0.1, "momentum": 0.9, "dampening": 0.0, "nesterov": True, "weight_decay": 1e-4, "first": False}
    backend.sgd_step(values, grads, averages, **sgd)  # type: ignore[arg-type]
    adam = {"lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.01, "decoupled": True, "step": 3}
    backend.adam_step(values, grads, averages, square_averages, **adam)  # type: ignore[arg-type]


@contextmanager
def _options(backend: CupyBackend, values: dict[str, Any]) -> Iterator[None]:
    """Options of a backend that hold inside the block."""
    before = {name: getattr(backend.options, name) for name in values}
    try:
        for name, value in values.items():
            setattr(backend.options, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(backend.options, name, value)
