// The shared memory of the block that runs on this OS thread.
#pragma once

#include <stddef.h>

namespace gpunet_emulator {

// Bytes that a block finds in shared memory that nobody has written: NaN as a float, -1 as an int.
constexpr unsigned char kNeverWritten = 0xff;

struct MemoryRange {
  char* begin;
  char* end;
};

// Called when a launch begins on this OS thread: gives room for `bytes` of dynamic shared memory, ending at a page that
// cannot be touched, or null when there is no room. `code` is an address in the kernel's shared object.
char* prepare_shared_memory(size_t bytes, const void* code);

// Called before each block: its shared memory holds nothing, and nothing is known of earlier blocks' use of it.
void clear_shared_memory();

constexpr size_t kMostSharedRanges = 256;

// The running block's static arrays (only under a check: else they are thread-local and not listed) and dynamic memory.
size_t shared_memory_ranges(MemoryRange* ranges, size_t room);

}  // namespace gpunet_emulator
