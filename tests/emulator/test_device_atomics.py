"""Atomic operations of every type, from many blocks at once."""

import ctypes

import numpy as np
import pytest
from device_programs import SCHEDULES, Kernels, Workshop

ADD_TYPES = {"int": np.int32, "unsigned": np.uint32, "unsigned long long": np.uint64, "float": np.float32,
             "double": np.float64}  # fmt: skip
INTEGERS = {"int": np.int32, "unsigned": np.uint32, "long long": np.int64, "unsigned long long": np.uint64}


def name_of(kind: str, operation: str) -> str:
    return f"{operation}_{kind.replace(' ', '_')}"


def source() -> str:
    place = "blockIdx.x * blockDim.x + threadIdx.x"
    parts = [
        f'extern "C" __global__ void {name_of(kind, "add")}(const {kind}* x, {kind}* y) '
        f"{{ atomicAdd(y + threadIdx.x % 3, x[{place}]); }}"
        for kind in ADD_TYPES
    ]
    parts += [
        f'extern "C" __global__ void {name_of(kind, "all")}(const {kind}* x, {kind}* y) {{ {kind} v = x[{place}]; '
        "atomicMin(y, v); atomicMax(y + 1, v); atomicAnd(y + 2, v); atomicOr(y + 3, v); atomicXor(y + 4, v); }"
        for kind in INTEGERS
    ]
    return "\n".join(parts) + OTHERS


OTHERS = """
extern "C" __global__ void subtracts(int* y, unsigned* z) { atomicSub(y, 3); atomicSub(z, 3u); }
extern "C" __global__ void wraps(unsigned* y) { atomicInc(y, 6); atomicDec(y + 1, 6); }
extern "C" __global__ void returns(int* y, int* old) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  old[i] = atomicAdd(y, 1);
}
extern "C" __global__ void exchanges(int* y, float* z, unsigned long long* w, int* seen) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  seen[i] = atomicExch(y, i + 1);
  atomicExch(z, 2.5f);
  atomicExch(w, 1ull << 40);
}
extern "C" __global__ void locks(int* lock, long long* total, long long value) {
  bool done = false;
  while (!done) {
    if (atomicCAS(lock, 0, 1) == 0) {
      *total += value;
      __threadfence();
      atomicExch(lock, 0);
      done = true;
    }
  }
}
extern "C" __global__ void compares(unsigned long long* y, unsigned short* s, int* old) {
  old[0] = atomicCAS(y, 5ull, 1ull << 33) == 5ull;
  old[1] = atomicCAS(y, 5ull, 0ull) == 1ull << 33;
  unsigned short before = 3;
  old[2] = atomicCAS(s, before, (unsigned short)9);
}
extern "C" __global__ void halves(unsigned short* y) { atomicAdd((__half*)y, __half(0.5f)); }
extern "C" __global__ void in_shared(int* y) {
  __shared__ int count;
  if (threadIdx.x == 0) count = 0;
  __syncthreads();
  atomicAdd(&count, threadIdx.x);
  atomicAdd_block(&count, 1);
  __syncthreads();
  if (threadIdx.x == 0) y[blockIdx.x] = count;
}
"""


@pytest.fixture(scope="module")
def kernels(workshop: Workshop) -> Kernels:
    return workshop.compile(source(), "atomics.cu")


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("kind", ADD_TYPES)
def test_addition(kernels: Kernels, kind: str, workers: int) -> None:
    dtype = ADD_TYPES[kind]
    x = (np.arange(300 * 96) % 5).astype(dtype)
    if kind != "float":
        x[:3] = np.array([2**31 - 1, 2**30, 7]).astype(dtype)  # wraps around in 32 bits
    y = np.zeros(3, dtype)
    kernels.launch(name_of(kind, "add"), 300, 96, x, y, workers=workers)
    assert (y == x.reshape(-1, 3).sum(0, dtype=dtype)).all()


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("kind", INTEGERS)
def test_minimum_maximum_and_bits(kernels: Kernels, kind: str, workers: int) -> None:
    dtype = INTEGERS[kind]
    limits = np.iinfo(dtype)
    x = np.random.default_rng(1).integers(limits.min, limits.max, 100 * 96, dtype=dtype, endpoint=True)
    y = np.array([limits.max, limits.min, -1 if limits.min else limits.max, 0, 0], dtype)
    kernels.launch(name_of(kind, "all"), 100, 96, x, y, workers=workers)
    assert y.tolist() == [
        x.min(), x.max(), np.bitwise_and.reduce(x), np.bitwise_or.reduce(x), np.bitwise_xor.reduce(x)
    ]  # fmt: skip


@pytest.mark.parametrize("workers", [1, 4])
def test_the_old_value_is_returned(kernels: Kernels, workers: int) -> None:
    y, old = np.zeros(1, np.int32), np.zeros(200 * 64, np.int32)
    kernels.launch("returns", 200, 64, y, old, workers=workers)
    assert sorted(old.tolist()) == list(range(200 * 64))
    seen = np.zeros(200 * 64, np.int32)
    y[:], z, w = 0, np.zeros(1, np.float32), np.zeros(1, np.uint64)
    kernels.launch("exchanges", 200, 64, y, z, w, seen, workers=workers)
    assert sorted([*seen.tolist(), int(y[0])]) == list(range(200 * 64 + 1))
    assert (z[0], w[0]) == (2.5, 2**40)


def test_subtraction_and_wrapping(kernels: Kernels) -> None:
    y, z = np.zeros(1, np.int32), np.zeros(1, np.uint32)
    kernels.launch("subtracts", 10, 10, y, z)
    assert (y[0], z[0]) == (-300, 2**32 - 300)
    counters = np.zeros(2, np.uint32)
    kernels.launch("wraps", 2, 5, counters)
    assert counters.tolist() == [10 % 7, -10 % 7]


@pytest.mark.parametrize("workers", [1, 4])
def test_a_lock_of_compare_and_swap(kernels: Kernels, workers: int) -> None:
    lock, total = np.zeros(1, np.int32), np.zeros(1, np.int64)
    kernels.launch("locks", 100, 96, lock, total, ctypes.c_longlong(7), workers=workers)
    assert total[0] == 7 * 100 * 96


def test_compare_and_swap_of_other_widths(kernels: Kernels) -> None:
    y, s, old = np.full(1, 5, np.uint64), np.full(1, 3, np.uint16), np.zeros(3, np.int32)
    kernels.launch("compares", 1, 1, y, s, old)
    assert (y[0], s[0], old.tolist()) == (2**33, 9, [1, 1, 3])


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_half_and_shared_memory(kernels: Kernels, schedule: int) -> None:
    y = np.zeros(1, np.float16)
    kernels.launch("halves", 3, 33, y, schedule=schedule)
    assert y[0] == 49.5
    counts = np.zeros(4, np.int32)
    kernels.launch("in_shared", 4, 33, counts, schedule=schedule)
    assert (counts == 33 * 32 // 2 + 33).all()
