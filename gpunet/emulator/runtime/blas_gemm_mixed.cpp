// hipBLAS: products of matrices whose types are given by numbers. 16-bit matrices are multiplied in float, as a GPU's
// matrix units do, and rounded once at the end.
#include <vector>

#include "blas_products.h"
#include "half.h"

using namespace gpunet_emulator;

namespace {

enum DataType : int { R_32F = 0, R_64F = 1, R_16F = 2, C_32F = 4, C_64F = 5, R_16BF = 14 };

enum ComputeType : int {
  COMPUTE_16F = 0,
  COMPUTE_16F_PEDANTIC = 1,
  COMPUTE_32F = 2,
  COMPUTE_32F_FAST_TF32 = 6,
  COMPUTE_64F = 7,
  COMPUTE_64F_PEDANTIC = 8,
};

struct TypedProduct {
  int transpose_a, transpose_b, m, n, k;
  const void *alpha, *a;
  int type_a, lda;
  const void* b;
  int type_b, ldb;
  const void* beta;
  void* c;
  int type_c, ldc, compute;
};

template <class T> int multiply_plain(const TypedProduct& p) {
  multiply<T>(p.transpose_a, p.transpose_b, p.m, p.n, p.k, *static_cast<const T*>(p.alpha), static_cast<const T*>(p.a),
              p.lda, static_cast<const T*>(p.b), p.ldb, *static_cast<const T*>(p.beta), static_cast<T*>(p.c), p.ldc);
  return HIPBLAS_STATUS_SUCCESS;
}

// A dense copy in float of a matrix of `rows` x `columns` whose columns are `stride` apart.
template <class T> std::vector<float> widened(const void* matrix, int rows, int columns, int stride) {
  std::vector<float> result(size_t(rows) * size_t(columns));
  const T* source = static_cast<const T*>(matrix);
  if (memory_is_checked()) matrix_read(source, rows, columns, stride);
  for (int column = 0; column < columns; column++)
    for (int row = 0; row < rows; row++)
      result[size_t(column) * size_t(rows) + size_t(row)] = to_float(source[size_t(column) * size_t(stride) + size_t(row)]);
  return result;
}

float to_float(float value) { return value; }
void from_float(float value, float& result) { result = value; }

using gpunet_emulator::from_float;
using gpunet_emulator::to_float;

template <class In, class Out> int multiply_widened(const TypedProduct& p, float alpha, float beta) {
  bool plain_a = p.transpose_a == NO_TRANSPOSE, plain_b = p.transpose_b == NO_TRANSPOSE;
  int rows_a = plain_a ? p.m : p.k, rows_b = plain_b ? p.k : p.n;
  std::vector<float> a = widened<In>(p.a, rows_a, plain_a ? p.k : p.m, p.lda);
  std::vector<float> b = widened<In>(p.b, rows_b, plain_b ? p.n : p.k, p.ldb);
  std::vector<float> c(size_t(p.m) * size_t(p.n));
  multiply<float>(p.transpose_a, p.transpose_b, p.m, p.n, p.k, alpha, a.data(), rows_a, b.data(), rows_b, 0.0f,
                  c.data(), p.m);
  Out* target = static_cast<Out*>(p.c);
  if (memory_is_checked() && beta != 0.0f) matrix_read(target, p.m, p.n, p.ldc);
  if (memory_is_checked()) matrix_written(target, p.m, p.n, p.ldc);
  for (int column = 0; column < p.n; column++)
    for (int row = 0; row < p.m; row++) {
      Out& element = target[size_t(column) * size_t(p.ldc) + size_t(row)];
      float product = c[size_t(column) * size_t(p.m) + size_t(row)];
      from_float(beta == 0.0f ? product : product + beta * to_float(element), element);
    }
  return HIPBLAS_STATUS_SUCCESS;
}

bool computes_in_float(int compute) { return compute >= COMPUTE_32F && compute <= COMPUTE_32F_FAST_TF32; }

int multiply_typed(const TypedProduct& p) {
  if (p.type_a != p.type_b) return HIPBLAS_STATUS_NOT_SUPPORTED;
  bool in_double = p.compute == COMPUTE_64F || p.compute == COMPUTE_64F_PEDANTIC;
  bool in_half = p.compute == COMPUTE_16F || p.compute == COMPUTE_16F_PEDANTIC;
  bool same = p.type_a == p.type_c;
  if (same && in_double && p.type_a == R_64F) return multiply_plain<double>(p);
  if (same && in_double && p.type_a == C_64F) return multiply_plain<complex_double>(p);
  if (same && computes_in_float(p.compute) && p.type_a == R_32F) return multiply_plain<float>(p);
  if (same && computes_in_float(p.compute) && p.type_a == C_32F) return multiply_plain<complex_float>(p);
  if (!computes_in_float(p.compute) && !in_half) return HIPBLAS_STATUS_NOT_SUPPORTED;
  // The scalars have the type that is computed in.
  float alpha = in_half ? to_float(*static_cast<const Half*>(p.alpha)) : *static_cast<const float*>(p.alpha);
  float beta = in_half ? to_float(*static_cast<const Half*>(p.beta)) : *static_cast<const float*>(p.beta);
  if (p.type_a == R_16F && p.type_c == R_16F) return multiply_widened<Half, Half>(p, alpha, beta);
  if (p.type_a == R_16F && p.type_c == R_32F) return multiply_widened<Half, float>(p, alpha, beta);
  if (p.type_a == R_16BF && p.type_c == R_16BF) return multiply_widened<Bfloat, Bfloat>(p, alpha, beta);
  if (p.type_a == R_16BF && p.type_c == R_32F) return multiply_widened<Bfloat, float>(p, alpha, beta);
  return HIPBLAS_STATUS_NOT_SUPPORTED;
}

size_t bytes_of(int type) {
  switch (type) {
    case R_16F: case R_16BF: return 2;
    case R_32F: return 4;
    case R_64F: case C_32F: return 8;
    default: return 16;
  }
}

}  // namespace

GPUNET_EXPORT int hipblasGemmEx(void*, int ta, int tb, int m, int n, int k, const void* alpha, const void* a,
                                int type_a, int lda, const void* b, int type_b, int ldb, const void* beta, void* c,
                                int type_c, int ldc, int compute, int) {
  return multiply_typed({ta, tb, m, n, k, alpha, a, type_a, lda, b, type_b, ldb, beta, c, type_c, ldc, compute});
}

GPUNET_EXPORT int hipblasGemmStridedBatchedEx(void*, int ta, int tb, int m, int n, int k, const void* alpha,
                                              const void* a, int type_a, int lda, long long stride_a, const void* b,
                                              int type_b, int ldb, long long stride_b, const void* beta, void* c,
                                              int type_c, int ldc, long long stride_c, int batch, int compute, int) {
  for (int i = 0; i < batch; i++) {
    const char* a_i = static_cast<const char*>(a) + i * stride_a * (long long)(bytes_of(type_a));
    const char* b_i = static_cast<const char*>(b) + i * stride_b * (long long)(bytes_of(type_b));
    char* c_i = static_cast<char*>(c) + i * stride_c * (long long)(bytes_of(type_c));
    int status = multiply_typed(
        {ta, tb, m, n, k, alpha, a_i, type_a, lda, b_i, type_b, ldb, beta, c_i, type_c, ldc, compute});
    if (status != HIPBLAS_STATUS_SUCCESS) return status;
  }
  return HIPBLAS_STATUS_SUCCESS;
}
