// Device code that was compiled into CuPy's wheel for AMD GPUs (parts of its thrust, hipCUB and random generators).
// It cannot run here, and much of the code that starts it looks at no error: so each start is refused, which makes the
// next call of CuPy raise.
#include <dlfcn.h>

#include <cstring>
#include <string>

#include "errors.h"

using namespace gpunet_emulator;

namespace {

// The part of CuPy that an address belongs to, such as "cupy.cuda.thrust".
std::string part_of_cupy(const void* address) {
  Dl_info info;
  if (!dladdr(address, &info) || !info.dli_fname) return "CuPy";
  const char* begin = strstr(info.dli_fname, "/cupy");
  std::string part = begin ? begin + 1 : info.dli_fname;
  part = part.substr(0, part.find('.'));
  for (char& letter : part)
    if (letter == '/') letter = '.';
  return part;
}

hipError_t refuse_precompiled(const void* caller) {
  refuse("this function of " + part_of_cupy(caller) +
         " is device code compiled for a GPU, which the CPU device cannot run");
  return finished(hipErrorNotSupported);
}

void* registered = nullptr;

}  // namespace

// Registration happens while CuPy is imported and says nothing about use.
GPUNET_EXPORT void** __hipRegisterFatBinary(const void*) { return &registered; }
GPUNET_EXPORT void __hipRegisterFunction(...) {}
GPUNET_EXPORT void __hipUnregisterFatBinary(void**) {}

// A launch runs: push, then the stub, which pops and calls hipLaunchKernel. Each refuses by itself.
GPUNET_EXPORT hipError_t __hipPushCallConfiguration(...) { return refuse_precompiled(__builtin_return_address(0)); }
GPUNET_EXPORT hipError_t __hipPopCallConfiguration(...) { return refuse_precompiled(__builtin_return_address(0)); }
GPUNET_EXPORT hipError_t hipLaunchKernel(...) { return refuse_precompiled(__builtin_return_address(0)); }
