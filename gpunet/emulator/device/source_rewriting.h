// What has to be changed in a CUDA source before g++ can read it.
#pragma once

#include <string>

namespace gpunet_emulator {

// Dynamic shared memory has no size that a compiler could know, so its declarations
//
//     extern __shared__ [__align__(n)] TYPE name[];
//
// become references to the running block's memory (inside a function) or macros for it (outside). `static __shared__`
// becomes `__shared__`, which is static already. Comments and string literals stay as they are, and so does every
// line's number.
std::string rewrite_source(const std::string& source);

}  // namespace gpunet_emulator
