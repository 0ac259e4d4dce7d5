// 16-bit floating point: __half (IEEE) and __nv_bfloat16, their operators and conversions.
//
// Every operation computes in float and rounds once, to nearest even: for +, -, *, / and sqrt that is the correctly
// rounded 16-bit result.
#pragma once

#include "intrinsics.h"
#include "math_functions.h"

namespace gpunet_emulator {

inline unsigned short half_bits(float value) {
  const unsigned bits = __float_as_uint(value);
  const unsigned sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return 0x7fff;                             // NaN, CUDA's canonical one
  if (magnitude >= 0x477ff000u) return sign | 0x7c00u;                    // rounds to infinity
  if (magnitude < 0x38800000u) {                                          // subnormal: count units of 2**-24
    const float units = __uint_as_float(magnitude) * 16777216.0f + 8388608.0f;  // adding 2**23 rounds to nearest even
    return sign | (__float_as_uint(units) & 0x7fffu);
  }
  const unsigned rounded = magnitude + 0x0fffu + (magnitude >> 13 & 1u);
  return sign | (rounded - 0x38000000u) >> 13;
}

inline float half_value(unsigned short bits) {
  const unsigned sign = (bits & 0x8000u) << 16, magnitude = bits & 0x7fffu;
  if (magnitude >= 0x7c00u) return __uint_as_float(sign | 0x7f800000u | (magnitude & 0x03ffu) << 13);
  if (magnitude < 0x0400u) return __uint_as_float(sign | __float_as_uint((float)magnitude * 5.9604644775390625e-8f));
  return __uint_as_float(sign | ((magnitude << 13) + 0x38000000u));
}

inline unsigned short bfloat16_bits(float value) {
  const unsigned bits = __float_as_uint(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return 0x7fff;
  return (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
}
inline float bfloat16_value(unsigned short bits) { return __uint_as_float((unsigned)bits << 16); }

}  // namespace gpunet_emulator

#define GPUNET_SMALL_FLOAT(Name, Raw, prefix)                                                                         \
  struct Raw {                                                                                                        \
    unsigned short x;                                                                                                 \
  };                                                                                                                  \
  struct Name {                                                                                                       \
    unsigned short bits;                                                                                              \
    Name() = default;                                                                                                 \
    Name(float value) : bits(gpunet_emulator::prefix##_bits(value)) {}                                                \
    Name(double value) : bits(gpunet_emulator::prefix##_bits((float)value)) {}                                        \
    Name(int value) : bits(gpunet_emulator::prefix##_bits((float)value)) {}                                           \
    Name(unsigned value) : bits(gpunet_emulator::prefix##_bits((float)value)) {}                                      \
    Name(long value) : bits(gpunet_emulator::prefix##_bits((float)value)) {}                                          \
    Name(unsigned long value) : bits(gpunet_emulator::prefix##_bits((float)value)) {}                                 \
    Name(long long value) : bits(gpunet_emulator::prefix##_bits((float)value)) {}                                     \
    Name(unsigned long long value) : bits(gpunet_emulator::prefix##_bits((float)value)) {}                            \
    Name(short value) : bits(gpunet_emulator::prefix##_bits((float)value)) {}                                         \
    Name(unsigned short value) : bits(gpunet_emulator::prefix##_bits((float)value)) {}                                \
    Name(bool value) : bits(gpunet_emulator::prefix##_bits((float)value)) {}                                          \
    Name(const Raw& raw) : bits(raw.x) {}                                                                             \
    operator float() const { return gpunet_emulator::prefix##_value(bits); }                                          \
    operator Raw() const { return {bits}; }                                                                           \
    Name& operator+=(Name other) { return *this = Name((float)*this + (float)other); }                                \
    Name& operator-=(Name other) { return *this = Name((float)*this - (float)other); }                                \
    Name& operator*=(Name other) { return *this = Name((float)*this * (float)other); }                                \
    Name& operator/=(Name other) { return *this = Name((float)*this / (float)other); }                                \
  };                                                                                                                  \
  inline Name operator+(Name a, Name b) { return Name((float)a + (float)b); }                                         \
  inline Name operator-(Name a, Name b) { return Name((float)a - (float)b); }                                         \
  inline Name operator*(Name a, Name b) { return Name((float)a * (float)b); }                                         \
  inline Name operator/(Name a, Name b) { return Name((float)a / (float)b); }                                         \
  inline Name operator-(Name a) { return Name(Raw{(unsigned short)(a.bits ^ 0x8000u)}); }                             \
  inline Name operator+(Name a) { return a; }                                                                         \
  inline bool operator==(Name a, Name b) { return (float)a == (float)b; }                                             \
  inline bool operator!=(Name a, Name b) { return (float)a != (float)b; }                                             \
  inline bool operator<(Name a, Name b) { return (float)a < (float)b; }                                               \
  inline bool operator>(Name a, Name b) { return (float)a > (float)b; }                                               \
  inline bool operator<=(Name a, Name b) { return (float)a <= (float)b; }                                             \
  inline bool operator>=(Name a, Name b) { return (float)a >= (float)b; }                                             \
  inline Name __hadd(Name a, Name b) { return a + b; }                                                                \
  inline Name __hsub(Name a, Name b) { return a - b; }                                                                \
  inline Name __hmul(Name a, Name b) { return a * b; }                                                                \
  inline Name __hdiv(Name a, Name b) { return a / b; }                                                                \
  inline Name __hneg(Name a) { return -a; }                                                                           \
  inline Name __habs(Name a) { return Name(Raw{(unsigned short)(a.bits & 0x7fffu)}); }                                \
  inline Name __hfma(Name a, Name b, Name c) { return Name((float)__builtin_fma((double)a, (double)b, (double)c)); }  \
  inline bool __heq(Name a, Name b) { return a == b; }                                                                \
  inline bool __hne(Name a, Name b) { return a < b || a > b; }                                                        \
  inline bool __hlt(Name a, Name b) { return a < b; }                                                                 \
  inline bool __hle(Name a, Name b) { return a <= b; }                                                                \
  inline bool __hgt(Name a, Name b) { return a > b; }                                                                 \
  inline bool __hge(Name a, Name b) { return a >= b; }                                                                \
  inline bool __hisnan(Name a) { return a != a; }                                                                     \
  inline int __hisinf(Name a) {                                                                                       \
    return (float)a == __builtin_inff() ? 1 : (float)a == -__builtin_inff() ? -1 : 0;                                 \
  }                                                                                                                   \
  inline Name __hmax(Name a, Name b) { return Name(fmaxf(a, b)); }                                                    \
  inline Name __hmin(Name a, Name b) { return Name(fminf(a, b)); }                                                    \
  inline Name hsqrt(Name a) { return Name(sqrtf(a)); }                                                                \
  inline Name hrsqrt(Name a) { return Name(rsqrtf(a)); }                                                              \
  inline Name hexp(Name a) { return Name(expf(a)); }                                                                  \
  inline Name hlog(Name a) { return Name(logf(a)); }                                                                  \
  inline Name atomicAdd(Name* address, Name value) {                                                                  \
    return gpunet_emulator::atomic_change(address, [value](Name old) { return old + value; });                        \
  }

#include "atomics.h"

GPUNET_SMALL_FLOAT(__half, __half_raw, half)
GPUNET_SMALL_FLOAT(__nv_bfloat16, __nv_bfloat16_raw, bfloat16)
#undef GPUNET_SMALL_FLOAT

typedef __half half;
typedef __nv_bfloat16 nv_bfloat16;
typedef __nv_bfloat16 __hip_bfloat16;

// An operator between a 16-bit float and another number computes as the other type's own rules say: in float at least.
#define GPUNET_MIXED_OPERATOR(Name, op)                                                                               \
  inline float operator op(Name a, float b) { return (float)a op b; }                                                 \
  inline float operator op(float a, Name b) { return a op(float) b; }                                                 \
  inline double operator op(Name a, double b) { return (double)(float)a op b; }                                       \
  inline double operator op(double a, Name b) { return a op(double)(float) b; }                                       \
  inline Name operator op(Name a, int b) { return a op Name(b); }                                                     \
  inline Name operator op(int a, Name b) { return Name(a) op b; }
#define GPUNET_MIXED_COMPARISON(Name, op)                                                                             \
  inline bool operator op(Name a, float b) { return (float)a op b; }                                                  \
  inline bool operator op(float a, Name b) { return a op(float) b; }                                                  \
  inline bool operator op(Name a, double b) { return (double)(float)a op b; }                                         \
  inline bool operator op(double a, Name b) { return a op(double)(float) b; }                                         \
  inline bool operator op(Name a, int b) { return (float)a op(float) b; }                                             \
  inline bool operator op(int a, Name b) { return (float)a op(float) b; }
#define GPUNET_MIXED(Name)                                                                                            \
  GPUNET_MIXED_OPERATOR(Name, +)                                                                                      \
  GPUNET_MIXED_OPERATOR(Name, -)                                                                                      \
  GPUNET_MIXED_OPERATOR(Name, *)                                                                                      \
  GPUNET_MIXED_OPERATOR(Name, /)                                                                                      \
  GPUNET_MIXED_COMPARISON(Name, ==)                                                                                   \
  GPUNET_MIXED_COMPARISON(Name, !=)                                                                                   \
  GPUNET_MIXED_COMPARISON(Name, <)                                                                                    \
  GPUNET_MIXED_COMPARISON(Name, >)                                                                                    \
  GPUNET_MIXED_COMPARISON(Name, <=)                                                                                   \
  GPUNET_MIXED_COMPARISON(Name, >=)
GPUNET_MIXED(__half)
GPUNET_MIXED(__nv_bfloat16)
#undef GPUNET_MIXED
#undef GPUNET_MIXED_OPERATOR
#undef GPUNET_MIXED_COMPARISON

inline float __half2float(__half value) { return value; }
inline __half __float2half(float value) { return __half(value); }
inline __half __float2half_rn(float value) { return __half(value); }
inline __half __double2half(double value) { return __half(value); }
inline __half __int2half_rn(int value) { return __half(value); }
inline int __half2int_rn(__half value) { return __float2int_rn(value); }
inline int __half2int_rz(__half value) { return __float2int_rz(value); }
inline unsigned short __half_as_ushort(__half value) { return value.bits; }
inline __half __ushort_as_half(unsigned short bits) { return __half_raw{bits}; }
inline float __bfloat162float(__nv_bfloat16 value) { return value; }
inline __nv_bfloat16 __float2bfloat16(float value) { return __nv_bfloat16(value); }
inline __nv_bfloat16 __float2bfloat16_rn(float value) { return __nv_bfloat16(value); }
inline unsigned short __bfloat16_as_ushort(__nv_bfloat16 value) { return value.bits; }
inline __nv_bfloat16 __ushort_as_bfloat16(unsigned short bits) { return __nv_bfloat16_raw{bits}; }

struct alignas(4) __half2 {
  __half x, y;
};
typedef __half2 half2;
inline __half2 make_half2(__half x, __half y) { return {x, y}; }
inline __half2 __halves2half2(__half x, __half y) { return {x, y}; }
inline __half2 __half2half2(__half x) { return {x, x}; }
inline __half2 __float2half2_rn(float x) { return {x, x}; }
inline __half2 __floats2half2_rn(float x, float y) { return {x, y}; }
inline __half __low2half(__half2 pair) { return pair.x; }
inline __half __high2half(__half2 pair) { return pair.y; }
inline float __low2float(__half2 pair) { return pair.x; }
inline float __high2float(__half2 pair) { return pair.y; }
inline float2 __half22float2(__half2 pair) { return {pair.x, pair.y}; }
inline __half2 __hadd2(__half2 a, __half2 b) { return {a.x + b.x, a.y + b.y}; }
inline __half2 __hsub2(__half2 a, __half2 b) { return {a.x - b.x, a.y - b.y}; }
inline __half2 __hmul2(__half2 a, __half2 b) { return {a.x * b.x, a.y * b.y}; }
inline __half2 __hfma2(__half2 a, __half2 b, __half2 c) { return {__hfma(a.x, b.x, c.x), __hfma(a.y, b.y, c.y)}; }
