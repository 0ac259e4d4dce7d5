"""Barriers of a block: what they order and return, and what happens where they are misused."""

import re

import numpy as np
import pytest
from device_programs import SCHEDULES, Kernels, Workshop

SOURCE = """
extern "C" __global__ void reverses(const int* x, int* y) {
  __shared__ int tile[1024];
  int first = blockIdx.x * blockDim.x;
  tile[threadIdx.x] = x[first + threadIdx.x];
  __syncthreads();
  y[first + threadIdx.x] = tile[blockDim.x - 1 - threadIdx.x];
}

extern __shared__ int everywhere[];
template <class T> __device__ T sum_of_block(T value) {
  __shared__ T parts[1024];
  parts[threadIdx.x] = value;
  for (unsigned step = 1; step < blockDim.x; step *= 2) {
    __syncthreads();
    T other = threadIdx.x + step < blockDim.x ? parts[threadIdx.x + step] : T(0);
    __syncthreads();
    parts[threadIdx.x] += other;
  }
  __syncthreads();
  return parts[0];
}
extern "C" __global__ void sums(const int* x, int* y, double* z) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  everywhere[threadIdx.x] = x[i];
  __syncthreads();
  int mine = everywhere[blockDim.x - 1 - threadIdx.x];
  y[i] = sum_of_block(mine);
  z[i] = sum_of_block(mine * 0.5);
}

extern "C" __global__ void votes(const int* x, int* y) {
  int mine = x[threadIdx.x];
  y[3 * threadIdx.x] = __syncthreads_count(mine);
  y[3 * threadIdx.x + 1] = __syncthreads_and(mine);
  y[3 * threadIdx.x + 2] = __syncthreads_or(mine);
}

extern "C" __global__ void returns_early(int* y, int size) {
  if ((int)threadIdx.x >= size) return;
  __shared__ int tile[128];
  tile[threadIdx.x] = threadIdx.x;
  __syncthreads();
  y[threadIdx.x] = tile[(threadIdx.x + 1) % size];
}

extern "C" __global__ void diverges(int* y, int size) {
  if (threadIdx.x % 2 == 0) {
    __syncthreads();  // even threads
  } else {
    __syncthreads();  // odd threads
  }
  y[threadIdx.x] = 1;
}

#define WAIT __syncthreads()
template <class T> __device__ T waits_at_one_place(T value) { __syncthreads(); return value; }
extern "C" __global__ void diverges_on_one_line(int* y, int how) {
  if (how == 0) { if (threadIdx.x < 8) { __syncthreads(); } else { __syncthreads(); } }  // one line
  if (how == 1) { if (threadIdx.x < 8) { WAIT; } else { WAIT; } }
  if (how == 2) { if (threadIdx.x < 8) y[0] = __syncthreads_or(1); else y[0] = __syncthreads_or(0); }
  if (how == 3) { __syncthreads(); __syncthreads(); WAIT; WAIT; for (int i = 0; i < 3; i++) { WAIT; } }
  if (how == 4) y[threadIdx.x] = threadIdx.x < 8 ? waits_at_one_place(1) : waits_at_one_place(2);
}

extern "C" __global__ void skips_one(int* y, int size) {
  if ((int)threadIdx.x < size) __syncthreads();  // some threads
  y[threadIdx.x] = 1;
  __syncthreads();  // all threads
}

extern "C" __global__ void waits_in_two_ways(int* y, int size) {
  if (threadIdx.x < 16)
    __syncthreads();  // block
  else
    y[threadIdx.x] = __shfl_sync(0xffffffffu, 1, 0);  // warp
  y[threadIdx.x] = 1;
}

extern "C" __global__ void dynamic_types(float* y) {
  extern __shared__ __align__(16) unsigned char memory[];
  double* doubles = reinterpret_cast<double*>(memory);
  float4* vectors = (float4*)(memory + 64);
  doubles[threadIdx.x] = threadIdx.x;
  vectors[threadIdx.x] = make_float4(1, 2, 3, threadIdx.x);
  __syncthreads();
  y[threadIdx.x] = doubles[7 - threadIdx.x] + vectors[7 - threadIdx.x].w;
}

extern "C" __global__ void finds_nothing(int* y) {
  extern __shared__ int memory[];
  y[blockIdx.x * blockDim.x + threadIdx.x] = memory[threadIdx.x];
  memory[threadIdx.x] = 5;
}

extern "C" __global__ void waits_for_another(int* y) {
  __shared__ int flag;
  if (threadIdx.x == 0) flag = 0;
  __syncthreads();
  if (threadIdx.x == 5) atomicExch(&flag, 1);
  while (atomicAdd(&flag, 0) == 0) __nanosleep(100);
  y[threadIdx.x] = 1;
}
"""
WHOLE = [(1, 1), (3, 33), (2, 1024), (5, 96)]


@pytest.fixture(scope="module")
def kernels(workshop: Workshop) -> Kernels:
    return workshop.compile(SOURCE, "barriers.cu")


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize(("grid", "block"), WHOLE)
def test_shared_memory_passes_through_a_barrier(kernels: Kernels, grid: int, block: int, schedule: int) -> None:
    x = np.arange(grid * block, dtype=np.int32)
    y = np.full_like(x, -1)
    kernels.launch("reverses", grid, block, x, y, schedule=schedule)
    assert (y.reshape(grid, block) == x.reshape(grid, block)[:, ::-1]).all()


@pytest.mark.parametrize("workers", [1, 3])
def test_blocks_on_several_cores_have_their_own_shared_memory(kernels: Kernels, workers: int) -> None:
    x = np.arange(200 * 64, dtype=np.int32)
    y, z = np.zeros_like(x), np.zeros(x.size)
    kernels.launch("sums", 200, 64, x, y, z, shared_bytes=256, workers=workers)
    expected = np.repeat(x.reshape(200, 64).sum(1), 64)
    assert (y == expected).all()
    assert (z == expected * 0.5).all()


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("yes", [0, 5, 70])
def test_barriers_that_count(kernels: Kernels, yes: int, schedule: int) -> None:
    x = np.arange(70) < yes
    y = np.full((70, 3), -1, np.int32)
    kernels.launch("votes", 1, 70, x.astype(np.int32) * 4, y, schedule=schedule)
    assert (y == [yes, yes == 70, yes > 0]).all()


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_threads_that_have_exited_are_not_waited_for(kernels: Kernels, schedule: int) -> None:
    y = np.full(128, -1, np.int32)
    kernels.launch("returns_early", 1, 128, y, 100, schedule=schedule)
    assert (y == [(i + 1) % 100 if i < 100 else -1 for i in range(128)]).all()


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_divergent_barrier(kernels: Kernels, schedule: int) -> None:
    y = np.zeros(64, np.int32)
    with pytest.raises(RuntimeError, match=r"block \(\d, 0, 0\): divergent barrier") as caught:
        kernels.launch("diverges", 2, 64, y, 0, schedule=schedule)
    for mark in ("// even threads", "// odd threads"):
        assert f"line {kernels.line_of(mark)}" in str(caught.value)
    with pytest.raises(RuntimeError, match="divergent barrier") as caught:
        kernels.launch("skips_one", 1, 64, y, 40, schedule=schedule)
    assert f"line {kernels.line_of('// some threads')}" in str(caught.value)
    kernels.launch("skips_one", 1, 64, y, 64, schedule=schedule)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("how", [0, 1, 2])
def test_two_barriers_on_one_line_are_two(kernels: Kernels, how: int, schedule: int) -> None:
    y = np.zeros(32, np.int32)
    with pytest.raises(RuntimeError, match=r"divergent barrier: thread .* waits at line") as caught:
        kernels.launch("diverges_on_one_line", 1, 32, y, how, schedule=schedule)
    line = kernels.line_of("// one line") + how
    columns = re.findall(rf"line {line}, column (\d+),", str(caught.value))
    assert len(set(columns)) == 2


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("how", [3, 4])  # 4: called from two places, which wait at the same one
def test_one_barrier_stays_one_however_it_is_reached(kernels: Kernels, how: int, schedule: int) -> None:
    y = np.zeros(32, np.int32)
    kernels.launch("diverges_on_one_line", 1, 32, y, how, schedule=schedule)
    assert how == 3 or y.tolist() == [1] * 8 + [2] * 24


def test_places_are_told_in_newer_languages_too(workshop: Workshop) -> None:
    """From C++20 on the type behind the builtin is the library's."""
    source = """#include <source_location>
extern "C" __global__ void apart(int* y) { if (threadIdx.x) { __syncthreads(); } else { __syncthreads(); } *y = 1; }
"""
    kernels = workshop.compile(source, language="c++20")
    with pytest.raises(RuntimeError, match=r"line 2, column \d+, and thread .* line 2, column \d+, of kernel.cu"):
        kernels.launch("apart", 1, 32, np.zeros(1, np.int32))


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_deadlock_says_who_waits_where(kernels: Kernels, schedule: int) -> None:
    y = np.zeros(32, np.int32)
    with pytest.raises(RuntimeError, match="deadlock") as caught:
        kernels.launch("waits_in_two_ways", 1, 32, y, 0, schedule=schedule)
    text = str(caught.value)
    assert f"threads 0 to 15 wait at the block's barrier in line {kernels.line_of('// block')}" in text
    assert f"threads 16 to 31 wait at a warp operation in line {kernels.line_of('// warp')}" in text
    assert "0xffffffff" in text


def test_dynamic_shared_memory_of_any_type(kernels: Kernels) -> None:
    y = np.zeros(8, np.float32)
    kernels.launch("dynamic_types", 1, 8, y, shared_bytes=64 + 128)
    assert (y == 2 * np.arange(8)[::-1]).all()


def test_dynamic_shared_memory_holds_nothing_when_a_block_begins(kernels: Kernels) -> None:
    y = np.zeros(64, np.int32)
    kernels.launch("finds_nothing", 4, 16, y, shared_bytes=64)
    assert (y == -1).all()


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_thread_may_wait_for_another(kernels: Kernels, schedule: int) -> None:
    y = np.zeros(32, np.int32)
    kernels.launch("waits_for_another", 1, 32, y, schedule=schedule)
    assert (y == 1).all()


def test_a_barrier_without_fibers_is_an_error(kernels: Kernels) -> None:
    x = np.zeros(32, np.int32)
    with pytest.raises(RuntimeError, match="met a barrier although it was launched without fibers"):
        kernels.launch("reverses", 1, 32, x, x, fibers=False)
