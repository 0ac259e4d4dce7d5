// Memory of the device, of the host and managed memory: all of it host memory, but counted and told apart.
#include "memory.h"

#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

#include "../device/memory_shadow.h"
#include "errors.h"
#include "settings.h"

namespace gpunet_emulator {
namespace {

constexpr size_t ALIGNMENT = 512;  // as the allocators of GPUs

std::mutex allocations_mutex;
std::map<char*, Allocation> allocations;
size_t device_bytes = 0;

bool counted(hipMemoryType type) { return type == hipMemoryTypeDevice || type == hipMemoryTypeManaged; }

hipError_t allocate(void** result, size_t bytes, hipMemoryType type) {
  if (!result) return hipErrorInvalidValue;
  *result = nullptr;
  if (bytes == 0) return hipSuccess;
  std::lock_guard lock(allocations_mutex);
  if (counted(type) && bytes > settings().memory - device_bytes) return hipErrorOutOfMemory;
  void* memory = nullptr;
  // Not rounded up: a sanitizer sees the first byte behind the end.
  if (posix_memalign(&memory, ALIGNMENT, bytes) != 0) return hipErrorOutOfMemory;
  // All bits set is NaN, -1 or true: an element that no kernel has written does not look like a result.
  if (counted(type)) memset(memory, 0xff, bytes);
  char* begin = static_cast<char*>(memory);
  allocations[begin] = {begin, bytes, type};
  if (counted(type)) device_bytes += bytes;
  // The host writes managed memory without a call that could be seen.
  if (type == hipMemoryTypeDevice) gpunet_memory_allocated(memory, bytes);
  *result = memory;
  return hipSuccess;
}

hipError_t release(void* memory) {
  if (!memory) return hipSuccess;
  std::lock_guard lock(allocations_mutex);
  auto found = allocations.find(static_cast<char*>(memory));
  if (found == allocations.end()) return hipErrorInvalidValue;
  if (counted(found->second.type)) device_bytes -= found->second.bytes;
  if (found->second.type == hipMemoryTypeDevice) gpunet_memory_freed(memory);
  allocations.erase(found);
  free(memory);
  return hipSuccess;
}

// Whether [address, address + bytes) leaves the allocation that it begins in. Foreign memory is not judged.
bool overruns(const void* address, size_t bytes) {
  Allocation found = find_allocation(address);
  if (found.bytes == 0) return false;
  size_t offset = size_t(static_cast<const char*>(address) - found.begin);
  return bytes > found.bytes - offset;
}

hipError_t copy(void* target, const void* source, size_t bytes) {
  if (bytes == 0) return hipSuccess;
  if (!target || !source || overruns(target, bytes) || overruns(source, bytes)) return hipErrorInvalidValue;
  memmove(target, source, bytes);
  gpunet_memory_copied(target, source, bytes);
  return hipSuccess;
}

hipError_t fill(void* target, int value, size_t bytes) {
  if (bytes == 0) return hipSuccess;
  if (!target || overruns(target, bytes)) return hipErrorInvalidValue;
  memset(target, value, bytes);
  gpunet_memory_written(target, bytes);
  return hipSuccess;
}

}  // namespace

Allocation find_allocation(const void* address) {
  std::lock_guard lock(allocations_mutex);
  auto after = allocations.upper_bound(static_cast<char*>(const_cast<void*>(address)));
  if (after == allocations.begin()) return {};
  const Allocation& before = std::prev(after)->second;
  return static_cast<const char*>(address) < before.begin + before.bytes ? before : Allocation{};
}

}  // namespace gpunet_emulator

using namespace gpunet_emulator;

GPUNET_EXPORT hipError_t hipMalloc(void** result, size_t bytes) {
  GPUNET_REQUIRE_DEVICE();
  return finished(allocate(result, bytes, hipMemoryTypeDevice));
}

GPUNET_EXPORT hipError_t hipMallocManaged(void** result, size_t bytes, unsigned) {
  GPUNET_REQUIRE_DEVICE();
  return finished(allocate(result, bytes, hipMemoryTypeManaged));
}

GPUNET_EXPORT hipError_t hipHostMalloc(void** result, size_t bytes, unsigned) {
  GPUNET_REQUIRE_DEVICE();
  return finished(allocate(result, bytes, hipMemoryTypeHost));
}

// Freeing works on a failed device too: it happens while the program unwinds.
GPUNET_EXPORT hipError_t hipFree(void* memory) { return finished(release(memory)); }

GPUNET_EXPORT hipError_t hipHostFree(void* memory) { return finished(release(memory)); }

GPUNET_EXPORT hipError_t hipMemGetInfo(size_t* free_bytes, size_t* total_bytes) {
  GPUNET_REQUIRE_DEVICE();
  std::lock_guard lock(allocations_mutex);
  *total_bytes = settings().memory;
  *free_bytes = settings().memory - device_bytes;
  return hipSuccess;
}

GPUNET_EXPORT hipError_t hipMemcpy(void* target, const void* source, size_t bytes, int) {
  GPUNET_REQUIRE_DEVICE();
  return finished(copy(target, source, bytes));
}

GPUNET_EXPORT hipError_t hipMemcpyAsync(void* target, const void* source, size_t bytes, int, hipStream_t) {
  GPUNET_REQUIRE_DEVICE();
  return finished(copy(target, source, bytes));
}

GPUNET_EXPORT hipError_t hipMemcpyPeer(void* target, int, const void* source, int, size_t bytes) {
  GPUNET_REQUIRE_DEVICE();
  return finished(copy(target, source, bytes));
}

GPUNET_EXPORT hipError_t hipMemcpyPeerAsync(void* target, int, const void* source, int, size_t bytes, hipStream_t) {
  GPUNET_REQUIRE_DEVICE();
  return finished(copy(target, source, bytes));
}

GPUNET_EXPORT hipError_t hipMemset(void* target, int value, size_t bytes) {
  GPUNET_REQUIRE_DEVICE();
  return finished(fill(target, value, bytes));
}

GPUNET_EXPORT hipError_t hipMemsetAsync(void* target, int value, size_t bytes, hipStream_t) {
  GPUNET_REQUIRE_DEVICE();
  return finished(fill(target, value, bytes));
}

// Hints, which there is nothing to do about where host and device memory are one.
GPUNET_EXPORT hipError_t hipMemAdvise(const void*, size_t, int, int) {
  GPUNET_REQUIRE_DEVICE();
  return hipSuccess;
}

GPUNET_EXPORT hipError_t hipMemPrefetchAsync(const void*, size_t, int, hipStream_t) {
  GPUNET_REQUIRE_DEVICE();
  return hipSuccess;
}

GPUNET_EXPORT hipError_t hipPointerGetAttributes(hipPointerAttribute_t* attributes, const void* address) {
  GPUNET_REQUIRE_DEVICE();
  Allocation found = find_allocation(address);
  void* plain = const_cast<void*>(address);
  *attributes = {found.type, 0, nullptr, nullptr, found.type == hipMemoryTypeManaged, 0};
  if (found.type != hipMemoryTypeUnregistered) attributes->devicePointer = plain;
  if (found.type != hipMemoryTypeDevice) attributes->hostPointer = plain;
  return hipSuccess;
}
