// Sorting on the host, in place of the functions of CuPy's module cupy.cuda.thrust, which start device code compiled
// for a GPU. This library is preloaded: the module calls these functions by name, and the first one found counts.
//
// Data types come by CuPy's numbers (cupy/type_dispatcher.cuh). Order as NumPy's: NaN after everything else; complex
// numbers by their real parts, then the imaginary ones. Every sort is stable.
#include <algorithm>
#include <complex>
#include <cstdint>
#include <numeric>
#include <stdexcept>
#include <vector>

#include "../runtime/half.h"

using gpunet_emulator::Half;

namespace {

using Shape = std::vector<std::ptrdiff_t>;

template <class T> bool real_less(T a, T b) { return a < b || (b != b && a == a); }

template <class T> bool less(const T& a, const T& b) { return a < b; }
bool less(const float& a, const float& b) { return real_less(a, b); }
bool less(const double& a, const double& b) { return real_less(a, b); }
bool less(const Half& a, const Half& b) { return real_less(gpunet_emulator::to_float(a), gpunet_emulator::to_float(b)); }

// As NumPy: without NaN first, then those whose real part alone is a number, and so on.
template <class T> bool less(const std::complex<T>& a, const std::complex<T>& b) {
  const bool nan_a = a.imag() != a.imag(), nan_b = b.imag() != b.imag();
  if (real_less(a.real(), b.real())) return nan_a == nan_b || nan_b || b.real() != b.real();
  if (real_less(b.real(), a.real())) return nan_b && !nan_a && a.real() == a.real();
  return real_less(a.imag(), b.imag());
}

template <class T> void sort_rows(void* data, std::size_t row, std::size_t size) {
  T* values = static_cast<T*>(data);
  for (std::size_t begin = 0; begin < size; begin += row)
    std::stable_sort(values + begin, values + begin + row, [](const T& a, const T& b) { return less(a, b); });
}

// Leaves the data in order too, as CuPy's function does.
template <class T> void argsort_rows(std::size_t* indices, void* data, std::size_t row, std::size_t size) {
  T* values = static_cast<T*>(data);
  std::vector<T> old(row);
  for (std::size_t begin = 0; begin < size; begin += row) {
    std::size_t* order = indices + begin;
    std::iota(order, order + row, std::size_t(0));
    std::copy(values + begin, values + begin + row, old.begin());
    std::stable_sort(order, order + row, [&](std::size_t a, std::size_t b) { return less(old[a], old[b]); });
    for (std::size_t i = 0; i < row; i++) values[begin + i] = old[order[i]];
  }
}

// The last key counts most.
template <class T> void lexsort_keys(std::size_t* indices, void* keys, std::size_t count, std::size_t size) {
  std::iota(indices, indices + size, std::size_t(0));
  for (std::size_t i = 0; i < count; i++) {
    const T* key = static_cast<const T*>(keys) + i * size;
    std::stable_sort(indices, indices + size, [=](std::size_t a, std::size_t b) { return less(key[a], key[b]); });
  }
}

template <class Function> void with_type(int number, Function function) {
  switch (number) {
    case 0: return function(int8_t());
    case 1: case 13: return function(uint8_t());
    case 2: return function(int16_t());
    case 3: return function(uint16_t());
    case 4: return function(int32_t());
    case 5: return function(uint32_t());
    case 6: return function(int64_t());
    case 7: return function(uint64_t());
    case 8: return function(Half());
    case 9: return function(float());
    case 10: return function(double());
    case 11: return function(std::complex<float>());
    case 12: return function(std::complex<double>());
    default: throw std::runtime_error("gpunet emulate: cannot sort this data type");
  }
}

std::size_t size_of(const Shape& shape) {
  std::size_t size = 1;
  for (std::ptrdiff_t length : shape) size *= std::size_t(length);
  return size;
}

}  // namespace

#define GPUNET_REPLACES __attribute__((visibility("default")))

// CuPy's own declarations, in cupy_thrust.h.
GPUNET_REPLACES void thrust_sort(int type, void* data, std::size_t*, const Shape& shape, std::intptr_t, void*) {
  if (size_of(shape) == 0) return;
  with_type(type, [&](auto value) { sort_rows<decltype(value)>(data, std::size_t(shape.back()), size_of(shape)); });
}

GPUNET_REPLACES void thrust_argsort(int type, std::size_t* indices, void* data, void*, const Shape& shape,
                                    std::intptr_t, void*) {
  if (size_of(shape) == 0) return;
  with_type(type, [&](auto value) {
    argsort_rows<decltype(value)>(indices, data, std::size_t(shape.back()), size_of(shape));
  });
}

GPUNET_REPLACES void thrust_lexsort(int type, std::size_t* indices, void* keys, std::size_t count, std::size_t size,
                                    std::intptr_t, void*) {
  with_type(type, [&](auto value) { lexsort_keys<decltype(value)>(indices, keys, count, size); });
}
