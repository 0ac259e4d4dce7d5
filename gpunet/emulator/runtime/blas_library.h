// OpenBLAS, from the wheel scipy-openblas32, and what the files that call it share.
#pragma once

#include <complex>
#include <string>
#include <type_traits>

#include "hip.h"

namespace gpunet_emulator {

enum hipblasStatus_t : int {
  HIPBLAS_STATUS_SUCCESS = 0,
  HIPBLAS_STATUS_NOT_INITIALIZED = 1,
  HIPBLAS_STATUS_INVALID_VALUE = 3,
  HIPBLAS_STATUS_EXECUTION_FAILED = 5,
  HIPBLAS_STATUS_NOT_SUPPORTED = 7,
};

// hipBLAS and CBLAS share these numbers.
enum Operation : int { NO_TRANSPOSE = 111, TRANSPOSE = 112, CONJUGATE_TRANSPOSE = 113 };
constexpr int COLUMN_MAJOR = 102, LEFT = 141;

using complex_float = std::complex<float>;
using complex_double = std::complex<double>;

template <class T> constexpr bool is_complex = std::is_same_v<T, complex_float> || std::is_same_v<T, complex_double>;

template <class T> constexpr char letter() {
  if constexpr (std::is_same_v<T, float>) return 's';
  if constexpr (std::is_same_v<T, double>) return 'd';
  if constexpr (std::is_same_v<T, complex_float>) return 'c';
  return 'z';
}

// Real type of a complex one.
template <class T> struct RealOf { using type = T; };
template <class T> struct RealOf<std::complex<T>> { using type = T; };
template <class T> using real_of = typename RealOf<T>::type;

// How CBLAS takes a scalar: by value, or complex ones by address.
template <class T> using Scalar = std::conditional_t<is_complex<T>, const void*, T>;
template <class T> Scalar<T> scalar(const T& value) {
  if constexpr (is_complex<T>)
    return &value;
  else
    return value;
}
template <class T> using Array = std::conditional_t<is_complex<T>, void, T>;

// Whether there is a BLAS; says on standard error why not.
bool blas_loaded();

// Whether the check of memory wants to be told what the BLAS reads and writes.
bool memory_is_checked();

// The address of "scipy_" + name. The program ends with a message where the library lacks it: a damaged installation.
void* blas_symbol(const std::string& name);

template <class Function> Function* blas_function(const std::string& name) {
  return reinterpret_cast<Function*>(blas_symbol(name));
}

template <class T> std::string cblas_name(const char* operation) {
  return std::string("cblas_") + letter<T>() + operation;
}

}  // namespace gpunet_emulator
