"""Blocks, threads, arguments, schedules and workers; what stops a launch says which thread did."""

import ctypes
import math

import numpy as np
import pytest
from device_programs import SCHEDULES, Kernels, Workshop

SOURCE = """
struct Sizes {
  long long rows;
  int columns;
  double scale;
};

extern "C" __global__ void places(int* seen, unsigned* order, unsigned* counter) {
  unsigned block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  unsigned place = block * blockDim.x * blockDim.y * blockDim.z + thread;
  atomicAdd(seen + place, 1);
  order[atomicAdd(counter, 1u)] = place;
}

extern "C" __global__ void __launch_bounds__(128) arguments(Sizes sizes, const float* __restrict__ x, double* y,
                                                            bool flip, unsigned char byte, dim3 size) {
  y[0] = sizes.rows * sizes.columns * sizes.scale + x[0] + (flip ? 1000 : 0) + byte + size.x * size.y * size.z;
}

__constant__ float weights[3] = {1, 2, 3};
__device__ int launches;
extern "C" __global__ void globals(float* y) {
  launches++;
  y[0] = __ldg(weights + 2) + launches;
  static_assert(warpSize == 32, "");
#pragma unroll 4
  for (int i = 0; i < 4; i++) y[1] += i;
}

template <int width, class T> __global__ void of_template(T* y) { y[threadIdx.x] = (T)width; }

extern "C" __global__ void asserts(const int* x, int size) {
  for (int i = threadIdx.x; i < size; i += blockDim.x) assert(x[i] >= 0);  // asserted here
}

extern "C" __global__ void asserts_at_barrier(const int* x) {
  __syncthreads();
  assert(x[threadIdx.x] >= 0);
  __syncthreads();
}

extern "C" __global__ void traps(int thread) {
  if ((int)threadIdx.x == thread) __trap();
}

extern "C" __global__ void prints(float x) { printf("thread %d of block %d: %g\\n", threadIdx.x, blockIdx.x, x); }
extern "C" __global__ void needs_shared() {}
extern "C" __global__ void takes_time(long long* y) { long long begin = clock64(); y[0] = clock64() - begin; }
"""


class Sizes(ctypes.Structure):
    _fields_ = [("rows", ctypes.c_longlong), ("columns", ctypes.c_int), ("scale", ctypes.c_double)]


class Dim3(ctypes.Structure):
    _fields_ = [("x", ctypes.c_uint), ("y", ctypes.c_uint), ("z", ctypes.c_uint)]


@pytest.fixture(scope="module")
def kernels(workshop: Workshop) -> Kernels:
    return workshop.compile(SOURCE, "launch.cu", instances={"instance": "of_template<7, double>"})


def order_of(kernels: Kernels, grid: tuple[int, ...], block: tuple[int, ...], **options: int) -> list[int]:
    count = math.prod(grid) * math.prod(block)
    seen, order, counter = np.zeros(count, np.int32), np.zeros(count, np.uint32), np.zeros(1, np.uint32)
    kernels.launch("places", grid, block, seen, order, counter, **options)
    assert (seen == 1).all()
    return order.tolist()


@pytest.mark.parametrize("fibers", [False, True])
@pytest.mark.parametrize(
    ("grid", "block"), [((1,), (1,)), ((7,), (33,)), ((2, 3, 4), (5, 3, 2)), ((1, 6), (1, 1, 64)), ((3,), (1024,))]
)
def test_every_thread_runs_once_in_the_schedules_order(
    kernels: Kernels, grid: tuple[int, ...], block: tuple[int, ...], fibers: bool
) -> None:
    forward = list(range(math.prod(grid) * math.prod(block)))
    assert order_of(kernels, grid, block, schedule=0, fibers=fibers) == forward
    assert order_of(kernels, grid, block, schedule=1, fibers=fibers) == forward[::-1]
    for schedule in (2, 3, 2**31 - 1):
        shuffled = order_of(kernels, grid, block, schedule=schedule, fibers=fibers)
        assert sorted(shuffled) == forward
        assert order_of(kernels, grid, block, schedule=schedule, fibers=fibers) == shuffled  # it is a seed
        if len(forward) > 100:
            assert shuffled not in (forward, forward[::-1])


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_workers_share_the_blocks(kernels: Kernels, workers: int) -> None:
    for _ in range(3):
        assert sorted(order_of(kernels, (301,), (96,), workers=workers)) == list(range(301 * 96))


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_arguments_keep_their_types(kernels: Kernels, schedule: int) -> None:
    y = np.zeros(1)
    x = np.array([0.5], np.float32)
    kernels.launch("arguments", 1, 1, Sizes(2**33, 3, 0.25), x, y, ctypes.c_bool(True), ctypes.c_ubyte(200),
                   Dim3(2, 3, 4), schedule=schedule)  # fmt: skip
    assert y[0] == 2**33 * 3 * 0.25 + 0.5 + 1000 + 200 + 24


def test_instance_of_a_template(kernels: Kernels) -> None:
    y = np.zeros(3)
    kernels.launch("instance", 1, 3, y)
    assert y.tolist() == [7, 7, 7]


def test_globals_live_from_launch_to_launch(kernels: Kernels) -> None:
    y = np.zeros(2, np.float32)
    kernels.launch("globals", 1, 1, y)
    kernels.launch("globals", 1, 1, y)
    assert y.tolist() == [5, 12]


@pytest.mark.parametrize("fibers", [False, True])
def test_a_failing_assertion_names_the_thread(kernels: Kernels, fibers: bool) -> None:
    x = np.arange(64, dtype=np.int32)
    kernels.launch("asserts", 4, 32, x, 64, fibers=fibers)
    x[37] = -1
    with pytest.raises(RuntimeError, match=r"block \(0, 0, 0\): thread \(5, 0, 0\), line \d+ of .*launch.cu: "
                       r"assertion failed: x\[i\] >= 0") as caught:  # fmt: skip
        kernels.launch("asserts", 4, 32, x, 64, fibers=fibers)
    assert f"line {kernels.line_of('asserted here')} " in str(caught.value)
    kernels.launch("asserts", 4, 32, x, 37, fibers=fibers)  # the next launch begins anew


def test_an_assertion_between_barriers_does_not_leave_the_others_waiting(kernels: Kernels) -> None:
    x = np.array([0, 0, -1, 0], np.int32)
    for schedule in SCHEDULES:
        with pytest.raises(RuntimeError, match=r"thread \(2, 0, 0\).*assertion failed"):
            kernels.launch("asserts_at_barrier", 2, 4, x, schedule=schedule)
    kernels.launch("asserts_at_barrier", 2, 2, x)


def test_trap(kernels: Kernels) -> None:
    with pytest.raises(RuntimeError, match=r"thread \(3, 0, 0\).*__trap"):
        kernels.launch("traps", 2, 8, 3)
    kernels.launch("traps", 2, 8, 9)


@pytest.mark.parametrize("block", [0, 1025, (32, 33)])
def test_blocks_that_no_gpu_has(kernels: Kernels, block: int | tuple[int, int]) -> None:
    with pytest.raises(RuntimeError, match="a block has 1 to 1024 threads"):
        kernels.launch("needs_shared", 1, block)


def test_more_shared_memory_than_a_block_has(kernels: Kernels) -> None:
    with pytest.raises(RuntimeError, match="1000000 bytes of shared memory are more than a block can have"):
        kernels.launch("needs_shared", 1, 1, shared_bytes=1_000_000)


def test_printed_text_is_out_when_the_launch_has_ended(kernels: Kernels, capfd: pytest.CaptureFixture[str]) -> None:
    kernels.launch("prints", 2, 2, 1.5)
    expected = [f"thread {thread} of block {block}: 1.5" for block in (0, 1) for thread in (0, 1)]
    assert capfd.readouterr().out.splitlines() == expected


def test_clock(kernels: Kernels) -> None:
    y = np.full(1, -1, np.int64)
    kernels.launch("takes_time", 1, 1, y)
    assert y[0] >= 0
