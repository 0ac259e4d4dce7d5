// Where a CUDA thread reads its place in the grid: threadIdx, blockIdx, blockDim, gridDim.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "vector_types.h"

namespace gpunet_emulator {

// One for each OS thread. The scheduler sets it before a CUDA thread runs, so that reading threadIdx costs one load.
struct Context {
  uint3 thread, block, block_size, grid_size;
  char* dynamic_shared;   // the running block's dynamic shared memory
  uint64_t clock_offset;  // what clock64 counts from
  bool fenced;            // this CUDA thread has executed a memory fence: its atomics then publish what it wrote
};

// `__thread`, not `thread_local`: no hidden initialisation. "initial-exec": one load, no call. The one definition is in
// the device library, so that the many kernels' shared objects take no room in the process's static thread storage.
extern __thread Context context __attribute__((tls_model("initial-exec"), visibility("default")));

inline const Context& current() { return context; }

}  // namespace gpunet_emulator

#define threadIdx (::gpunet_emulator::current().thread)
#define blockIdx (::gpunet_emulator::current().block)
#define blockDim (::gpunet_emulator::current().block_size)
#define gridDim (::gpunet_emulator::current().grid_size)
#define warpSize 32
