// Device memory, as other parts of the runtime see it.
#pragma once

#include "hip.h"

namespace gpunet_emulator {

struct Allocation {
  char* begin = nullptr;
  size_t bytes = 0;
  hipMemoryType type = hipMemoryTypeUnregistered;
};

// The allocation that an address lies in; bytes is 0 where there is none.
Allocation find_allocation(const void* address);

}  // namespace gpunet_emulator
