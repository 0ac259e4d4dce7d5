// hipBLAS: products of matrices in one type: single, batched by addresses, batched by strides.
#include "blas_products.h"

using namespace gpunet_emulator;

#define GPUNET_GEMM(LETTER, T)                                                                                         \
  GPUNET_EXPORT int hipblas##LETTER##gemm(void*, int ta, int tb, int m, int n, int k, const T* alpha, const T* a,      \
                                          int lda, const T* b, int ldb, const T* beta, T* c, int ldc) {                \
    multiply<T>(ta, tb, m, n, k, *alpha, a, lda, b, ldb, *beta, c, ldc);                                               \
    return HIPBLAS_STATUS_SUCCESS;                                                                                     \
  }                                                                                                                    \
  GPUNET_EXPORT int hipblas##LETTER##gemmBatched(void*, int ta, int tb, int m, int n, int k, const T* alpha,           \
                                                 const T* const* a, int lda, const T* const* b, int ldb,               \
                                                 const T* beta, T* const* c, int ldc, int batch) {                     \
    for (int i = 0; i < batch; i++) multiply<T>(ta, tb, m, n, k, *alpha, a[i], lda, b[i], ldb, *beta, c[i], ldc);      \
    return HIPBLAS_STATUS_SUCCESS;                                                                                     \
  }                                                                                                                    \
  GPUNET_EXPORT int hipblas##LETTER##gemmStridedBatched(                                                               \
      void*, int ta, int tb, int m, int n, int k, const T* alpha, const T* a, int lda, long long stride_a, const T* b, \
      int ldb, long long stride_b, const T* beta, T* c, int ldc, long long stride_c, int batch) {                      \
    for (int i = 0; i < batch; i++)                                                                                    \
      multiply<T>(ta, tb, m, n, k, *alpha, a + i * stride_a, lda, b + i * stride_b, ldb, *beta, c + i * stride_c,      \
                  ldc);                                                                                                \
    return HIPBLAS_STATUS_SUCCESS;                                                                                     \
  }

GPUNET_GEMM(S, float)
GPUNET_GEMM(D, double)
GPUNET_GEMM(C, complex_float)
GPUNET_GEMM(Z, complex_double)
