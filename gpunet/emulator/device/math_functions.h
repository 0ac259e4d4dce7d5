// CUDA's mathematical functions that the C library lacks, and its overloads of min, max and the like.
#pragma once

#include <math.h>
#include <stdlib.h>

#define GPUNET_MINIMUM(T)                                    \
  inline T min(T a, T b) { return b < a ? b : a; }           \
  inline T max(T a, T b) { return a < b ? b : a; }
#define GPUNET_MINIMUM_OF_MIXED(A, B, T)                     \
  inline T min(A a, B b) { return min((T)a, (T)b); }         \
  inline T min(B a, A b) { return min((T)a, (T)b); }         \
  inline T max(A a, B b) { return max((T)a, (T)b); }         \
  inline T max(B a, A b) { return max((T)a, (T)b); }
GPUNET_MINIMUM(int)
GPUNET_MINIMUM(unsigned int)
GPUNET_MINIMUM(long)
GPUNET_MINIMUM(unsigned long)
GPUNET_MINIMUM(long long)
GPUNET_MINIMUM(unsigned long long)
// Of a NaN and a number, the number.
inline float min(float a, float b) { return __builtin_fminf(a, b); }
inline float max(float a, float b) { return __builtin_fmaxf(a, b); }
inline double min(double a, double b) { return __builtin_fmin(a, b); }
inline double max(double a, double b) { return __builtin_fmax(a, b); }
GPUNET_MINIMUM_OF_MIXED(int, unsigned int, unsigned int)
GPUNET_MINIMUM_OF_MIXED(int, long, long)
GPUNET_MINIMUM_OF_MIXED(unsigned int, long, long)
GPUNET_MINIMUM_OF_MIXED(int, unsigned long, unsigned long)
GPUNET_MINIMUM_OF_MIXED(unsigned int, unsigned long, unsigned long)
GPUNET_MINIMUM_OF_MIXED(long, unsigned long, unsigned long)
GPUNET_MINIMUM_OF_MIXED(int, long long, long long)
GPUNET_MINIMUM_OF_MIXED(unsigned int, long long, long long)
GPUNET_MINIMUM_OF_MIXED(long, long long, long long)
GPUNET_MINIMUM_OF_MIXED(unsigned long, long long, unsigned long long)
GPUNET_MINIMUM_OF_MIXED(int, unsigned long long, unsigned long long)
GPUNET_MINIMUM_OF_MIXED(unsigned int, unsigned long long, unsigned long long)
GPUNET_MINIMUM_OF_MIXED(long, unsigned long long, unsigned long long)
GPUNET_MINIMUM_OF_MIXED(unsigned long, unsigned long long, unsigned long long)
GPUNET_MINIMUM_OF_MIXED(long long, unsigned long long, unsigned long long)
GPUNET_MINIMUM_OF_MIXED(float, double, double)
#define GPUNET_MINIMUM_WITH_FLOATING(T)      \
  GPUNET_MINIMUM_OF_MIXED(T, float, float)   \
  GPUNET_MINIMUM_OF_MIXED(T, double, double)
GPUNET_MINIMUM_WITH_FLOATING(int)
GPUNET_MINIMUM_WITH_FLOATING(unsigned int)
GPUNET_MINIMUM_WITH_FLOATING(long)
GPUNET_MINIMUM_WITH_FLOATING(unsigned long)
GPUNET_MINIMUM_WITH_FLOATING(long long)
GPUNET_MINIMUM_WITH_FLOATING(unsigned long long)
#undef GPUNET_MINIMUM
#undef GPUNET_MINIMUM_OF_MIXED
#undef GPUNET_MINIMUM_WITH_FLOATING
inline unsigned int umin(unsigned int a, unsigned int b) { return min(a, b); }
inline unsigned int umax(unsigned int a, unsigned int b) { return max(a, b); }
inline long long llmin(long long a, long long b) { return min(a, b); }
inline long long llmax(long long a, long long b) { return max(a, b); }

#define GPUNET_BOTH(name, expression)                             \
  inline double name(double x) { return expression; }             \
  inline float name(float x) { return (float)name((double)x); }   \
  inline float name##f(float x) { return (float)name((double)x); }
GPUNET_BOTH(rsqrt, 1.0 / ::sqrt(x))
GPUNET_BOTH(rcbrt, 1.0 / ::cbrt(x))
// Reduced before the multiplication by pi, so that whole and half numbers are exact.
namespace gpunet_emulator {
inline double sine_of_turn(double r) { return ::fabs(r) == 1.0 ? ::copysign(0.0, r) : ::sin(M_PI * r); }
inline double cosine_of_turn(double r) { return r == 0.5 ? 0.0 : ::cos(M_PI * r); }
}  // namespace gpunet_emulator
GPUNET_BOTH(sinpi, gpunet_emulator::sine_of_turn(::remainder(x, 2.0)))
GPUNET_BOTH(cospi, gpunet_emulator::cosine_of_turn(::fabs(::remainder(x, 2.0))))
GPUNET_BOTH(normcdf, 0.5 * ::erfc(x * -0.70710678118654752440))
#undef GPUNET_BOTH

namespace gpunet_emulator {
// The x with erfc(x) = y, for 0 < y <= 1, by Newton's method on log(erfc), which is smooth and concave.
inline double inverse_erfc_upper(double y) {
  double x = y > 0.5 ? (1.0 - y) * 0.88622692545275801365 : ::sqrt(-::log(y));
  for (int step = 0; step < 60; step++) {
    const double value = ::erfc(x);
    const double change = y > 0.5 ? (value - y) / (1.12837916709551257390 * ::exp(-x * x))
                                  : ::log(value / y) * value / (1.12837916709551257390 * ::exp(-x * x));
    x += change;
    if (::fabs(change) <= 4e-16 * ::fabs(x)) break;
  }
  return x;
}
}  // namespace gpunet_emulator
inline double erfcinv(double y) {
  if (!(y >= 0.0 && y <= 2.0)) return __builtin_nan("");
  if (y == 0.0 || y == 2.0) return y == 0.0 ? __builtin_inf() : -__builtin_inf();
  return y <= 1.0 ? gpunet_emulator::inverse_erfc_upper(y) : -gpunet_emulator::inverse_erfc_upper(2.0 - y);
}
inline double erfinv(double y) {
  if (!(::fabs(y) <= 1.0)) return __builtin_nan("");
  if (::fabs(y) == 1.0) return y * __builtin_inf();
  double x = ::fabs(y) < 0.5 ? y * 0.88622692545275801365 : ::copysign(erfcinv(1.0 - ::fabs(y)), y);
  for (int step = 0; step < 60 && y != 0.0; step++) {
    const double change = (::erf(x) - y) / (1.12837916709551257390 * ::exp(-x * x));
    x -= change;
    if (::fabs(change) <= 4e-16 * ::fabs(x)) break;
  }
  return x;
}
inline double normcdfinv(double y) { return -1.41421356237309504880 * erfcinv(2.0 * y); }
inline float erfcinvf(float y) { return (float)erfcinv((double)y); }
inline float erfinvf(float y) { return (float)erfinv((double)y); }
inline float normcdfinvf(float y) { return (float)normcdfinv((double)y); }
inline float erfcinv(float y) { return erfcinvf(y); }
inline float erfinv(float y) { return erfinvf(y); }
inline float normcdfinv(float y) { return normcdfinvf(y); }
inline void sincospi(double x, double* sine, double* cosine) { *sine = sinpi(x), *cosine = cospi(x); }
inline void sincospif(float x, float* sine, float* cosine) { *sine = sinpif(x), *cosine = cospif(x); }
inline float exp10(float x) { return ::exp10f(x); }
inline void sincos(float x, float* sine, float* cosine) { ::sincosf(x, sine, cosine); }
inline float fdividef(float a, float b) { return a / b; }
inline double norm3d(double a, double b, double c) { return ::hypot(::hypot(a, b), c); }
inline float norm3df(float a, float b, float c) { return (float)norm3d(a, b, c); }
inline double rhypot(double a, double b) { return 1.0 / ::hypot(a, b); }
inline float rhypotf(float a, float b) { return (float)rhypot(a, b); }
