// Bit, conversion and rounding intrinsics.
//
// Fast approximations of the GPU (__expf, __fdividef, ...) give the exact function's value here. What rounds in another
// direction than to nearest (__fadd_rz, ...) is not emulated and does not compile.
#pragma once

#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "vector_types.h"

#define GPUNET_REINTERPRET(name, From, To)    \
  inline To name(From value) {                \
    To result;                                \
    __builtin_memcpy(&result, &value, sizeof(To)); \
    return result;                            \
  }
GPUNET_REINTERPRET(__float_as_int, float, int)
GPUNET_REINTERPRET(__float_as_uint, float, unsigned int)
GPUNET_REINTERPRET(__int_as_float, int, float)
GPUNET_REINTERPRET(__uint_as_float, unsigned int, float)
GPUNET_REINTERPRET(__double_as_longlong, double, long long)
GPUNET_REINTERPRET(__longlong_as_double, long long, double)
#undef GPUNET_REINTERPRET
inline int __double2hiint(double value) { return (int)(__double_as_longlong(value) >> 32); }
inline int __double2loint(double value) { return (int)__double_as_longlong(value); }
inline double __hiloint2double(int high, int low) {
  return __longlong_as_double((long long)((unsigned long long)(unsigned)high << 32 | (unsigned)low));
}

inline int __popc(unsigned int x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline int __clz(int x) { return x ? __builtin_clz((unsigned)x) : 32; }
inline int __clzll(long long x) { return x ? __builtin_clzll((unsigned long long)x) : 64; }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __ffsll(long long x) { return __builtin_ffsll(x); }
inline unsigned int __brev(unsigned int x) {
  x = (x >> 1 & 0x55555555u) | (x & 0x55555555u) << 1;
  x = (x >> 2 & 0x33333333u) | (x & 0x33333333u) << 2;
  x = (x >> 4 & 0x0f0f0f0fu) | (x & 0x0f0f0f0fu) << 4;
  return __builtin_bswap32(x);
}
inline unsigned long long __brevll(unsigned long long x) {
  return (unsigned long long)__brev((unsigned)x) << 32 | __brev((unsigned)(x >> 32));
}
// Byte selection: nibble i of the selector says which of the eight bytes of (y, x) becomes byte i.
inline unsigned int __byte_perm(unsigned int x, unsigned int y, unsigned int selector) {
  const unsigned long long bytes = (unsigned long long)y << 32 | x;
  unsigned int result = 0;
  for (int i = 0; i < 4; i++) {
    const unsigned int nibble = selector >> 4 * i & 0xfu;
    unsigned int byte = (unsigned int)(bytes >> 8 * (nibble & 7u)) & 0xffu;
    if (nibble & 8u) byte = byte & 0x80u ? 0xffu : 0u;
    result |= byte << 8 * i;
  }
  return result;
}
inline unsigned int __funnelshift_l(unsigned int low, unsigned int high, unsigned int shift) {
  return (unsigned int)(((unsigned long long)high << 32 | low) << (shift & 31u) >> 32);
}
inline unsigned int __funnelshift_r(unsigned int low, unsigned int high, unsigned int shift) {
  return (unsigned int)(((unsigned long long)high << 32 | low) >> (shift & 31u));
}

inline int __mulhi(int a, int b) { return (int)((long long)a * b >> 32); }
inline unsigned int __umulhi(unsigned int a, unsigned int b) {
  return (unsigned int)((unsigned long long)a * b >> 32);
}
inline long long __mul64hi(long long a, long long b) { return (long long)((__int128)a * b >> 64); }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return (unsigned long long)((unsigned __int128)a * b >> 64);
}
inline int __mul24(int a, int b) { return (int)((unsigned)(a << 8 >> 8) * (unsigned)(b << 8 >> 8)); }
inline unsigned int __umul24(unsigned int a, unsigned int b) { return (a & 0xffffffu) * (b & 0xffffffu); }
inline unsigned int __sad(int a, int b, unsigned int c) {
  return (a > b ? (unsigned)a - (unsigned)b : (unsigned)b - (unsigned)a) + c;
}
inline int __dp4a(int a, int b, int c) {
  for (int i = 0; i < 4; i++) c += (int)(signed char)(a >> 8 * i) * (int)(signed char)(b >> 8 * i);
  return c;
}

// Conversions from floating point clamp to the target's range, and NaN becomes 0 (for 32 bits), as on a GPU.
namespace gpunet_emulator {
template <class To> inline To clamped(double value, double low, double past_high, To lowest, To highest) {
  if (value != value) return sizeof(To) == 4 ? (To)0 : (To)((unsigned long long)1 << 63);
  if (value <= low) return lowest;
  if (value >= past_high) return highest;
  return (To)value;
}
inline int to_int(double x) { return clamped<int>(x, -2147483648.0, 2147483648.0, INT_MIN, INT_MAX); }
inline unsigned to_uint(double x) { return clamped<unsigned>(x, 0.0, 4294967296.0, 0u, UINT_MAX); }
inline long long to_longlong(double x) {
  return clamped<long long>(x, -9223372036854775808.0, 9223372036854775808.0, LLONG_MIN, LLONG_MAX);
}
inline unsigned long long to_ulonglong(double x) {
  return clamped<unsigned long long>(x, 0.0, 18446744073709551616.0, 0ull, ULLONG_MAX);
}
}  // namespace gpunet_emulator

#define GPUNET_CONVERSIONS(from, From, to, To, convert)                               \
  inline To __##from##2##to##_rn(From x) { return gpunet_emulator::convert(::rint((double)x)); }  \
  inline To __##from##2##to##_rz(From x) { return gpunet_emulator::convert(::trunc((double)x)); } \
  inline To __##from##2##to##_rd(From x) { return gpunet_emulator::convert(::floor((double)x)); } \
  inline To __##from##2##to##_ru(From x) { return gpunet_emulator::convert(::ceil((double)x)); }
GPUNET_CONVERSIONS(float, float, int, int, to_int)
GPUNET_CONVERSIONS(float, float, uint, unsigned int, to_uint)
GPUNET_CONVERSIONS(float, float, ll, long long, to_longlong)
GPUNET_CONVERSIONS(float, float, ull, unsigned long long, to_ulonglong)
GPUNET_CONVERSIONS(double, double, int, int, to_int)
GPUNET_CONVERSIONS(double, double, uint, unsigned int, to_uint)
GPUNET_CONVERSIONS(double, double, ll, long long, to_longlong)
GPUNET_CONVERSIONS(double, double, ull, unsigned long long, to_ulonglong)
#undef GPUNET_CONVERSIONS
inline float __int2float_rn(int x) { return (float)x; }
inline float __uint2float_rn(unsigned int x) { return (float)x; }
inline float __ll2float_rn(long long x) { return (float)x; }
inline float __ull2float_rn(unsigned long long x) { return (float)x; }
inline double __int2double_rn(int x) { return (double)x; }
inline double __uint2double_rn(unsigned int x) { return (double)x; }
inline double __ll2double_rn(long long x) { return (double)x; }
inline double __ull2double_rn(unsigned long long x) { return (double)x; }
inline float __double2float_rn(double x) { return (float)x; }

// These are never fused with what stands beside them, whatever the compiler's flags.
#define GPUNET_ROUNDED(name, T, expression)                             \
  __attribute__((noinline, noclone)) inline T name(T a, T b) { return expression; }
GPUNET_ROUNDED(__fadd_rn, float, a + b)
GPUNET_ROUNDED(__fsub_rn, float, a - b)
GPUNET_ROUNDED(__fmul_rn, float, a* b)
GPUNET_ROUNDED(__fdiv_rn, float, a / b)
GPUNET_ROUNDED(__dadd_rn, double, a + b)
GPUNET_ROUNDED(__dsub_rn, double, a - b)
GPUNET_ROUNDED(__dmul_rn, double, a* b)
GPUNET_ROUNDED(__ddiv_rn, double, a / b)
#undef GPUNET_ROUNDED
inline float __fmaf_rn(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
inline double __fma_rn(double a, double b, double c) { return __builtin_fma(a, b, c); }
inline float __fsqrt_rn(float x) { return __builtin_sqrtf(x); }
inline double __dsqrt_rn(double x) { return __builtin_sqrt(x); }
inline float __frcp_rn(float x) { return 1.0f / x; }
inline double __drcp_rn(double x) { return 1.0 / x; }
inline float __frsqrt_rn(float x) { return (float)(1.0 / __builtin_sqrt((double)x)); }

inline float __fdividef(float a, float b) { return a / b; }
inline float __expf(float x) { return __builtin_expf(x); }
inline float __exp10f(float x) { return __builtin_powf(10.0f, x); }
inline float __logf(float x) { return __builtin_logf(x); }
inline float __log2f(float x) { return __builtin_log2f(x); }
inline float __log10f(float x) { return __builtin_log10f(x); }
inline float __powf(float x, float y) { return __builtin_powf(x, y); }
inline float __sinf(float x) { return __builtin_sinf(x); }
inline float __cosf(float x) { return __builtin_cosf(x); }
inline float __tanf(float x) { return __builtin_tanf(x); }
inline void __sincosf(float x, float* sine, float* cosine) {
  *sine = __builtin_sinf(x);
  *cosine = __builtin_cosf(x);
}
inline float __saturatef(float x) { return x > 0.0f ? (x < 1.0f ? x : 1.0f) : 0.0f; }  // NaN becomes 0

// Loads and stores with a caching hint: the plain ones.
#define GPUNET_LOAD(name) \
  template <class T> inline T name(const T* address) { return *address; }
GPUNET_LOAD(__ldg)
GPUNET_LOAD(__ldca)
GPUNET_LOAD(__ldcg)
GPUNET_LOAD(__ldcs)
GPUNET_LOAD(__ldcv)
GPUNET_LOAD(__ldlu)
#undef GPUNET_LOAD
#define GPUNET_STORE(name) \
  template <class T> inline void name(T* address, T value) { *address = value; }
GPUNET_STORE(__stcg)
GPUNET_STORE(__stcs)
GPUNET_STORE(__stwb)
GPUNET_STORE(__stwt)
#undef GPUNET_STORE
