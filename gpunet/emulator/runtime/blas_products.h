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

// Calls part(context, 0), ..., part(context, count - 1), on as many cores as kernels have.
void share(int count, void (*part)(void* context, int number), void* context);

// How a product is cut into parts: along the longer side of the result, into lengths that depend on the sizes alone.
// The same numbers come out with any number of workers.
struct Cut {
  bool columns;
  int length, count;
};
Cut cut_product(int m, int n, int k);

template <class T>
void multiply_part(int transpose_a, int transpose_b, int m, int n, int k, const T& alpha, const T* a, int lda,
                   const T* b, int ldb, const T& beta, T* c, int ldc) {
  using Function = void(int, int, int, int, int, int, Scalar<T>, const Array<T>*, int, const Array<T>*, int, Scalar<T>,
                        Array<T>*, int);
  static Function* const function = blas_function<Function>(cblas_name<T>("gemm"));
  function(COLUMN_MAJOR, transpose_a, transpose_b, m, n, k, scalar(alpha), a, lda, b, ldb, scalar(beta), c, ldc);
}

template <class T> struct Product {
  int transpose_a, transpose_b, m, n, k;
  T alpha;
  const T* a;
  int lda;
  const T* b;
  int ldb;
  T beta;
  T* c;
  int ldc;
  Cut cut;

  static void part(void* context, int number) {
    const Product& p = *static_cast<const Product*>(context);
    long long begin = (long long)number * p.cut.length;
    int whole = p.cut.columns ? p.n : p.m;
    int length = int(whole - begin < p.cut.length ? whole - begin : p.cut.length);
    if (p.cut.columns) {
      const T* b = p.b + begin * (p.transpose_b == NO_TRANSPOSE ? p.ldb : 1);
      multiply_part<T>(p.transpose_a, p.transpose_b, p.m, length, p.k, p.alpha, p.a, p.lda, b, p.ldb, p.beta,
                       p.c + begin * p.ldc, p.ldc);
    } else {
      const T* a = p.a + begin * (p.transpose_a == NO_TRANSPOSE ? 1 : p.lda);
      multiply_part<T>(p.transpose_a, p.transpose_b, length, p.n, p.k, p.alpha, a, p.lda, p.b, p.ldb, p.beta,
                       p.c + begin, p.ldc);
    }
  }
};

template <class T>
void multiply(int transpose_a, int transpose_b, int m, int n, int k, const T& alpha, const T* a, int lda, const T* b,
              int ldb, const T& beta, T* c, int ldc) {
  if (m <= 0 || n <= 0) return;
  if (memory_is_checked()) {
    Shape shape_a = shape_of(transpose_a, m, k), shape_b = shape_of(transpose_b, k, n);
    matrix_read(a, shape_a.rows, shape_a.columns, lda);
    matrix_read(b, shape_b.rows, shape_b.columns, ldb);
    if (beta != T(0)) matrix_read(c, m, n, ldc);
    matrix_written(c, m, n, ldc);
  }
  Product<T> product{transpose_a, transpose_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc, cut_product(m, n, k)};
  share(product.cut.count, Product<T>::part, &product);
}

}  // namespace gpunet_emulator
