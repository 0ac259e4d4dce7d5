// From a CUDA source to a shared object, by g++; kept on disk under a hash of everything that it depends on.
#pragma once

#include <string>
#include <vector>

namespace gpunet_emulator {

struct Compilation {
  bool succeeded = false;
  std::string log;   // of the compiler, with the lines of the user's source
  std::string path;  // of the shared object
};

// `name` is what the program calls its source; `options` are NVRTC's or hipRTC's; an expression such as "f<float>" can
// be launched as the kernel expression_kernel(its index).
Compilation compile_kernels(const std::string& source, const std::string& name, const std::vector<std::string>& options,
                            const std::vector<std::string>& expressions);

std::string expression_kernel(size_t index);

}  // namespace gpunet_emulator
