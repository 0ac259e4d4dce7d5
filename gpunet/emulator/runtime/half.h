// The two 16-bit formats of floating point, as bits; converted with rounding to nearest, ties to even.
#pragma once

#include <cstdint>
#include <cstring>

namespace gpunet_emulator {

struct Half {
  uint16_t bits;
};

struct Bfloat {
  uint16_t bits;
};

inline float to_float(Half half) {
  uint32_t sign = uint32_t(half.bits & 0x8000) << 16, exponent = (half.bits >> 10) & 0x1f, mantissa = half.bits & 0x3ff;
  uint32_t bits;
  if (exponent == 0x1f) {
    bits = sign | 0x7f800000 | mantissa << 13;
  } else if (exponent != 0) {
    bits = sign | (exponent + 112) << 23 | mantissa << 13;
  } else {  // zero or subnormal: mantissa * 2^-24, which float holds exactly
    float magnitude = float(mantissa) * 0x1p-24f;
    memcpy(&bits, &magnitude, sizeof bits);
    bits |= sign;
  }
  float result;
  memcpy(&result, &bits, sizeof result);
  return result;
}

inline float to_float(Bfloat value) {
  uint32_t bits = uint32_t(value.bits) << 16;
  float result;
  memcpy(&result, &bits, sizeof result);
  return result;
}

inline void from_float(float value, Half& half) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  uint16_t sign = uint16_t(bits >> 16 & 0x8000);
  uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) {  // NaN
    half.bits = sign | 0x7e00;
  } else if (magnitude >= 0x477ff000) {  // 65520 and above round to infinity
    half.bits = sign | 0x7c00;
  } else if (magnitude >= 0x38800000) {  // normal
    uint32_t rounded = magnitude + 0xfff + (magnitude >> 13 & 1);
    half.bits = uint16_t(sign | ((rounded >> 13) - (112 << 10)));
  } else {  // subnormal: the addition rounds to a multiple of 2^-24
    float shifted;
    memcpy(&shifted, &magnitude, sizeof shifted);
    shifted += 0.5f;
    memcpy(&magnitude, &shifted, sizeof magnitude);
    half.bits = uint16_t(sign | (magnitude - 0x3f000000));
  }
}

inline void from_float(float value, Bfloat& result) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  if ((bits & 0x7fffffff) > 0x7f800000)
    result.bits = uint16_t(bits >> 16 | 0x40);
  else
    result.bits = uint16_t((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

}  // namespace gpunet_emulator
