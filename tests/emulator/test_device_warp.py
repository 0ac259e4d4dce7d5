"""Shuffles, votes, matches and reductions, against their definitions in Python."""

import numpy as np
import pytest
from device_programs import SCHEDULES, Kernels, Workshop

SOURCE = """
extern "C" __global__ void shuffles(const int* x, int* y, int width, int amount) {
  int i = threadIdx.x, n = blockDim.x;
  y[i] = __shfl_sync(0xffffffffu, x[i], amount, width);
  y[n + i] = __shfl_up_sync(0xffffffffu, x[i], amount, width);
  y[2 * n + i] = __shfl_down_sync(0xffffffffu, x[i], amount, width);
  y[3 * n + i] = __shfl_xor_sync(0xffffffffu, x[i], amount, width);
}

extern "C" __global__ void types(double* d, long long* l, float* f, unsigned short* h, bool* b) {
  int i = threadIdx.x;
  d[i] = __shfl_down_sync(~0u, d[i], 1);
  l[i] = __shfl_xor_sync(~0u, l[i], 3);
  f[i] = __shfl_sync(~0u, f[i], 9);
  __half half_value = __ushort_as_half(h[i]);
  h[i] = __half_as_ushort(__shfl_up_sync(~0u, half_value, 2));
  b[i] = __shfl_xor_sync(~0u, b[i], 1);
}

extern "C" __global__ void votes(const int* x, unsigned* y) {
  int i = threadIdx.x, n = blockDim.x;
  y[i] = __ballot_sync(~0u, x[i]);
  y[n + i] = __any_sync(~0u, x[i]);
  y[2 * n + i] = __all_sync(~0u, x[i]);
  y[3 * n + i] = __match_any_sync(~0u, x[i]);
  int same = -1;
  y[4 * n + i] = __match_all_sync(~0u, x[i], &same);
  y[5 * n + i] = same;
}

extern "C" __global__ void reductions(const int* x, int* y) {
  int i = threadIdx.x, n = blockDim.x;
  y[i] = __reduce_add_sync(~0u, x[i]);
  y[n + i] = __reduce_min_sync(~0u, x[i]);
  y[2 * n + i] = __reduce_max_sync(~0u, (unsigned)x[i]);
  y[3 * n + i] = __reduce_xor_sync(~0u, (unsigned)x[i]);
}

extern "C" __global__ void halves(const int* x, int* y) {
  int i = threadIdx.x;
  unsigned mask = i % 32 < 16 ? 0x0000ffffu : 0xffff0000u;
  int sum = x[i];
  for (int step = 8; step > 0; step /= 2) sum += __shfl_xor_sync(mask, sum, step);
  __syncwarp(mask);
  y[i] = sum;
}

extern "C" __global__ void aggregated(int* counter, int* y, int every) {
  if (threadIdx.x % every != 0) return;
  unsigned lanes = __activemask();
  int leader = __ffs(lanes) - 1, lane = threadIdx.x % 32, first = 0;
  if (lane == leader) first = atomicAdd(counter, __popc(lanes));
  first = __shfl_sync(lanes, first, leader);
  y[threadIdx.x] = first + __popc(lanes & ((1u << lane) - 1));
}

extern "C" __global__ void without_mask(const int* x, int* y) {
  int sum = x[threadIdx.x];
  for (int step = 16; step > 0; step /= 2) sum += __shfl_down(sum, step);
  y[threadIdx.x] = sum + (__any(0) ? 1000 : 0);
}

extern "C" __global__ void not_in_mask(int* y) { y[threadIdx.x] = __shfl_sync(0x7fffffffu, 1, 0); }

extern "C" __global__ void lane_elsewhere(int* y) {
  if (threadIdx.x < 31) y[threadIdx.x] = __ballot_sync(0xffffffffu, 1);  // full mask
  __syncthreads();  // lane 31
}

extern "C" __global__ void odd_width(int* y, int width) { y[threadIdx.x] = __shfl_sync(~0u, 1, 0, width); }
"""


@pytest.fixture(scope="module")
def kernels(workshop: Workshop) -> Kernels:
    return workshop.compile(SOURCE, "warp.cu")


def shuffled(x: np.ndarray, kind: str, amount: int, width: int) -> list[int]:
    """By the definitions in the CUDA C++ Programming Guide; -1 where the source lane does not exist."""
    result = []
    for i in range(x.size):
        warp, lane = i // 32 * 32, i % 32
        first = lane // width * width
        source = {
            "idx": first + amount % width,
            "up": lane - amount if lane - amount >= first else lane,
            "down": lane + amount if lane + amount < first + width else lane,
            "xor": lane ^ amount if (lane ^ amount) < first + width else lane,
        }[kind]
        result.append(int(x[warp + source]) if warp + source < x.size else -1)
    return result


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("threads", [32, 96, 45])
@pytest.mark.parametrize(("width", "amount"), [(32, 1), (32, 16), (16, 3), (8, 9), (4, 2), (1, 5), (32, 31)])
def test_shuffles(kernels: Kernels, width: int, amount: int, threads: int, schedule: int) -> None:
    x = np.arange(100, 100 + threads, dtype=np.int32)
    y = np.zeros((4, threads), np.int32)
    kernels.launch("shuffles", 1, threads, x, y, width, amount, schedule=schedule)
    for row, kind in zip(y, ("idx", "up", "down", "xor"), strict=True):
        assert row.tolist() == shuffled(x, kind, amount, width), kind


def test_shuffles_of_all_types(kernels: Kernels) -> None:
    i = np.arange(32)
    d, f, h = i + 0.1, (i * 3).astype(np.float32), (i * 0.5).astype(np.float16)
    wide, b = i.astype(np.int64) << 40, i % 3 == 0
    expected = (d[np.minimum(i + 1, 31)], wide[i ^ 3], f[i * 0 + 9], h[np.where(i >= 2, i - 2, i)], b[i ^ 1])
    kernels.launch("types", 1, 32, d, wide, f, h, b)
    for got, wanted in zip((d, wide, f, h, b), expected, strict=True):
        assert (got == wanted).all()


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("threads", [32, 40])
@pytest.mark.parametrize("kind", ["mixed", "none", "all"])
def test_votes_and_matches(kernels: Kernels, kind: str, threads: int, schedule: int) -> None:
    i = np.arange(threads, dtype=np.int32)
    x = {"mixed": i % 3, "none": i * 0, "all": i * 0 + 7}[kind].astype(np.int32)
    y = np.zeros((6, threads), np.uint32)
    kernels.launch("votes", 1, threads, x, y, schedule=schedule)
    for k in range(threads):
        lanes = range(k // 32 * 32, min(threads, k // 32 * 32 + 32))
        everyone = sum(1 << lane % 32 for lane in lanes)
        alike = len({x[lane] for lane in lanes}) == 1
        assert y[:, k].tolist() == [
            sum(1 << lane % 32 for lane in lanes if x[lane]),
            any(x[lane] for lane in lanes),
            all(x[lane] for lane in lanes),
            sum(1 << lane % 32 for lane in lanes if x[lane] == x[k]),
            everyone if alike else 0,
            alike,
        ]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_reductions(kernels: Kernels, schedule: int) -> None:
    x = np.random.default_rng(0).integers(-(2**31), 2**31, 64).astype(np.int32)
    y = np.zeros((4, 64), np.int32)
    kernels.launch("reductions", 1, 64, x, y, schedule=schedule)
    for warp in (slice(0, 32), slice(32, 64)):
        assert (y[0, warp] == x[warp].sum(dtype=np.int32)).all()
        assert (y[1, warp] == x[warp].min()).all()
        assert (y[2, warp].view(np.uint32) == x[warp].view(np.uint32).max()).all()
        assert (y[3, warp] == np.bitwise_xor.reduce(x[warp])).all()


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_parts_of_a_warp_go_their_own_ways(kernels: Kernels, schedule: int) -> None:
    x = np.arange(64, dtype=np.int32)
    y = np.zeros_like(x)
    kernels.launch("halves", 1, 64, x, y, schedule=schedule)
    assert (y == np.repeat(x.reshape(4, 16).sum(1), 16)).all()


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_active_mask_is_of_the_lanes_that_meet(kernels: Kernels, schedule: int) -> None:
    counter, y = np.zeros(1, np.int32), np.full(64, -1, np.int32)
    kernels.launch("aggregated", 1, 64, counter, y, 3, schedule=schedule)
    assert counter[0] == 22
    assert sorted(y[::3].tolist()) == list(range(22))


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_operations_without_a_mask(kernels: Kernels, schedule: int) -> None:
    x = np.arange(64, dtype=np.int32)
    y = np.zeros_like(x)
    kernels.launch("without_mask", 1, 64, x, y, schedule=schedule)
    assert y[::32].tolist() == [x[:32].sum(), x[32:].sum()]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_masks_that_do_not_fit(kernels: Kernels, schedule: int) -> None:
    y = np.zeros(32, np.int32)
    with pytest.raises(RuntimeError, match="lane 31 is not in the mask 0x7fffffff of its own warp operation"):
        kernels.launch("not_in_mask", 1, 32, y, schedule=schedule)
    with pytest.raises(RuntimeError, match="deadlock") as caught:
        kernels.launch("lane_elsewhere", 1, 32, y, schedule=schedule)
    assert f"threads 0 to 30 wait at a warp operation in line {kernels.line_of('// full mask')}" in str(caught.value)
    assert f"threads 31 to 31 wait at the block's barrier in line {kernels.line_of('// lane 31')}" in str(caught.value)


@pytest.mark.parametrize("width", [0, 3, 64, -1])
def test_widths_that_are_no_power_of_two(kernels: Kernels, width: int) -> None:
    with pytest.raises(RuntimeError, match=f"a power of two up to 32, not {width}"):
        kernels.launch("odd_width", 1, 32, np.zeros(32, np.int32), width)
