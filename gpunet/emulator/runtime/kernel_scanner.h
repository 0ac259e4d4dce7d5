// Finds the kernels in a CUDA source without understanding C++: by its brackets, keywords and directives.
#pragma once

#include <string>
#include <vector>

namespace gpunet_emulator {

struct FoundKernel {
  std::string name;
  bool templated = false;  // can only be reached by a name expression
  bool extern_c = false;   // can be reached by its name
  bool fibers = false;     // meets barriers or warp operations, or calls something that does
  int line = 0;            // of its name, by the source's own #line directives
  std::string file;
};

struct ScannedSource {
  // The source with GPUNET_KERNEL(name, lines since its name, fibers) behind each extern "C" kernel that is no
  // template: there the conditions of #if hold for the launcher as they do for the kernel, and kernels that macros
  // define get theirs too. No line changes its number.
  std::string text;
  std::vector<FoundKernel> kernels;
  bool foreign_header = false;  // it includes headers that are neither the emulator's, CuPy's nor the compiler's
};

ScannedSource scan_source(const std::string& source, const std::string& file);

}  // namespace gpunet_emulator
