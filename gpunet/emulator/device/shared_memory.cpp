#include "shared_memory.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "context.h"
#include "sanitizers.h"

namespace gpunet_emulator {

namespace {

constexpr size_t kMostBytes = 256 * 1024;  // no GPU gives a block more than 228 KB

struct SharedMemory {
  char* arena = nullptr;
  size_t dynamic_bytes = 0;
};
thread_local SharedMemory memory;

}  // namespace

char* prepare_shared_memory(size_t bytes, const void*) {
  if (bytes > kMostBytes) return nullptr;
  if (memory.arena == nullptr) {
    const size_t guard = (size_t)sysconf(_SC_PAGESIZE);
    void* mapped = mmap(nullptr, kMostBytes + guard, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) return nullptr;
    mprotect((char*)mapped + kMostBytes, guard, PROT_NONE);
    memory.arena = (char*)mapped;
  }
  memory.dynamic_bytes = bytes;
  const size_t rounded = (bytes + 15) & ~(size_t)15;  // as aligned as the widest vector type
  context.dynamic_shared = memory.arena + kMostBytes - rounded;
  return context.dynamic_shared;
}

void clear_shared_memory() {
  if (memory.dynamic_bytes) memset(context.dynamic_shared, kNeverWritten, memory.dynamic_bytes);
}

}  // namespace gpunet_emulator
