// How the runtime asks for the launch of one kernel. Included by the runtime and by every compiled kernel.
//
// A kernel's source becomes one shared object: cuda_on_cpu.h, `#line 1 "name"`, the user's text as rewrite_source() of
// source_rewriting.h returns it, and one launcher for each __global__ function:
//
//   extern "C" const char* gpunet_launch_NAME(const gpunet_emulator::Launch* launch) {
//     return gpunet_emulator::run<NAME>(*launch);
//   }
//
// The functions that cuda_on_cpu.h only declares (scheduler, barriers, reports, checks) stand in device/*.cpp. They are
// compiled ONCE into one shared object, with g++ -std=c++17 -O2 -fPIC -shared -pthread and the library flags of the
// check; every kernel's shared object is linked against it (by path, or with -rpath), and so is the runtime.
#pragma once

#include <stddef.h>

namespace gpunet_emulator {

struct Launch {
  unsigned grid[3];
  unsigned block[3];
  size_t shared_bytes;  // dynamic shared memory
  void** arguments;     // as hipModuleLaunchKernel's kernelParams: the address of each argument
  const char* kernel;   // name, for reports
  const char* file;     // where the kernel is defined, for reports
  int line;
  int schedule;         // 0 forward, 1 backward, >= 2 shuffled with that seed (threads, warps and blocks)
  int workers;          // OS threads that may share the blocks; 1 under a check or a schedule other than 0
  bool fibers;          // the kernel may meet barriers or warp operations; true is always right, false is quicker
};

}  // namespace gpunet_emulator
