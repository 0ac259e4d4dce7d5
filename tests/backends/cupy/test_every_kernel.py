"""Every kernel in one file, small enough to run under the emulator's checks and under several orders of threads.

    gpunet emulate --check races -- python -m pytest -m gpu tests/backends/cupy/test_every_kernel.py

Each primitive is compared with NumPy over odd launches: one thread, parts of warps, blocks larger than the work and
grids smaller than it. That no kernel was left out is counted.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cupy_device import require_cupy
from device_cases import GEOMETRIES, NUMPY, to_host
from numpy.testing import assert_allclose
from tolerances import FLOAT32_LAYER_GRADIENT, ORACLE_FLOAT64

from gpunet.backends import Backend
from gpunet.backends.cupy.backend import CupyBackend
from gpunet.backends.cupy.kernel_library import KernelLibrary, declarations, files
from gpunet.geometry import Window
from gpunet.random import Stream

pytestmark = pytest.mark.gpu
require_cupy()

# Under ThreadSanitizer every thread costs: there, two launches, of parts of a warp and of several warps.
LAUNCHES = [(33, 3), (96, 2)] if os.environ.get("GPUNET_EMULATOR_CHECK") == "races" else [*GEOMETRIES, (64, 2**31 - 1)]
TOLERANCES = {"float32": FLOAT32_LAYER_GRADIENT, "float64": ORACLE_FLOAT64}
IMAGES = (3, 4, 9, 7)
CONVOLUTIONS = {
    "1x1": (Window.create(1), 1),
    "3x3": (Window.create(3, 1, 1), 1),
    "3x3/2": (Window.create(3, 2, 1), 2),
    "uneven": (Window.create((3, 2), (2, 1), ((0, 2), (1, 0)), (1, 2)), 1),
    "depthwise": (Window.create(3, 1, 1), 4),
    "depthwise dilated": (Window.create((2, 3), 1, 2, 2), 4),
}
POOLINGS = {
    "2x2/2": Window.create(2, 2),
    "3x3/2": Window.create(3, 2, 1),
    "3x2/3": Window.create((3, 2), 3, 0, 1, True),
    "dilated": Window.create(2, 1, 1, 2),
}
WIDE = Window.create(17, 3, 8)  # offsets that need more than a byte

Results = list[Any]
Case = Callable[[Backend, np.dtype[Any]], Results]


def numbers(backend: Backend, dtype: Any, *shape: int, seed: int = 0) -> Any:
    return backend.asarray(np.random.default_rng(seed).normal(size=shape).astype(dtype))


def convolution(window: Window, groups: int) -> Case:
    def run(backend: Backend, dtype: np.dtype[Any]) -> Results:
        x = numbers(backend, dtype, *IMAGES)
        weight = numbers(backend, dtype, 8, IMAGES[1] // groups, *window.kernel, seed=1)
        bias = numbers(backend, dtype, 8, seed=2)
        y = backend.conv2d(x, weight, bias, window, groups)
        columns = backend.im2col(x, window)
        return [
            y,
            backend.conv2d(x, weight, None, window, groups, relu=True),
            backend.conv2d_backward_input(y, weight, x.shape, window, groups),
            backend.conv2d_backward_weight(y, x, weight.shape, window, groups),
            columns,
            backend.col2im(columns, x.shape, window),
        ]

    return run


def pooling(window: Window, shape: tuple[int, ...] = IMAGES) -> Case:
    def run(backend: Backend, dtype: np.dtype[Any]) -> Results:
        x = numbers(backend, dtype, *shape)
        y, offsets = backend.max_pool2d(x, window)
        mean = backend.avg_pool2d(x, window, count_include_pad=False)
        return [
            y,
            offsets,
            backend.max_pool2d_backward(y, offsets, x.shape, window),
            mean,
            backend.avg_pool2d_backward(mean, x.shape, window, count_include_pad=False),
        ]

    return run


def normalization(backend: Backend, dtype: np.dtype[Any]) -> Results:
    x, grad_y = numbers(backend, dtype, *IMAGES), numbers(backend, dtype, *IMAGES, seed=1)
    weight, bias = numbers(backend, dtype, 4, seed=2), numbers(backend, dtype, 4, seed=3)
    y, mean, inv_std = backend.batch_norm(x, weight, bias, 1e-5)
    inference = backend.batch_norm_inference(x, None, None, mean, inv_std, grad_y)
    rectified, *_ = backend.batch_norm(x, weight, bias, 1e-5, relu=True)
    gradients = [
        *backend.batch_norm_backward(grad_y, x, weight, mean, inv_std),
        *backend.batch_norm_backward(grad_y, x, weight, mean, inv_std, rectified),
    ]
    return [y, mean, inv_std, inference, rectified, *gradients]


def cross_entropy(shape: tuple[int, ...]) -> Case:
    def run(backend: Backend, dtype: np.dtype[Any]) -> Results:
        logits = numbers(backend, dtype, *shape)
        host_labels = np.random.default_rng(1).integers(0, shape[1], (shape[0], *shape[2:]))
        host_labels.flat[0] = -100
        weights = backend.asarray(np.linspace(0.5, 2, shape[1]).astype(dtype))
        labels = backend.asarray(host_labels)
        return [
            *backend.softmax_cross_entropy(logits, labels),
            *backend.softmax_cross_entropy(logits, labels, weights, -100, 0.1),
        ]

    return run


def elementwise(backend: Backend, dtype: np.dtype[Any]) -> Results:
    x, grad_y = numbers(backend, dtype, *IMAGES), numbers(backend, dtype, *IMAGES, seed=1)
    y = backend.relu(x)
    dropped, mask = backend.dropout(x, 0.4, Stream(3, "dropout"))
    biased = backend.bias_relu(x, numbers(backend, dtype, IMAGES[1], seed=2))
    few, few_kept = backend.dropout(numbers(backend, dtype, 7), 0.4, Stream(3, "dropout"))  # ends within a four
    gradients = [
        backend.relu_backward(grad_y, y),
        *backend.bias_relu_backward(grad_y, biased),
        backend.dropout_backward(grad_y, mask, 0.4),
    ]
    return [y, dropped, mask, few, few_kept, biased, *gradients, backend.erf(x)]


def optimizers(backend: Backend, dtype: np.dtype[Any]) -> Results:
    shapes = [(5,), (3, 7), (1,)] * 30  # more arrays than one launch takes
    values, grads, first, second = (
        [numbers(backend, dtype, *shape, seed=seed + 4 * index) for index, shape in enumerate(shapes)]
        for seed in range(4)
    )
    second = [array * array for array in second]
    backend.sgd_step(
        values, grads, first, lr=0.1, momentum=0.9, dampening=0.1, nesterov=False, weight_decay=0.01, first=False
    )
    backend.adam_step(
        values,
        grads,
        first,
        second,
        lr=0.1,
        beta1=0.9,
        beta2=0.999,
        eps=1e-8,
        weight_decay=0.1,
        decoupled=True,
        step=3,
    )
    return [*values, *first, *second, backend.sum_of_squares(values)]


CASES: dict[str, Case] = {
    **{f"convolution {name}": convolution(*settings) for name, settings in CONVOLUTIONS.items()},
    **{f"pooling {name}": pooling(window) for name, window in POOLINGS.items()},
    "pooling wide": pooling(WIDE, (1, 2, 20, 19)),
    "pooling of pairs": pooling(POOLINGS["2x2/2"], (2, 3, 5, 8)),
    "normalization": normalization,
    "cross entropy": cross_entropy((37, 5)),
    "cross entropy of many classes": cross_entropy((5, 70)),
    "cross entropy of images": cross_entropy((2, 3, 4, 5)),
    "elementwise": elementwise,
    "optimizers": optimizers,
}
OPTIONS = {
    "columns": {},
    "direct": {"workspace_bytes": 0},
    "chunks": {"workspace_bytes": 30_000},
    "atomic": {"scatter": "atomic"},
}
# Only those two families have a choice.
PAIRS = [
    (name, option) for name in CASES for option in OPTIONS if name.startswith(("conv", "pool")) or option == "columns"
]


@pytest.mark.parametrize(("name", "option"), PAIRS)
def test_every_launch_gives_what_numpy_gives(cupy: CupyBackend, options: Any, name: str, option: str) -> None:
    for attribute, value in OPTIONS[option].items():
        setattr(options, attribute, value)
    for dtype, tolerance in TOLERANCES.items():
        wanted = CASES[name](NUMPY, np.dtype(dtype))
        for block_size, max_blocks in LAUNCHES:
            with cupy.library.geometry(block_size, max_blocks):
                found = to_host(cupy, CASES[name](cupy, np.dtype(dtype)))
            for index, (array, reference) in enumerate(zip(found, wanted, strict=True)):
                scale = max(1.0, float(np.abs(reference).max(initial=0)))
                message = f"result {index} of {name}, {dtype}, blocks of {block_size}"
                assert_allclose(array, reference, rtol=tolerance, atol=tolerance * scale, err_msg=message)


def test_no_kernel_was_left_out(cupy: CupyBackend, options: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    launched: set[tuple[str, str]] = set()
    original = KernelLibrary.launch

    def launch(self: KernelLibrary, file: str, kernel: str, *arguments: Any, **settings: Any) -> None:
        launched.add((file, kernel))
        original(self, file, kernel, *arguments, **settings)

    monkeypatch.setattr(KernelLibrary, "launch", launch)
    before = {"scatter": options.scatter, "workspace_bytes": options.workspace_bytes}
    for name, option in PAIRS:
        for attribute, value in {**before, **OPTIONS[option]}.items():
            setattr(options, attribute, value)
        with cupy.library.geometry(*LAUNCHES[0]):
            CASES[name](cupy, np.dtype("float32"))
    assert {(file, kernel) for file in files() for kernel in declarations(file).kernels} == launched
