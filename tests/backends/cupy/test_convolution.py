"""Every algorithm of convolution: equal to the loops, whatever the workspace and the launch; the same bits always."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cupy_device import require_cupy
from numpy.testing import assert_allclose, assert_array_equal
from references import conv2d_backward_input_reference, conv2d_backward_weight_reference, conv2d_reference
from tolerances import FLOAT32_ROUNDING
from window_cases import CONVOLUTIONS, DTYPES, Convolution, integers

from gpunet.backends.cupy.backend import CupyBackend
from gpunet.backends.cupy.options import Options
from gpunet.backends.numpy import NumpyBackend
from gpunet.geometry import Window

pytestmark = pytest.mark.gpu
require_cupy()

# Every hand-written case, and enough of the sampled ones; the whole list runs in tests/backends/numpy under -m gpu.
CASES = CONVOLUTIONS[:19] + CONVOLUTIONS[19:80:4]
# One of each: columns with a window compiled in and without, groups, depthwise both ways, pointwise.
KINDS = [
    Convolution((5, 4, 9, 7), 6, Window.create(3, 2, ((1, 0), (2, 1)))),
    Convolution((5, 4, 9, 7), 6, Window.create((2, 3), (1, 3), 1, (2, 1)), 2),
    Convolution((5, 4, 9, 7), 8, Window.create(3, 1, 1), 4),
    Convolution((5, 4, 9, 7), 4, Window.create((3, 2), 2, 1, 2), 4),
    Convolution((5, 4, 9, 7), 6, Window.create(1)),
]
WORKSPACES = {"everything": 2**30, "an image": 12_000, "nothing": 0}


def arrays(case: Convolution, dtype: Any) -> list[Any]:
    """[x, weight, bias, grad_y] of small integers."""
    shapes = (case.x_shape, case.weight_shape, (case.filters,), case.y_shape)
    return [integers(shape, seed, dtype) for seed, shape in enumerate(shapes)]


def normal_arrays(case: Convolution, dtype: Any) -> list[Any]:
    """The same of normal numbers, whose sums round."""
    generator = np.random.default_rng(7)
    shapes = (case.x_shape, case.weight_shape, (case.filters,), case.y_shape)
    return [generator.standard_normal(shape).astype(dtype) for shape in shapes]


def everything(backend: Any, case: Convolution, host: list[Any]) -> list[Any]:
    """[y, y without bias, y with relu, grad_x, grad_weight] on the host."""
    x, weight, bias, grad_y = (backend.asarray(array) for array in host)
    settings = (case.window, case.groups)
    results = [
        backend.conv2d(x, weight, bias, *settings),
        backend.conv2d(x, weight, None, *settings),
        backend.conv2d(x, weight, bias, *settings, relu=True),
        backend.conv2d_backward_input(grad_y, weight, case.x_shape, *settings),
        backend.conv2d_backward_weight(grad_y, x, case.weight_shape, *settings),
    ]
    return [backend.to_numpy(result) for result in results]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_algorithm_equals_the_loops(cupy: CupyBackend, options: Options, case: Convolution) -> None:
    x, weight, bias, grad_y = arrays(case, "float64")
    wanted = [
        conv2d_reference(x, weight, bias, case.window, case.groups),
        conv2d_reference(x, weight, None, case.window, case.groups),
        np.maximum(conv2d_reference(x, weight, bias, case.window, case.groups), 0),
        conv2d_backward_input_reference(grad_y, weight, case.x_shape, case.window, case.groups),
        conv2d_backward_weight_reference(grad_y, x, case.weight_shape, case.window, case.groups),
    ]
    for dtype in DTYPES:
        for name, options.workspace_bytes in WORKSPACES.items():
            for got, reference in zip(everything(cupy, case, arrays(case, dtype)), wanted, strict=True):
                assert got.dtype == dtype
                assert got.shape == reference.shape
                assert_array_equal(got, reference, err_msg=f"workspace for {name}")


@pytest.mark.parametrize("case", KINDS, ids=str)
@pytest.mark.parametrize(("block_size", "max_blocks"), [(1, 7), (33, 1), (96, 2**31 - 1), (1024, 3)])
def test_no_geometry_changes_them(
    cupy: CupyBackend, options: Options, case: Convolution, block_size: int, max_blocks: int
) -> None:
    host = arrays(case, "float32")
    wanted = everything(NumpyBackend(), case, host)
    for options.workspace_bytes in WORKSPACES.values():
        with cupy.library.geometry(block_size, max_blocks):
            for got, reference in zip(everything(cupy, case, host), wanted, strict=True):
                assert_array_equal(got, reference)


@pytest.mark.parametrize("workspace", WORKSPACES)
@pytest.mark.parametrize("case", KINDS, ids=str)
def test_two_runs_give_the_same_bits(cupy: CupyBackend, options: Options, case: Convolution, workspace: str) -> None:
    options.workspace_bytes = WORKSPACES[workspace]
    host = normal_arrays(case, "float32")
    for first, second in zip(everything(cupy, case, host), everything(cupy, case, host), strict=True):
        assert first.tobytes() == second.tobytes()


@pytest.mark.parametrize("workspace", WORKSPACES)
@pytest.mark.parametrize("case", KINDS, ids=str)
def test_reals_are_right_to_their_rounding(
    cupy: CupyBackend, options: Options, case: Convolution, workspace: str
) -> None:
    """A sum of n products is off by at most n + 1 roundings of the sum of their absolute values."""
    options.workspace_bytes = WORKSPACES[workspace]
    host = normal_arrays(case, "float32")
    exact = everything(NumpyBackend(), case, [array.astype("float64") for array in host])
    sizes = everything(NumpyBackend(), case, [np.abs(array).astype("float64") for array in host])
    terms = everything(NumpyBackend(), case, [np.ones(array.shape) for array in host])
    for got, wanted, size, count in zip(everything(cupy, case, host), exact, sizes, terms, strict=True):
        bound = np.maximum(size * (count + 1), 1e-30)
        assert_allclose(got / bound, wanted / bound, rtol=0, atol=FLOAT32_ROUNDING)


@pytest.mark.parametrize("workspace", WORKSPACES)
@pytest.mark.parametrize("case", KINDS, ids=str)
def test_relu_gives_the_bits_of_one_after_the_other(
    cupy: CupyBackend, options: Options, case: Convolution, workspace: str
) -> None:
    options.workspace_bytes = WORKSPACES[workspace]
    x, weight, bias, _ = normal_arrays(case, "float32")
    x[0, 0, 0, 0] = np.nan
    for given in (None, bias):
        arguments = (*map(cupy.asarray, (x, weight)), given if given is None else cupy.asarray(given))
        plain = cupy.conv2d(*arguments, case.window, case.groups)
        y = cupy.conv2d(*arguments, case.window, case.groups, relu=True)
        assert cupy.to_numpy(y).tobytes() == cupy.to_numpy(cupy.relu(plain)).tobytes()


def test_gradients_may_be_scattered_by_atomics(cupy: CupyBackend, options: Options) -> None:
    options.scatter = "atomic"
    for case in KINDS:
        host = arrays(case, "float32")
        for got, wanted in zip(everything(cupy, case, host), everything(NumpyBackend(), case, host), strict=True):
            assert_array_equal(got, wanted)


def test_a_gradient_is_dealt_to_many_blocks(cupy: CupyBackend, options: Options) -> None:
    """Enough outputs for several shares, which end at odd places."""
    options.workspace_bytes = 0
    for groups, kernel in ((1, 3), (2, 3), (2, (3, 2))):
        case = Convolution((7, 2, 23, 29), 2, Window.create(kernel, 1, 1), groups)
        host = arrays(case, "float64")
        assert_array_equal(everything(cupy, case, host)[-1], everything(NumpyBackend(), case, host)[-1])


def test_the_workspace_is_not_exceeded(cupy: CupyBackend, options: Options) -> None:
    """Beside arguments and results, a convolution holds no more memory at once than it may."""
    case = Convolution((64, 4, 12, 12), 8, Window.create(3, 1, 1))
    x, weight, bias, grad_y = map(cupy.asarray, arrays(case, "float32"))
    settings = (case.window, case.groups)
    options.workspace_bytes = 200_000
    held: dict[int, int] = {}
    peak = 0
    xp = cupy.xp

    class Watch(xp.cuda.MemoryHook):  # type: ignore[name-defined,misc]
        name = "Watch"

        def malloc_postprocess(self, **event: Any) -> None:
            nonlocal peak
            held[event["mem_ptr"]] = event["size"]
            peak = max(peak, sum(held.values()))

        def free_preprocess(self, **event: Any) -> None:
            held.pop(event["mem_ptr"], None)

    pool = xp.cuda.MemoryPool()
    for result_size, compute in (
        (grad_y.nbytes, lambda: cupy.conv2d(x, weight, bias, *settings)),
        (x.nbytes, lambda: cupy.conv2d_backward_input(grad_y, weight, x.shape, *settings)),
        (weight.nbytes, lambda: cupy.conv2d_backward_weight(grad_y, x, weight.shape, *settings)),
    ):
        held.clear()
        peak = 0
        with xp.cuda.using_allocator(pool.malloc), Watch():
            compute()
        assert result_size < peak <= result_size + options.workspace_bytes + 2 * weight.nbytes + 8192


def test_products_are_float32_not_tensor_float32(cupy: CupyBackend) -> None:
    """1 + 2**-12 has more bits than the ten of TF32's mantissa: rounded to TF32 it is 1."""
    x = np.full((1, 16, 8, 8), 1 + 2.0**-12, "float32")
    weight = np.ones((8, 16, 3, 3), "float32")
    y = cupy.conv2d(cupy.asarray(x), cupy.asarray(weight), None, Window.create(3))
    assert_array_equal(cupy.to_numpy(y), np.full((1, 8, 6, 6), 144 * (1 + 2.0**-12), "float32"))
