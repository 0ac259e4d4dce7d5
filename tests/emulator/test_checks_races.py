"""Planted races: each is found with its line, within a block and between blocks; correct kernels raise no alarm."""

import pytest
from device_programs import Kernels, Workshop

SOURCE = """
extern "C" __global__ void adds_plainly(const float* x, float* y, int size) {
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < size; i += gridDim.x * blockDim.x)
    y[0] += x[i];  // planted: no atomicAdd
}

extern "C" __global__ void adds_atomically(const float* x, float* y, int size) {
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < size; i += gridDim.x * blockDim.x) atomicAdd(y, x[i]);
}

extern "C" __global__ void reverses(const float* x, float* y, int with_barrier) {
  __shared__ float tile[64];
  tile[threadIdx.x] = x[threadIdx.x];  // static write
  if (with_barrier) __syncthreads();
  y[blockIdx.x * blockDim.x + threadIdx.x] = tile[blockDim.x - 1 - threadIdx.x];
}

extern "C" __global__ void reverses_dynamically(const float* x, float* y, int with_barrier) {
  extern __shared__ float tile[];
  tile[threadIdx.x] = x[threadIdx.x];  // dynamic write
  if (with_barrier) __syncthreads();
  y[blockIdx.x * blockDim.x + threadIdx.x] = tile[blockDim.x - 1 - threadIdx.x];
}

extern "C" __global__ void reads_before_writing_again(const float* x, float* y, int with_barrier) {
  __shared__ float tile[64];
  for (int round = 0; round < 3; round++) {
    tile[threadIdx.x] = x[threadIdx.x] + round;  // written in each round
    __syncthreads();
    y[threadIdx.x] = tile[blockDim.x - 1 - threadIdx.x];
    if (with_barrier) __syncthreads();
  }
}

extern "C" __global__ void within_a_warp(const float* x, float* y, int with_barrier) {
  __shared__ float tile[32];
  tile[threadIdx.x] = x[threadIdx.x];  // warp write
  if (with_barrier) __syncwarp();
  y[threadIdx.x] = tile[threadIdx.x ^ 1];
}

// The last block to arrive adds up what all have left: the fence and the atomic operation order it.
extern "C" __global__ void last_block(const float* x, float* partial, float* y, unsigned int* arrived) {
  __shared__ bool last;
  if (threadIdx.x == 0) {
    partial[blockIdx.x] = x[blockIdx.x];
    __threadfence();
    last = atomicInc(arrived, gridDim.x - 1) == gridDim.x - 1;
  }
  __syncthreads();
  if (last && threadIdx.x == 0)
    for (unsigned i = 0; i < gridDim.x; i++) y[0] += partial[i];
}

extern "C" __global__ void neighbours(const float* x, float* y, int step) {
  y[blockIdx.x + step * threadIdx.x] = x[blockIdx.x];  // two blocks, one element
}

// Local arrays lie on the stacks of the threads, which later blocks use again.
extern "C" __global__ void local_arrays(const float* x, float* y, int size) {
  float kept[64];
  for (int i = 0; i < size; i++) kept[(i * 7 + threadIdx.x) % 64] = x[i];
  float sum = 0;
  for (int i = 0; i < size; i++) sum += kept[i];
  __syncthreads();
  y[blockIdx.x * blockDim.x + threadIdx.x] = sum;
}

template <class T> __device__ T swapped(T value) {
  __shared__ T kept[64];
  kept[threadIdx.x] = value;
  __syncthreads();
  return kept[threadIdx.x ^ 1];
}

extern "C" __global__ void templated(const float* x, float* y, int size) {
  y[blockIdx.x * blockDim.x + threadIdx.x] = swapped(x[threadIdx.x]);
}
"""
X = [float(i) for i in range(64)]


@pytest.fixture(scope="module")
def kernels(workshop: Workshop) -> Kernels:
    return workshop.compile(SOURCE, "races.cu", "races")


def test_plain_addition_within_a_block(workshop: Workshop, kernels: Kernels) -> None:
    found = workshop.check("races", kernels, "adds_plainly", 64, X, [0.0], 64)
    finding = found.findings[0]
    assert (finding["check"], finding["kernel"]) == ("races", "adds_plainly")
    assert (finding["file"], finding["line"]) == ("races.cu", kernels.line_of("no atomicAdd"))
    assert finding["message"] == "data race between two threads"
    assert finding["block"] == [0, 0, 0]
    assert finding["thread"] is not None


def test_plain_addition_between_blocks(workshop: Workshop, kernels: Kernels) -> None:
    found = workshop.check("races", kernels, "adds_plainly", 1, X, [0.0], 64, grid=4, schedules=(0,))
    finding = found.findings[0]
    assert finding["message"] == "data race between threads of two blocks"
    assert (finding["file"], finding["line"]) == ("races.cu", kernels.line_of("no atomicAdd"))
    assert finding["block"] == [1, 0, 0]
    assert "of block (0, 0, 0)" in finding["details"]


def test_atomic_addition(workshop: Workshop, kernels: Kernels) -> None:
    found = workshop.check("races", kernels, "adds_atomically", 16, X, [0.0], 64, grid=3)
    assert found.findings == []
    assert found.outputs[1::2] == [[sum(X)]] * 3


@pytest.mark.parametrize(
    ("kernel", "mark", "block", "shared_bytes"),
    [
        ("reverses", "// static write", 64, 0),
        ("reverses_dynamically", "// dynamic write", 64, 256),
        ("reads_before_writing_again", "// written in each round", 64, 0),
        ("within_a_warp", "// warp write", 32, 0),
    ],
)
def test_missing_barrier(
    workshop: Workshop, kernels: Kernels, kernel: str, mark: str, block: int, shared_bytes: int
) -> None:
    zeros = [0.0] * 64
    found = workshop.check("races", kernels, kernel, block, X, zeros, 0, shared_bytes=shared_bytes)
    assert ("races.cu", kernels.line_of(mark)) in [place for place in found.places if place[0] == "races.cu"] or any(
        f"races.cu:{kernels.line_of(mark)}" in finding["details"] for finding in found.findings
    )
    assert {finding["kernel"] for finding in found.findings} == {kernel}
    correct = workshop.check("races", kernels, kernel, block, X, zeros, 1, shared_bytes=shared_bytes)
    assert correct.findings == []


def test_two_blocks_write_one_element(workshop: Workshop, kernels: Kernels) -> None:
    found = workshop.check("races", kernels, "neighbours", 2, X, [0.0] * 8, 1, grid=4, schedules=(0,))
    assert found.findings[0]["message"] == "data race between threads of two blocks"
    assert found.places[0] == ("races.cu", kernels.line_of("two blocks, one element"))
    assert workshop.check("races", kernels, "neighbours", 2, X, [0.0] * 8, 4, grid=4).findings == []


@pytest.mark.parametrize("kernel", ["reverses", "local_arrays", "templated"])
def test_blocks_share_nothing_but_device_memory(workshop: Workshop, kernels: Kernels, kernel: str) -> None:
    found = workshop.check("races", kernels, kernel, 64, X, [0.0] * 256, 64, grid=4)
    assert found.findings == []


def test_fence_and_atomic_operation_order_blocks(workshop: Workshop, kernels: Kernels) -> None:
    found = workshop.check("races", kernels, "last_block", 32, X, [0.0] * 8, [0.0], [0.0], grid=8)
    assert found.findings == []
    assert found.outputs[2::4] == [[28.0]] * 3
