// The device that programs see: the limits that every current NVIDIA GPU keeps, so that what fits here fits there.
#pragma once

#include <cstddef>

namespace gpunet_emulator {

constexpr int COMPUTE_CAPABILITY_MAJOR = 9, COMPUTE_CAPABILITY_MINOR = 0;
constexpr int WARP_SIZE = 32;
constexpr int MAXIMUM_THREADS = 1024;                         // of a block
constexpr int MAXIMUM_BLOCK[3] = {1024, 1024, 64};
constexpr int MAXIMUM_GRID[3] = {2147483647, 65535, 65535};
constexpr int MAXIMUM_RESIDENT_THREADS = 2048;                // of a multiprocessor
constexpr int REGISTERS = 65536;                              // of a block
constexpr size_t SHARED_BYTES = 48 * 1024;                    // of a block, unless a kernel asks for more
constexpr size_t MAXIMUM_SHARED_BYTES = 227 * 1024;           // of a block, for a kernel that asked
constexpr size_t SHARED_BYTES_OF_MULTIPROCESSOR = 228 * 1024;
constexpr size_t CONSTANT_BYTES = 64 * 1024;

}  // namespace gpunet_emulator
