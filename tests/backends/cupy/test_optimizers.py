"""The kernels of the optimizers: the bits of NumPy, many arrays, odd launches; and sums of squares in a fixed order."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from cupy_device import require_cupy
from device_cases import GEOMETRIES, NUMPY, assert_same_bits
from numpy.testing import assert_allclose, assert_array_equal
from tolerances import FLOAT32_ROUNDING, ORACLE_FLOAT64

pytestmark = pytest.mark.gpu
backend: Any = require_cupy()

SHAPES = [(), (0, 3), (1,), (7, 3), (4096,), (4097,), (3, 5000)]  # up to and past one block's chunk
STEPS = 3

SGD = [
    {"momentum": momentum, "dampening": dampening, "nesterov": nesterov, "weight_decay": weight_decay}
    for (momentum, dampening, nesterov), weight_decay in itertools.product(
        [(0.0, 0.0, False), (0.9, 0.0, False), (0.9, 0.3, False), (0.9, 0.0, True)], [0.0, 0.01]
    )
]
ADAM = [
    {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": weight_decay, "decoupled": decoupled}
    for weight_decay, decoupled in itertools.product([0.0, 0.01], [False, True])
]


def normals(shapes: Any, dtype: Any, seed: int) -> list[Any]:
    draw = np.random.default_rng(seed)
    return [np.asarray(draw.normal(0, 1, shape), dtype) for shape in shapes]


def run(place: Any, name: str, settings: dict[str, Any], shapes: Any, dtype: Any) -> list[Any]:
    """Values and memories after a few steps, on the host."""
    arrays = [[place.asarray(array.copy()) for array in normals(shapes, dtype, seed)] for seed in range(3)]
    values, first, second = arrays
    for array in second:
        place.xp.abs(array, out=array)  # averages of squares
    for step in range(STEPS):
        grads = [place.asarray(array) for array in normals(shapes, dtype, 10 + step)]
        if name == "sgd":
            buffers = first if settings["momentum"] else None
            place.sgd_step(values, grads, buffers, lr=0.1, first=step == 0, **settings)
        else:
            place.adam_step(values, grads, first, second, lr=0.01, step=step + 1, **settings)
        for grad, unchanged in zip(grads, normals(shapes, dtype, 10 + step), strict=True):
            assert_array_equal(place.to_numpy(grad), unchanged)
    return [place.to_numpy(array) for array in (*values, *first, *second)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("name", "settings"), [*(("sgd", each) for each in SGD), *(("adam", each) for each in ADAM)], ids=str
)
def test_steps_give_the_bits_of_numpy(name: str, settings: dict[str, Any], dtype: str) -> None:
    wanted = run(NUMPY, name, settings, SHAPES, dtype)
    for result, reference in zip(run(backend, name, settings, SHAPES, dtype), wanted, strict=True):
        assert_same_bits(result, reference)


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
@pytest.mark.parametrize(("name", "settings"), [("sgd", SGD[-1]), ("adam", ADAM[-1])], ids=["sgd", "adam"])
def test_steps_do_not_depend_on_the_launch(name: str, settings: dict[str, Any], geometry: tuple[int, int]) -> None:
    with backend.library.geometry(*geometry):
        results = run(backend, name, settings, SHAPES, "float32")
    for result, reference in zip(results, run(NUMPY, name, settings, SHAPES, "float32"), strict=True):
        assert_same_bits(result, reference)


@pytest.mark.parametrize("count", [63, 64, 65, 200])
def test_any_number_of_arrays(count: int) -> None:
    """A launch takes 64 of them."""
    shapes = [(number % 5,) for number in range(count)]
    for name, settings in (("sgd", SGD[3]), ("adam", ADAM[2])):
        wanted = run(NUMPY, name, settings, shapes, "float32")
        for result, reference in zip(run(backend, name, settings, shapes, "float32"), wanted, strict=True):
            assert_same_bits(result, reference)
    arrays = [np.full(shape, 2.0) for shape in shapes]
    assert float(backend.sum_of_squares(list(map(backend.asarray, arrays)))) == sum(4 * array.size for array in arrays)


def test_arrays_of_both_dtypes_and_in_any_strides_are_stepped_in_place() -> None:
    hosts = [np.arange(12.0, dtype=np.float32).reshape(3, 4), np.arange(6.0).reshape(2, 3), np.ones(4, np.float32)]
    wide = backend.asarray(np.zeros((4, 6), np.float32))
    wide[:, ::2] = backend.asarray(hosts[0].T)
    values = [wide[:, ::2].T, backend.asarray(hosts[1]).copy(order="F"), backend.asarray(hosts[2])]
    grads = [backend.asarray(np.full_like(host.T, 2)).T for host in hosts]
    for value, grad in zip(values[:2], grads[:2], strict=True):
        assert not (value.flags.c_contiguous and grad.flags.c_contiguous)
    backend.sgd_step(values, grads, None, lr=0.5, momentum=0, dampening=0, nesterov=False, weight_decay=0, first=False)
    for value, host in zip(values, hosts, strict=True):
        assert_array_equal(backend.to_numpy(value), host - 1)
    assert_array_equal(backend.to_numpy(wide[:, 1::2]), np.zeros((4, 3)))  # nothing beside the view


@pytest.mark.parametrize("geometry", [None, *GEOMETRIES], ids=str)
def test_the_sum_of_squares_of_whole_numbers_is_exact(geometry: tuple[int, int] | None) -> None:
    arrays = [
        np.arange(size).reshape(shape) % 7 for size, shape in ((9001, (9001,)), (6, (2, 3)), (1, ()), (0, (0, 2)))
    ]
    wanted = sum(int((array**2).sum()) for array in arrays)
    for dtype in ("float32", "float64"):
        moved = [backend.asarray(array.astype(dtype)) for array in arrays]
        if geometry is None:
            total = backend.sum_of_squares(moved)
        else:
            with backend.library.geometry(*geometry):
                total = backend.sum_of_squares(moved)
        assert total.shape == ()
        assert total.dtype == dtype
        assert float(total) == wanted


def test_the_sum_of_squares_has_the_same_bits_whatever_the_number_of_blocks() -> None:
    arrays = [backend.asarray(array) for array in normals([(50_000,), (30, 31), (4097,)], "float32", 0)]
    total = backend.to_numpy(backend.sum_of_squares(arrays))
    exact = sum(float((backend.to_numpy(array).astype(np.float64) ** 2).sum()) for array in arrays)
    assert_allclose(float(total), exact, rtol=20 * FLOAT32_ROUNDING)
    for max_blocks in (1, 2, 5, 10**6):
        with backend.library.geometry(max_blocks=max_blocks):
            assert_same_bits(backend.to_numpy(backend.sum_of_squares(arrays)), total)


def test_the_sum_of_squares_of_both_dtypes_of_views_and_of_nothing() -> None:
    mixed = [np.full((2, 3), 0.1), np.full(5, 3, np.float32)]
    total = backend.sum_of_squares(list(map(backend.asarray, mixed)))
    assert total.dtype == np.float64
    assert_allclose(float(total), 6 * 0.01 + 45, rtol=ORACLE_FLOAT64)
    assert (
        float(backend.sum_of_squares([backend.asarray(np.arange(12.0).reshape(3, 4))[:, ::3].T]))
        == 9 + 16 + 49 + 64 + 121
    )
    for nothing in ([], [backend.asarray(np.zeros((0, 3), np.float32))]):
        assert float(backend.sum_of_squares(nothing)) == 0
        assert backend.sum_of_squares(nothing).dtype == np.float32
    assert np.isnan(float(backend.sum_of_squares([backend.asarray(np.array([1, np.nan]))])))
