// Handles of hipBLAS, rocBLAS and rocSOLVER. They hold what CuPy asks back; work is finished before a call returns.
#include "blas_library.h"
#include "hip.h"

using namespace gpunet_emulator;

namespace {

struct Handle {
  hipStream_t stream = nullptr;
  int pointer_mode = 0;
};

}  // namespace

GPUNET_EXPORT int hipblasCreate(void** handle) {
  if (!blas_loaded()) return HIPBLAS_STATUS_NOT_INITIALIZED;
  *handle = new Handle;
  return HIPBLAS_STATUS_SUCCESS;
}

GPUNET_EXPORT int hipblasDestroy(void* handle) {
  delete static_cast<Handle*>(handle);
  return HIPBLAS_STATUS_SUCCESS;
}

GPUNET_EXPORT int hipblasSetStream(void* handle, hipStream_t stream) {
  static_cast<Handle*>(handle)->stream = stream;
  return HIPBLAS_STATUS_SUCCESS;
}

GPUNET_EXPORT int hipblasGetStream(void* handle, hipStream_t* stream) {
  *stream = static_cast<Handle*>(handle)->stream;
  return HIPBLAS_STATUS_SUCCESS;
}

// Where scalars stand makes no difference: host and device memory are one.
GPUNET_EXPORT int hipblasSetPointerMode(void* handle, int mode) {
  static_cast<Handle*>(handle)->pointer_mode = mode;
  return HIPBLAS_STATUS_SUCCESS;
}

GPUNET_EXPORT int hipblasGetPointerMode(void* handle, int* mode) {
  *mode = static_cast<Handle*>(handle)->pointer_mode;
  return HIPBLAS_STATUS_SUCCESS;
}

GPUNET_EXPORT int rocblas_create_handle(void** handle) { return hipblasCreate(handle); }
GPUNET_EXPORT int rocblas_destroy_handle(void* handle) { return hipblasDestroy(handle); }
GPUNET_EXPORT int rocblas_set_stream(void* handle, hipStream_t stream) { return hipblasSetStream(handle, stream); }
GPUNET_EXPORT int rocblas_get_stream(void* handle, hipStream_t* stream) { return hipblasGetStream(handle, stream); }
