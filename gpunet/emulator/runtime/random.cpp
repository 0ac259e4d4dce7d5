// hipRAND for cupy.random's older interface (RandomState, cupy.random.rand and the like). The numbers are reproducible
// and have the right distributions; they are not the numbers that a GPU gives for the same seed.
#include <cmath>

#include "../device/memory_shadow.h"
#include "errors.h"

struct hiprandGenerator {
  uint64_t seed = 0, position = 0;
};

using namespace gpunet_emulator;

namespace {

constexpr int HIPRAND_STATUS_SUCCESS = 0, HIPRAND_STATUS_OUT_OF_RANGE = 104;

// The n-th 64 random bits of a seed: SplitMix64 (Steele, Lea and Flood 2014) counts, so any position is as good.
uint64_t bits_at(uint64_t seed, uint64_t position) {
  auto mixed = [](uint64_t value) {
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9ULL;
    value = (value ^ value >> 27) * 0x94d049bb133111ebULL;
    return value ^ value >> 31;
  };
  return mixed(mixed(seed + 0x9e3779b97f4a7c15ULL) + (position + 1) * 0x9e3779b97f4a7c15ULL);
}

// In (0, 1], as hipRAND: 2^-53 ... 1, and 2^-24 ... 1 for float.
double uniform_double(uint64_t bits) { return double((bits >> 11) + 1) * 0x1p-53; }
float uniform_float(uint64_t bits) { return float((bits >> 40) + 1) * 0x1p-24f; }

// Box and Muller 1958: two uniform numbers give one normal one (its twin is not used, so position is all the state).
double normal(hiprandGenerator* generator) {
  double radius = uniform_double(bits_at(generator->seed, generator->position++));
  double angle = uniform_double(bits_at(generator->seed, generator->position++));
  return std::sqrt(-2 * std::log(radius)) * std::cos(2 * M_PI * angle);
}

template <class T, class Function> int generate(T* out, size_t count, Function next) {
  for (size_t i = 0; i < count; i++) out[i] = T(next());
  gpunet_memory_written(out, count * sizeof(T));
  return HIPRAND_STATUS_SUCCESS;
}

}  // namespace

GPUNET_EXPORT int hiprandGetVersion(int* version) {
  *version = 300000;
  return HIPRAND_STATUS_SUCCESS;
}

// Every kind of generator is this one, but for those that fill a space evenly (quasi-random: 500 and above).
GPUNET_EXPORT int hiprandCreateGenerator(hiprandGenerator** generator, int kind) {
  if (kind >= 500) return HIPRAND_STATUS_OUT_OF_RANGE;
  *generator = new hiprandGenerator;
  return HIPRAND_STATUS_SUCCESS;
}

GPUNET_EXPORT int hiprandDestroyGenerator(hiprandGenerator* generator) {
  delete generator;
  return HIPRAND_STATUS_SUCCESS;
}

GPUNET_EXPORT int hiprandSetPseudoRandomGeneratorSeed(hiprandGenerator* generator, unsigned long long seed) {
  *generator = {seed, 0};
  return HIPRAND_STATUS_SUCCESS;
}

GPUNET_EXPORT int hiprandSetGeneratorOffset(hiprandGenerator* generator, unsigned long long offset) {
  generator->position = offset;
  return HIPRAND_STATUS_SUCCESS;
}

GPUNET_EXPORT int hiprandSetStream(hiprandGenerator*, hipStream_t) { return HIPRAND_STATUS_SUCCESS; }

GPUNET_EXPORT int hiprandGenerate(hiprandGenerator* g, unsigned* out, size_t count) {
  return generate(out, count, [=] { return bits_at(g->seed, g->position++) >> 32; });
}

GPUNET_EXPORT int hiprandGenerateUniform(hiprandGenerator* g, float* out, size_t count) {
  return generate(out, count, [=] { return uniform_float(bits_at(g->seed, g->position++)); });
}

GPUNET_EXPORT int hiprandGenerateUniformDouble(hiprandGenerator* g, double* out, size_t count) {
  return generate(out, count, [=] { return uniform_double(bits_at(g->seed, g->position++)); });
}

GPUNET_EXPORT int hiprandGenerateNormal(hiprandGenerator* g, float* out, size_t count, float mean, float deviation) {
  return generate(out, count, [=] { return mean + deviation * normal(g); });
}

GPUNET_EXPORT int hiprandGenerateNormalDouble(hiprandGenerator* g, double* out, size_t count, double mean,
                                              double deviation) {
  return generate(out, count, [=] { return mean + deviation * normal(g); });
}

GPUNET_EXPORT int hiprandGenerateLogNormal(hiprandGenerator* g, float* out, size_t count, float mean, float deviation) {
  return generate(out, count, [=] { return std::exp(mean + deviation * normal(g)); });
}

GPUNET_EXPORT int hiprandGenerateLogNormalDouble(hiprandGenerator* g, double* out, size_t count, double mean,
                                                 double deviation) {
  return generate(out, count, [=] { return std::exp(mean + deviation * normal(g)); });
}
