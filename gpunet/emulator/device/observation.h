// What a kernel does to memory, access by access. Under the checks "memory" and "trace" kernels are compiled with g++'s
// -fsanitize=thread, and the device library itself receives the calls that the compiler put in (access_callbacks.cpp).
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "launch.h"

namespace gpunet_emulator {

enum class Access_kind : unsigned char { load, store, atomic };

enum class Observation { none, memory, trace };
Observation observation();  // by the environment variable GPUNET_EMULATOR_CHECK

// memory_shadow.cpp. `code` is an address inside the instruction.
void shadow_access(const void* address, size_t bytes, Access_kind kind, void* code);
void shadow_new_block();  // shared memory has been cleared
void shadow_end_of_launch(const Launch& launch);

// sector_trace.cpp
void trace_access(const void* address, size_t bytes, Access_kind kind, void* code);
void trace_end_of_block();
void trace_end_of_launch(const Launch& launch);

// Both ask where device memory lies.
struct DeviceMemory {
  char* begin = nullptr;
  size_t bytes = 0;
  unsigned char* written = nullptr;  // one byte for each byte of the memory: 1 when it was ever written
  unsigned long last_writer_number = 0;  // see launch_number()
  Launch last_writer = {};               // the kernel that wrote last; kernel is null when none has
};
DeviceMemory* device_memory_at(const void* address);

}  // namespace gpunet_emulator
