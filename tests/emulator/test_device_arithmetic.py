"""Half precision, bit and conversion intrinsics, minima, and functions that the C library lacks."""

import math

import numpy as np
import pytest
from device_programs import Kernels, Workshop

SOURCE = """
extern "C" __global__ void to_float(const unsigned short* x, float* y, float* z, int size) {
  for (int i = threadIdx.x; i < size; i += blockDim.x) {
    y[i] = __half2float(__ushort_as_half(x[i]));
    z[i] = __bfloat162float(__ushort_as_bfloat16(x[i]));
  }
}
extern "C" __global__ void to_half(const float* x, unsigned short* y, unsigned short* z, int size) {
  for (int i = threadIdx.x; i < size; i += blockDim.x) {
    y[i] = __half_as_ushort(__float2half_rn(x[i]));
    z[i] = __bfloat16_as_ushort(__float2bfloat16(x[i]));
  }
}
extern "C" __global__ void half_arithmetic(const __half* a, const __half* b, __half* y, int* compared, int size) {
  for (int i = threadIdx.x; i < size; i += blockDim.x) {
    y[i] = a[i] + b[i];
    y[size + i] = a[i] - b[i];
    y[2 * size + i] = a[i] * b[i];
    y[3 * size + i] = __hdiv(a[i], b[i]);
    y[4 * size + i] = __hfma(a[i], b[i], a[i]);
    __half kept = a[i];
    kept += 1.0f;
    kept *= b[i];
    y[5 * size + i] = -kept;
    compared[i] = (a[i] < b[i]) + 2 * (a[i] == b[i]) + 4 * __hge(a[i], b[i]) + 8 * __hisnan(a[i]);
  }
}
extern "C" __global__ void bits(const unsigned* x, int* y, int size) {
  for (int i = threadIdx.x; i < size; i += blockDim.x) {
    unsigned v = x[i];
    unsigned long long w = (unsigned long long)v << 32 | 0x0000f0f0u;
    y[i] = __popc(v);
    y[size + i] = __clz(v);
    y[2 * size + i] = __ffs(v);
    y[3 * size + i] = __brev(v);
    y[4 * size + i] = __umulhi(v, 0x9e3779b9u);
    y[5 * size + i] = __mulhi((int)v, -7);
    y[6 * size + i] = __popcll(w);
    y[7 * size + i] = __clzll(w);
    y[8 * size + i] = __ffsll(w & ~0xffffull);
    y[9 * size + i] = __byte_perm(v, 0x44332211u, 0x4501);
    y[10 * size + i] = __funnelshift_l(v, 0x12345678u, 8);
  }
}
extern "C" __global__ void conversions(const float* x, int* y, unsigned* z, long long* w, int size) {
  for (int i = threadIdx.x; i < size; i += blockDim.x) {
    y[i] = __float2int_rn(x[i]);
    y[size + i] = __float2int_rz(x[i]);
    y[2 * size + i] = __float2int_rd(x[i]);
    y[3 * size + i] = __float2int_ru(x[i]);
    y[4 * size + i] = __float_as_int(x[i]);
    z[i] = __float2uint_rz(x[i]);
    w[i] = __float2ll_rn(x[i]);
  }
}
extern "C" __global__ void minima(float* f, double* d, long long* l, float nan) {
  f[0] = min(2.0f, nan);
  f[1] = max(nan, -1.0f);
  f[2] = min(3, 2.5f);
  f[3] = fmaxf(1.0f, 4.0f);
  f[4] = __fmaf_rn(1.0f + 0x1p-23f, 1.0f - 0x1p-23f, -1.0f);
  f[5] = __fadd_rn(__fmul_rn(1.0f + 0x1p-23f, 1.0f - 0x1p-23f), -1.0f);
  f[6] = __saturatef(nan);
  f[7] = rsqrtf(16.0f);
  f[8] = isnan(nan) + 2 * isinf(nan) + 4 * isfinite(1.0f) + 8 * signbit(-1.0f);
  d[0] = max(1, 2.5);
  d[1] = sinpi(1.0);
  d[2] = cospi(0.5);
  d[3] = sinpi(0.25);
  d[4] = __hiloint2double(0x3ff80000, 0);
  d[5] = rsqrt(4.0);
  l[0] = min(-5ll, 3);
  l[1] = max(3u, 4ll);
  l[2] = min((unsigned long long)-1, 7u);
  l[3] = __mul64hi(1ll << 62, 12);
  l[4] = abs(-3) + llabs(-4ll);
}
extern "C" __global__ void inverses(const double* x, double* y, int size) {
  for (int i = threadIdx.x; i < size; i += blockDim.x) {
    y[i] = erf(erfinv(x[i]));
    y[size + i] = erfc(erfcinv(1.0 + x[i]));
    y[2 * size + i] = normcdf(normcdfinv(0.5 + 0.5 * x[i]));
  }
}
extern "C" __global__ void vectors(float4* a, double2* d, uchar4* c, int3* t, int* sizes) {
  a[0] = make_float4(1, 2, 3, 4);
  d[0] = make_double2(a[0].x, a[0].w);
  c[0] = make_uchar4(1, 2, 3, 255);
  t[0] = make_int3(7, 8, 9);
  dim3 size(5);
  sizes[0] = sizeof(float3) + 100 * alignof(float4) + 10000 * (size.x + size.y + size.z);
  sizes[1] = alignof(double4) + 100 * alignof(int2) + 10000 * sizeof(short4);
}
"""


@pytest.fixture(scope="module")
def kernels(workshop: Workshop) -> Kernels:
    return workshop.compile(SOURCE, "arithmetic.cu")


def bfloat16_bits(x: np.ndarray) -> np.ndarray:
    """Rounded to nearest even, by integers."""
    bits = x.view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)


def test_every_half_becomes_its_float(kernels: Kernels) -> None:
    x = np.arange(2**16, dtype=np.uint16)
    y, z = np.zeros(x.size, np.float32), np.zeros(x.size, np.float32)
    kernels.launch("to_float", 1, 64, x, y, z, x.size)
    np.testing.assert_array_equal(y, x.view(np.float16).astype(np.float32))
    np.testing.assert_array_equal(z, (x.astype(np.uint32) << 16).view(np.float32))


def test_floats_round_to_the_nearest_half(kernels: Kernels) -> None:
    every = np.arange(2**16, dtype=np.uint16).view(np.float16).astype(np.float32)
    every = every[np.isfinite(every)]
    between = np.nextafter((every[:-1] + every[1:]) / 2, np.float32(np.inf))
    random = np.random.default_rng(2).integers(0, 2**32, 200_000, dtype=np.uint32).view(np.float32)
    special = np.array([0.0, -0.0, np.inf, -np.inf, 65504, 65519.99, 65520, 1e30, 2**-24, 2**-25, 1e-45], np.float32)
    x = np.concatenate([every, (every[:-1] + every[1:]) / 2, between, random[np.isfinite(random)], special])
    y, z = np.zeros(x.size, np.uint16), np.zeros(x.size, np.uint16)
    kernels.launch("to_half", 1, 64, x, y, z, x.size)
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(y, x.astype(np.float16).view(np.uint16))
    np.testing.assert_array_equal(z, bfloat16_bits(x))


def test_half_arithmetic_is_rounded_once(kernels: Kernels) -> None:
    random = np.random.default_rng(3)
    a, b = (random.integers(0, 2**16, 5000, dtype=np.uint16).view(np.float16) for _ in range(2))
    y, compared = np.zeros((6, a.size), np.float16), np.zeros(a.size, np.int32)
    kernels.launch("half_arithmetic", 1, 64, a, b, y, compared, a.size)
    wide_a, wide_b = a.astype(np.float64), b.astype(np.float64)
    with np.errstate(all="ignore"):
        plus_one = (wide_a + 1).astype(np.float16).astype(np.float64)
        fused = (wide_a * wide_b + wide_a).astype(np.float32).astype(np.float16)
        for got, wanted in zip(
            y,
            (a + b, a - b, a * b, a / b, fused, -(plus_one * wide_b).astype(np.float16)),
            strict=True,
        ):
            np.testing.assert_array_equal(got, wanted)
    expected = (a < b) + 2 * (a == b) + 4 * (a >= b) + 8 * np.isnan(a)
    assert (compared == expected).all()


def test_bits(kernels: Kernels) -> None:
    x = np.array([0, 1, 2, 0x80000000, 0xFFFFFFFF, 0x00F0_1200, 12345, 0xDEADBEEF], np.uint32)
    y = np.zeros((11, x.size), np.int32)
    kernels.launch("bits", 1, 4, x, y, x.size)

    def lowest(v: int) -> int:
        return (v & -v).bit_length()

    for k, v in enumerate(x.tolist()):
        signed = v - 2**32 if v >= 2**31 else v
        wide = v << 32 | 0xF0F0
        expected = [
            v.bit_count(), 32 - v.bit_length(), lowest(v), int(f"{v:032b}"[::-1], 2), v * 0x9E3779B9 >> 32,
            signed * -7 >> 32, wide.bit_count(), 64 - wide.bit_length(), lowest(wide & ~0xFFFF),
            0x11 << 24 | 0x22 << 16 | (v & 0xFF) << 8 | v >> 8 & 0xFF, (0x12345678 << 32 | v) << 8 >> 32 & 0xFFFFFFFF,
        ]  # fmt: skip
        expected[9] = 0x11_22_00_00 | (v & 0xFF) << 8 | v >> 8 & 0xFF
        assert [value % 2**32 for value in y[:, k].tolist()] == [value % 2**32 for value in expected], hex(v)


def test_conversions_clamp(kernels: Kernels) -> None:
    x = np.array([0.5, 1.5, -0.5, -2.7, 3e9, -3e9, 5e9, np.inf, -np.inf, np.nan, 2147483520.0], np.float32)
    y, z, w = np.zeros((5, x.size), np.int32), np.zeros(x.size, np.uint32), np.zeros(x.size, np.int64)
    kernels.launch("conversions", 1, 2, x, y, z, w, x.size)
    top, low = 2**31 - 1, -(2**31)
    assert y[0].tolist() == [0, 2, 0, -3, top, low, top, top, low, 0, 2147483520]
    assert y[1, :4].tolist() == [0, 1, 0, -2]
    assert y[2, :4].tolist() == [0, 1, -1, -3]
    assert y[3, :4].tolist() == [1, 2, 0, -2]
    assert (y[4] == x.view(np.int32)).all()
    assert z.tolist() == [0, 1, 0, 0, 3_000_000_000, 0, 2**32 - 1, 2**32 - 1, 0, 0, 2147483520]
    assert w.tolist() == [0, 2, 0, -3, 3_000_000_000, -3_000_000_000, 5_000_000_000, 2**63 - 1, -(2**63), -(2**63),
                          2147483520]  # fmt: skip


def test_minima_and_functions(kernels: Kernels) -> None:
    f, d, long = np.zeros(9, np.float32), np.zeros(6), np.zeros(5, np.int64)
    kernels.launch("minima", 1, 1, f, d, long, math.nan)
    assert f.tolist() == [2, -1, 2.5, 4, -(2.0**-46), 0, 0, 0.25, 1 + 4 + 8]
    assert d.tolist() == [2.5, 0, 0, math.sin(math.pi / 4), 1.5, 0.5]
    assert long.tolist() == [-5, 4, 7, 3, 7]


def test_inverse_functions(kernels: Kernels) -> None:
    x = np.array([-0.999999, -0.9, -0.5, -1e-3, -1e-12, 0.0, 1e-300, 0.1, 0.4999, 0.5001, 0.75, 0.99, 1 - 2**-50])
    y = np.zeros((3, x.size))
    kernels.launch("inverses", 1, 1, x, y, x.size)
    # A few units in the last place of the argument; next to 0 also of the result.
    np.testing.assert_allclose(y[0], x, rtol=1e-14, atol=0)
    np.testing.assert_allclose(y[1], 1 + x, rtol=1e-13, atol=0)
    np.testing.assert_allclose(y[2], 0.5 + 0.5 * x, rtol=1e-13, atol=0)


def test_vector_types(kernels: Kernels) -> None:
    a, d, c = np.zeros(4, np.float32), np.zeros(2), np.zeros(4, np.uint8)
    t, sizes = np.zeros(3, np.int32), np.zeros(2, np.int32)
    kernels.launch("vectors", 1, 1, a, d, c, t, sizes)
    assert (a.tolist(), d.tolist(), c.tolist(), t.tolist()) == ([1, 2, 3, 4], [1, 4], [1, 2, 3, 255], [7, 8, 9])
    assert sizes.tolist() == [12 + 1600 + 70000, 16 + 800 + 80000]
