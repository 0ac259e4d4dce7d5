// Products of matrices, for every entry point that computes one.
#pragma once

#include "../device/memory_shadow.h"
#include "blas_library.h"

namespace gpunet_emulator {

// Tells the check of memory what the BLAS does: a matrix of `rows` x `columns`, columns `stride` apart.
template <class T> void matrix_read(const T* matrix, int rows, int columns, int stride) {
  for (int column = 0; column < columns; column++)
    gpunet_memory_read(matrix + (long long)column * stride, size_t(rows) * sizeof(T), "a matrix product");
}

template <class T> void matrix_written(const T* matrix, int rows, int columns, int stride) {
  for (int column = 0; column < columns; column++)
    gpunet_memory_written(matrix + (long long)column * stride, size_t(rows) * sizeof(T));
}

struct Shape {
  int rows, columns;
};
inline Shape shape_of(int operation, int rows, int columns) {
  return operation == NO_TRANSPOSE ? Shape{rows, columns} : Shape{columns, rows};
}

template <class T>
void multiply(int transpose_a, int transpose_b, int m, int n, int k, const T& alpha, const T* a, int lda, const T* b,
              int ldb, const T& beta, T* c, int ldc) {
  using Function = void(int, int, int, int, int, int, Scalar<T>, const Array<T>*, int, const Array<T>*, int, Scalar<T>,
                        Array<T>*, int);
  static Function* const function = blas_function<Function>(cblas_name<T>("gemm"));
  if (memory_is_checked()) {
    Shape shape_a = shape_of(transpose_a, m, k), shape_b = shape_of(transpose_b, k, n);
    matrix_read(a, shape_a.rows, shape_a.columns, lda);
    matrix_read(b, shape_b.rows, shape_b.columns, ldb);
    if (beta != T(0)) matrix_read(c, m, n, ldc);
    matrix_written(c, m, n, ldc);
  }
  function(COLUMN_MAJOR, transpose_a, transpose_b, m, n, k, scalar(alpha), a, lda, b, ldb, scalar(beta), c, ldc);
}

}  // namespace gpunet_emulator
