// Products of matrices, for every entry point that computes one.
#pragma once

#include "blas_library.h"

namespace gpunet_emulator {

template <class T>
void multiply(int transpose_a, int transpose_b, int m, int n, int k, const T& alpha, const T* a, int lda, const T* b,
              int ldb, const T& beta, T* c, int ldc) {
  using Function = void(int, int, int, int, int, int, Scalar<T>, const Array<T>*, int, const Array<T>*, int, Scalar<T>,
                        Array<T>*, int);
  static Function* const function = blas_function<Function>(cblas_name<T>("gemm"));
  function(COLUMN_MAJOR, transpose_a, transpose_b, m, n, k, scalar(alpha), a, lda, b, ldb, scalar(beta), c, ldc);
}

}  // namespace gpunet_emulator
