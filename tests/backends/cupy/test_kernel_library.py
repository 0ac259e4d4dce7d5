"""Launching kernels: every wrong argument is refused by name, and no geometry is too odd."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from cupy_device import require_cupy
from numpy.testing import assert_array_equal

from gpunet import resources
from gpunet.backends.cupy import kernel_library
from gpunet.backends.cupy.backend import CupyBackend
from gpunet.backends.cupy.kernel_library import KernelLibrary
from gpunet.errors import BackendError

pytestmark = pytest.mark.gpu
require_cupy()

SCALE = """// Kernels that tests launch.
extern "C" __global__ void scale(const real* __restrict__ x, real* __restrict__ y, real factor, index_t size) {
  for (index_t i = global_thread(); i < size; i += total_threads()) y[i] = factor * x[i];
}

extern "C" __global__ void block_sums(const real* __restrict__ x, accumulator* __restrict__ sums, index_t rows,
                                      int cols) {
  __shared__ accumulator scratch[MAXIMUM_WARPS];
  for (index_t row = blockIdx.x; row < rows; row += gridDim.x) {
    accumulator sum = 0, largest = x[row * cols];
    for (int col = threadIdx.x; col < cols; col += blockDim.x) {
      sum += x[row * cols + col];
      largest = Maximum()(largest, accumulator(x[row * cols + col]));
    }
    const accumulator total = block_sum(sum, scratch);
    largest = block_reduce(largest, Maximum(), scratch);
    if (threadIdx.x == blockDim.x - 1) {
      sums[2 * row] = total;
      sums[2 * row + 1] = largest;
    }
  }
}

extern "C" __global__ void coordinates(index_t* __restrict__ places, index_t first, int width, index_t height) {
  index_t index = first + global_thread();
  places[3 * global_thread()] = pop_coordinate(index, width);
  places[3 * global_thread() + 1] = pop_coordinate(index, height);
  places[3 * global_thread() + 2] = index;
}

extern "C" __global__ void constant(unsigned char* __restrict__ y) { y[threadIdx.x] = NUMBER; }
"""


@pytest.fixture
def library(cupy: CupyBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KernelLibrary]:
    """A library whose only kernels are those above."""
    header = (resources.folder("kernels") / "common.cuh").read_text(encoding="utf-8")
    (tmp_path / "common.cuh").write_text(header, encoding="utf-8")
    (tmp_path / "scale.cu").write_text(SCALE.replace("NUMBER", "7"), encoding="utf-8")
    (tmp_path / "broken.cu").write_text(
        "// Broken.\n" + SCALE.replace("factor * x", "unheard_of * x"), encoding="utf-8"
    )
    (tmp_path / "number.cu").write_text(SCALE, encoding="utf-8")
    monkeypatch.setattr(kernel_library.resources, "folder", lambda name: tmp_path)
    caches = (kernel_library.files, kernel_library.source_text, kernel_library.declarations)
    for cache in caches:
        cache.cache_clear()
    yield KernelLibrary(cupy.xp)
    for cache in caches:
        cache.cache_clear()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_file_is_compiled_for_each_dtype(library: KernelLibrary, dtype: str) -> None:
    x = library.xp.arange(1000, dtype=dtype)
    y = library.xp.empty_like(x)
    library.launch("scale", "scale", dtype, x, y, 2.5, x.size, threads=x.size)
    assert_array_equal(library.xp.asnumpy(y), 2.5 * np.arange(1000))


def launch_scale(library: KernelLibrary, **replaced: Any) -> None:
    """``scale`` on ten numbers, with some arguments replaced."""
    xp = library.xp
    arguments = {"x": xp.zeros(10, "float32"), "y": xp.zeros(10, "float32"), "factor": 2, "size": 10}
    library.launch("scale", "scale", "float32", *{**arguments, **replaced}.values(), threads=10)


@pytest.mark.parametrize(
    ("name", "argument", "message"),
    [
        ("x", lambda xp: xp.zeros(10), r"got an array of float64, wanted float32\. Convert it with astype"),
        (
            "y",
            lambda xp: xp.zeros(20, "float32")[::2],
            r"got a view with strides \(8,\) of shape \(10,\).*ascontiguous",
        ),
        ("x", lambda xp: np.zeros(10, "float32"), r"got a numpy\.ndarray, wanted a CuPy array of float32.*asarray"),
        ("x", lambda xp: 3, r"got a builtins\.int, wanted a CuPy array"),
        ("size", lambda xp: 2**63, r"9223372036854775808 is out of range for int64"),
        ("size", lambda xp: 10.0, r"got 10\.0, wanted an integer"),
        ("factor", lambda xp: 1e300, r"1e\+300 is out of range for float32"),
        ("factor", lambda xp: xp.zeros(()), r"got a cupy\.ndarray, wanted a number"),
    ],
)
def test_a_wrong_argument_is_named(library: KernelLibrary, name: str, argument: Any, message: str) -> None:
    with pytest.raises(BackendError, match=rf"^kernel 'scale' of scale\.cu: argument '{name}': {message}"):
        launch_scale(library, **{name: argument(library.xp)})


def test_the_number_of_arguments_is_checked(library: KernelLibrary) -> None:
    with pytest.raises(
        BackendError, match=r"kernel 'scale' of scale\.cu: got 5 arguments, wanted 4: x, y, factor, size"
    ):
        launch_scale(library, more=1)


def test_an_array_on_another_device_is_refused(library: KernelLibrary, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one device at hand, the current one is said to be another."""
    runtime = SimpleNamespace(getDevice=lambda: 3)
    fake = SimpleNamespace(ndarray=library.xp.ndarray, cuda=SimpleNamespace(runtime=runtime))
    x = library.xp.zeros(10, "float32")
    launch_scale(library)
    function = library._kernels["scale", "scale", np.dtype("float32"), ()].converters[0]
    monkeypatch.setattr(function.__closure__[1].cell_contents, "_xp", fake)
    with pytest.raises(BackendError, match=r"array on device 0, wanted one on the current device 3.*cuda\.Device\(0\)"):
        launch_scale(library, x=x)


def test_none_is_a_pointer_to_nothing(library: KernelLibrary) -> None:
    library.launch("scale", "scale", "float32", None, None, 1.0, 0, threads=1)


def test_no_work_launches_nothing(library: KernelLibrary) -> None:
    empty = library.xp.zeros(0, "float32")
    library.launch("scale", "scale", "float32", empty, empty, 1.0, 0, threads=0)
    library.launch("scale", "scale", "float32", empty, empty, 1.0, 0, blocks=0)


def test_either_threads_or_blocks_are_given(library: KernelLibrary) -> None:
    x = library.xp.zeros(10, "float32")
    for geometry in ({}, {"threads": 1, "blocks": 1}):
        with pytest.raises(BackendError, match=r"give either threads or blocks"):
            library.launch("scale", "scale", "float32", x, x, 1.0, 0, **geometry)
    for size in (0, 1025):
        with pytest.raises(BackendError, match=rf"block_size must be in \[1, 1024\], got {size}"):
            library.launch("scale", "scale", "float32", x, x, 1.0, 0, threads=1, block_size=size)


@pytest.mark.parametrize("max_blocks", [1, 3, 2**31 - 1])
@pytest.mark.parametrize("block_size", [1, 32, 33, 96, 1024])
def test_the_result_does_not_depend_on_the_geometry(library: KernelLibrary, block_size: int, max_blocks: int) -> None:
    xp = library.xp
    x = xp.asarray(np.arange(500) % 17, "float32").reshape(5, 100)
    y, sums = xp.empty_like(x), xp.empty((5, 2), "float32")
    with library.geometry(block_size, max_blocks):
        library.launch("scale", "scale", "float32", x, y, 3, x.size, threads=x.size)
        library.launch("scale", "block_sums", "float32", x, sums, 5, 100, blocks=5)
    host = xp.asnumpy(x)
    assert_array_equal(xp.asnumpy(y), 3 * host)
    assert_array_equal(xp.asnumpy(sums), np.stack([host.sum(axis=1), host.max(axis=1)], axis=1))


def test_a_grid_is_no_larger_than_the_hardware_allows(library: KernelLibrary) -> None:
    launch_scale(library)
    key = ("scale", "scale", np.dtype("float32"), ())
    launches = []
    library._kernels[key] = kernel_library._Kernel(
        lambda grid, block, arguments, shared_mem: launches.append((grid, block)), ("x",), (lambda argument: argument,)
    )
    library.launch("scale", "scale", "float32", 0, threads=2**50)
    library.launch("scale", "scale", "float32", 0, threads=257)
    library.launch("scale", "scale", "float32", 0, blocks=2**40, block_size=64)
    assert launches == [((2**31 - 1,), (256,)), ((2,), (256,)), ((2**31 - 1,), (64,))]


def test_the_largest_of_a_row_with_nan_is_nan(library: KernelLibrary) -> None:
    xp = library.xp
    x = np.zeros((1, 70), "float32")
    x[0, 41] = np.nan
    sums = xp.empty((1, 2), "float32")
    library.launch("scale", "block_sums", "float32", xp.asarray(x), sums, 1, 70, blocks=1, block_size=64)
    assert np.isnan(xp.asnumpy(sums)).all()


@pytest.mark.parametrize("first", [0, 2**32 - 5, 2**32 + 12345, 2**50 + 77])
@pytest.mark.parametrize(("width", "height"), [(1, 1), (7, 5), (2**31 - 1, 3), (3, 2**40)])
def test_coordinates_of_indices_of_any_size(library: KernelLibrary, first: int, width: int, height: int) -> None:
    places = library.xp.empty((10, 3), "int64")
    library.launch("scale", "coordinates", "float32", places, first, width, height, blocks=1, block_size=10)
    indices = range(first, first + 10)
    wanted = [(index % width, index // width % height, index // width // height) for index in indices]
    assert_array_equal(library.xp.asnumpy(places), wanted)


def test_a_constant_is_compiled_in(library: KernelLibrary) -> None:
    y = library.xp.zeros(2, "uint8")
    for number in (3, 200):
        library.launch("number", "constant", "float32", y, blocks=1, block_size=2, constants={"NUMBER": number})
        assert_array_equal(library.xp.asnumpy(y), [number, number])


def test_what_does_not_compile_is_shown_with_the_compilers_log(library: KernelLibrary) -> None:
    x = library.xp.zeros(1, "float32")
    message = r"(?s)broken\.cu does not compile with .*-DREAL=float.*broken\.cu.*unheard_of.*gpunet doctor"
    for _ in range(2):  # the second time as well
        with pytest.raises(BackendError, match=message):
            library.launch("broken", "scale", "float32", x, x, 1.0, 1, threads=1)


def test_an_unknown_kernel_lists_the_known_ones(library: KernelLibrary) -> None:
    with pytest.raises(BackendError, match=r"scale\.cu has no kernel 'shrink': it has scale, block_sums, coordinates"):
        library.launch("scale", "shrink", "float32", threads=1)


@pytest.mark.parametrize("dtype", ["float16", "int32"])
def test_a_dtype_without_kernels_is_refused(library: KernelLibrary, dtype: str) -> None:
    with pytest.raises(BackendError, match=rf"got arrays of {dtype}, wanted float32 or float64"):
        library.launch("scale", "scale", dtype, threads=1)


def test_a_file_can_be_compiled_ahead(library: KernelLibrary) -> None:
    library.compile("scale", "float64")
    assert {key[1] for key in library._kernels} == {"scale", "block_sums", "coordinates", "constant"}
