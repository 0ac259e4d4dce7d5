// How the runtime starts a kernel: the seam between the HIP runtime and the header that makes CUDA run on the CPU.
#pragma once

#include <cstddef>

namespace gpunet_emulator {

struct Launch {
  unsigned grid[3], block[3];
  size_t shared_bytes;     // dynamic shared memory
  void** arguments;        // as hipModuleLaunchKernel's kernelParams
  const char* kernel;      // name, for reports
  const char* file;        // where the kernel is defined, for reports
  int line;
  int schedule;            // 0 forward, 1 backward, >= 2 shuffled with that seed (threads, warps and blocks)
  int workers;             // OS threads that may share the blocks; 1 under a check or a schedule other than 0
  bool fibers;             // the kernel may meet barriers or warp operations
};

}  // namespace gpunet_emulator
