"""The trace counts sectors as one would by hand."""

import pytest
from device_programs import Kernels, Workshop

SOURCE = """
extern "C" __global__ void strided(const float* x, float* y, int step) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  y[i] = x[i * step];
}
extern "C" __global__ void broadcast(const float* x, float* y, int step) { y[threadIdx.x] = x[step]; }
extern "C" __global__ void adds(float* y, int step) { atomicAdd(y + threadIdx.x / step, 1.0f); }
extern "C" __global__ void vectors(const float4* x, float4* y, int step) { y[threadIdx.x] = x[threadIdx.x]; }
extern "C" __global__ void through_shared(const float* x, float* y, int step) {
  __shared__ float tile[64];
  tile[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  y[threadIdx.x] = tile[63 - threadIdx.x];
}
"""


@pytest.fixture(scope="module")
def kernels(workshop: Workshop) -> Kernels:
    return workshop.compile(SOURCE, "trace.cu", "trace")


def floats(count: int) -> list[float]:
    return [0.0] * count


@pytest.mark.parametrize("step", [1, 2, 8])
def test_strided_loads(workshop: Workshop, kernels: Kernels, step: int) -> None:
    found = workshop.check("trace", kernels, "strided", 64, floats(128 * step), floats(128), step, grid=2)
    for trace in found.traces:
        assert (trace["kernel"], trace["file"], trace["line"]) == ("strided", "trace.cu", kernels.lines["strided"])
        assert (trace["grid"], trace["block"]) == ([2, 1, 1], [64, 1, 1])
        loads, stores = trace["loads"], trace["stores"]
        assert loads["requests"] == stores["requests"] == 4
        assert loads["bytes"] == stores["bytes"] == 512
        assert loads["ideal_sectors"] == stores["ideal_sectors"] == 16
        # malloc aligns to 16 bytes, half a sector: each request may touch one sector more.
        assert 16 * step <= loads["sectors"] <= 16 * step + 4
        assert 16 * 32 <= stores["footprint_bytes"] <= 17 * 32
        assert 16 * step * 32 <= loads["footprint_bytes"] <= (16 * step + 1) * 32
    assert len(found.traces) == 3
    assert found.findings == []


def test_one_element_for_all_lanes(workshop: Workshop, kernels: Kernels) -> None:
    (trace,) = workshop.check("trace", kernels, "broadcast", 32, floats(8), floats(32), 3, schedules=(0,)).traces
    assert trace["loads"] == {
        "requests": 1, "sectors": 1, "ideal_sectors": 1, "bytes": 128, "footprint_bytes": 32, "same_address": 0,
    }  # fmt: skip


@pytest.mark.parametrize(("step", "waiting"), [(1, 0), (4, 3), (32, 31)])
def test_atomic_operations_on_one_address(workshop: Workshop, kernels: Kernels, step: int, waiting: int) -> None:
    (trace,) = workshop.check("trace", kernels, "adds", 32, floats(32), step, schedules=(0,)).traces
    assert (trace["atomics"]["requests"], trace["atomics"]["same_address"]) == (1, waiting)
    assert trace["stores"]["requests"] == 0


def test_vector_loads(workshop: Workshop, kernels: Kernels) -> None:
    (trace,) = workshop.check("trace", kernels, "vectors", 32, floats(128), floats(128), 0, schedules=(0,)).traces
    for accesses in (trace["loads"], trace["stores"]):
        assert (accesses["requests"], accesses["bytes"]) == (1, 512)  # not one for each of the four floats
        assert 16 <= accesses["sectors"] <= 17


def test_shared_memory_is_not_device_memory(workshop: Workshop, kernels: Kernels) -> None:
    (trace,) = workshop.check("trace", kernels, "through_shared", 64, floats(64), floats(64), 0, schedules=(0,)).traces
    assert (trace["loads"]["bytes"], trace["stores"]["bytes"]) == (256, 256)
