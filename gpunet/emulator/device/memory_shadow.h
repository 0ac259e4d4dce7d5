// Which bytes of device memory have ever been written.
//
// The runtime tells, always: without the check for memory these functions return at once.
//   - memory_allocated  after it has allocated device memory, before anyone uses it. Not for host or managed memory,
//                       which the host writes unseen.
//   - memory_freed      before it frees it.
//   - memory_written    after it, or a library such as BLAS, has written it: memset, the outputs of a multiplication.
//   - memory_read       before it, or a library, computes with it: the inputs of a multiplication.
//   - memory_copied     after any copy, in any direction: it looks itself which end is device memory. Host to device
//                       writes; device to device copies what is known; device to host is where an element that no
//                       kernel has written becomes a result, so a byte never written is a finding there.
// Addresses inside an allocation are welcome, and so are addresses of no allocation.
#pragma once

#include <stddef.h>

extern "C" {
#define GPUNET_SEEN __attribute__((visibility("default")))
GPUNET_SEEN void gpunet_memory_allocated(const void* address, size_t bytes);
GPUNET_SEEN void gpunet_memory_freed(const void* address);
GPUNET_SEEN void gpunet_memory_written(const void* address, size_t bytes);
GPUNET_SEEN void gpunet_memory_read(const void* address, size_t bytes, const char* reader);
GPUNET_SEEN void gpunet_memory_copied(const void* destination, const void* source, size_t bytes);
#undef GPUNET_SEEN
}
