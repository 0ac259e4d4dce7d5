"""Planted uses of memory that was never written: each is found with its line; correct kernels raise no alarm."""

import pytest
from device_programs import Kernels, Unwritten, Workshop

SOURCE = """
extern "C" __global__ void copies(const float* x, float* y, int size) {
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < size; i += gridDim.x * blockDim.x)
    y[i] = x[i];  // reads x
}

extern "C" __global__ void adds(float* y, int index) { atomicAdd(y + index, 1.0f); }

extern "C" __global__ void through_shared(const float* x, float* y, int size) {
  __shared__ float tile[64];
  if (threadIdx.x < size) tile[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  y[threadIdx.x] = tile[63 - threadIdx.x];  // reads tile
}

extern "C" __global__ void through_dynamic_shared(const float* x, float* y, int size) {
  extern __shared__ float tile[];
  if (threadIdx.x < size) tile[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  y[threadIdx.x] = tile[63 - threadIdx.x];  // reads dynamic tile
}

extern "C" __global__ void clears(float* y, int size) { memset(y, 0, size * sizeof(float)); }

struct Pair {
  float first, second;
};
extern "C" __global__ void copies_pairs(const Pair* x, Pair* y, int size) {
  for (int i = threadIdx.x; i < size / 2; i += blockDim.x) y[i] = x[i];
}
"""
X = [float(i) for i in range(64)]


@pytest.fixture(scope="module")
def kernels(workshop: Workshop) -> Kernels:
    return workshop.compile(SOURCE, "memory.cu", "memory")


def test_element_that_no_thread_writes(workshop: Workshop, kernels: Kernels) -> None:
    found = workshop.check("memory", kernels, "copies", 32, X, Unwritten(64), 63)
    (finding,) = found.findings
    assert (finding["check"], finding["kernel"]) == ("memory", "copies")
    assert (finding["file"], finding["line"]) == ("memory.cu", kernels.lines["copies"])
    assert "byte 252 of an array of 256 bytes" in finding["message"]
    assert finding["block"] is None


def test_load_of_an_element_that_was_never_written(workshop: Workshop, kernels: Kernels) -> None:
    found = workshop.check("memory", kernels, "copies", 8, Unwritten(64), [0.0] * 64, 64, grid=2, read=[])
    (finding,) = found.findings
    assert (finding["file"], finding["line"]) == ("memory.cu", kernels.line_of("// reads x"))
    assert "device memory" in finding["message"]
    assert (finding["block"], finding["thread"]) == ([0, 0, 0], [0, 0, 0])


def test_atomic_operation_reads(workshop: Workshop, kernels: Kernels) -> None:
    found = workshop.check("memory", kernels, "adds", 4, Unwritten(2), 1, read=[])
    (finding,) = found.findings
    assert (finding["kernel"], finding["file"], finding["line"]) == ("adds", "memory.cu", kernels.lines["adds"])
    assert workshop.check("memory", kernels, "adds", 4, [0.0, 0.0], 1).outputs == [[0.0, 4.0]] * 3


@pytest.mark.parametrize(
    ("kernel", "mark", "shared_bytes"),
    [("through_shared", "// reads tile", 0), ("through_dynamic_shared", "// reads dynamic tile", 256)],
)
def test_shared_memory(workshop: Workshop, kernels: Kernels, kernel: str, mark: str, shared_bytes: int) -> None:
    found = workshop.check("memory", kernels, kernel, 64, X, Unwritten(64), 60, shared_bytes=shared_bytes)
    (finding,) = found.findings
    assert (finding["file"], finding["line"]) == ("memory.cu", kernels.line_of(mark))
    assert "shared memory" in finding["message"]
    assert finding["thread"][0] < 4
    # Each block begins with shared memory that holds nothing, whatever the block before it wrote.
    later = workshop.check("memory", kernels, kernel, 64, X, Unwritten(64), 64, grid=3, shared_bytes=shared_bytes)
    assert later.findings == []
    assert later.outputs[1] == X[::-1]


def test_correct_kernels(workshop: Workshop, kernels: Kernels) -> None:
    for block, grid in ((1, 1), (33, 2), (64, 1)):
        found = workshop.check("memory", kernels, "copies", block, X, Unwritten(64), 64, grid=grid)
        assert found.findings == []
        assert found.outputs[1::2] == [X] * 3
    assert workshop.check("memory", kernels, "clears", 1, Unwritten(64), 64).outputs == [[0.0] * 64] * 3
    assert workshop.check("memory", kernels, "copies_pairs", 7, X, Unwritten(64), 64).findings == []


def test_nothing_has_written_what_the_host_receives(workshop: Workshop, kernels: Kernels) -> None:
    found = workshop.check("memory", kernels, "copies", 8, X, Unwritten(64), 0, schedules=(0,))
    (finding,) = found.findings
    assert finding["kernel"] == ""
    assert "no kernel has written" in finding["message"]
