"""Planted accesses outside of arrays: each is found with its line, and the correct kernels beside them are not."""

import pytest
from device_programs import Kernels, Workshop

SOURCE = """
#define GLOBAL_INDEX (blockIdx.x * blockDim.x + threadIdx.x)

extern "C" __global__ void copies(const float* x, float* y, int size) {
  for (int i = GLOBAL_INDEX; i < size; i += gridDim.x * blockDim.x) y[i] = x[i];
}

extern "C" __global__ void reads_too_far(const float* x, float* y, int size) {
  int i = GLOBAL_INDEX;
  if (i < size) y[i] = x[i + 1];  // planted: read
}

extern "C" __global__ void writes_before(const float* x, float* y, int size) {
  int i = GLOBAL_INDEX;
  if (i < size) y[i - 1] = x[i];  // planted: write
}

extern "C" __global__ void static_array(const float* x, float* y, int size, int step) {
  __shared__ float tile[40];
  tile[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  y[threadIdx.x] = tile[threadIdx.x + step];  // static shared
}

extern "C" __global__ void dynamic_array(const float* x, float* y, int size, int step) {
  extern __shared__ float tile[];
  tile[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  y[threadIdx.x] = tile[threadIdx.x + step];  // dynamic shared
}
"""
X = [float(i) for i in range(40)]
ZEROS = [0.0] * 40


@pytest.fixture(scope="module")
def kernels(workshop: Workshop) -> Kernels:
    return workshop.compile(SOURCE, "bounds.cu", "bounds")


@pytest.mark.parametrize(
    ("kernel", "mark", "access", "thread"),
    [
        ("reads_too_far", "planted: read", "read of 4 bytes", 39),
        ("writes_before", "planted: write", "write of 4 bytes", 0),
    ],
)
def test_device_memory(workshop: Workshop, kernels: Kernels, kernel: str, mark: str, access: str, thread: int) -> None:
    found = workshop.check("bounds", kernels, kernel, 8, X, ZEROS, 40, grid=5)
    (finding,) = found.findings
    assert (finding["check"], finding["kernel"]) == ("bounds", kernel)
    assert (finding["file"], finding["line"]) == ("bounds.cu", kernels.line_of(mark))
    assert access in finding["details"]
    assert (finding["block"], finding["thread"]) == ([thread // 8, 0, 0], [thread % 8, 0, 0])
    assert f"bounds.cu:{kernels.line_of(mark)}" in found.stderr


@pytest.mark.parametrize(
    ("kernel", "mark", "shared_bytes"),
    [("static_array", "// static shared", 0), ("dynamic_array", "// dynamic shared", 160)],
)
def test_shared_memory(workshop: Workshop, kernels: Kernels, kernel: str, mark: str, shared_bytes: int) -> None:
    found = workshop.check("bounds", kernels, kernel, 40, X, ZEROS, 40, 1, shared_bytes=shared_bytes)
    (finding,) = found.findings
    assert (finding["kernel"], finding["file"], finding["line"]) == (kernel, "bounds.cu", kernels.line_of(mark))
    assert finding["thread"] == [39, 0, 0]
    correct = workshop.check("bounds", kernels, kernel, 40, X, ZEROS, 40, 0, shared_bytes=shared_bytes)
    assert correct.findings == []
    assert correct.outputs[1] == X


def test_correct_kernel_over_odd_geometries(workshop: Workshop, kernels: Kernels) -> None:
    for grid, block in ((1, 1), (3, 7), (1, 33), (9, 32)):
        found = workshop.check("bounds", kernels, "copies", block, X, ZEROS, 40, grid=grid)
        assert found.findings == [], (grid, block)
        assert found.outputs[1::2] == [X] * 3
