// Receives the calls that g++'s -fsanitize=thread puts before every load and store, in ThreadSanitizer's place.
//
// Only in the device library of the checks "memory" and "trace", which do not preload ThreadSanitizer. The names and
// meanings are those of the compiler's interface (gcc/sanitizer.def).

#ifdef GPUNET_EMULATOR_OBSERVED

#include <string.h>

#include "observation.h"
#include "run_blocks.h"

using namespace gpunet_emulator;

namespace {

// The instruction's own address lies before the one that the call returns to.
#define GPUNET_CODE ((char*)__builtin_return_address(0) - 1)

__attribute__((always_inline)) inline void observe(const volatile void* address, size_t bytes, Access_kind kind,
                                                   void* code) {
  if (running_launch() == nullptr) return;
  if (observation() == Observation::memory) shadow_access((const void*)address, bytes, kind, code);
  if (observation() == Observation::trace) trace_access((const void*)address, bytes, kind, code);
}

}  // namespace

#define GPUNET_CALLBACK extern "C" __attribute__((visibility("default"), noinline))

#define GPUNET_PLAIN(name, bytes, kind) \
  GPUNET_CALLBACK void name(void* address) { observe(address, bytes, Access_kind::kind, GPUNET_CODE); }
#define GPUNET_PLAIN_OF(bytes)                                  \
  GPUNET_PLAIN(__tsan_read##bytes, bytes, load)                 \
  GPUNET_PLAIN(__tsan_write##bytes, bytes, store)               \
  GPUNET_PLAIN(__tsan_unaligned_read##bytes, bytes, load)       \
  GPUNET_PLAIN(__tsan_unaligned_write##bytes, bytes, store)     \
  GPUNET_PLAIN(__tsan_volatile_read##bytes, bytes, load)        \
  GPUNET_PLAIN(__tsan_volatile_write##bytes, bytes, store)
GPUNET_PLAIN_OF(1)
GPUNET_PLAIN_OF(2)
GPUNET_PLAIN_OF(4)
GPUNET_PLAIN_OF(8)
GPUNET_PLAIN_OF(16)

GPUNET_CALLBACK void __tsan_read_range(void* address, size_t bytes) {
  observe(address, bytes, Access_kind::load, GPUNET_CODE);
}
GPUNET_CALLBACK void __tsan_write_range(void* address, size_t bytes) {
  observe(address, bytes, Access_kind::store, GPUNET_CODE);
}
GPUNET_CALLBACK void __tsan_init() {}
GPUNET_CALLBACK void __tsan_func_entry(void*) {}
GPUNET_CALLBACK void __tsan_func_exit() {}
GPUNET_CALLBACK void __tsan_vptr_update(void*, void*) {}
GPUNET_CALLBACK void __tsan_vptr_read(void*) {}
GPUNET_CALLBACK void __tsan_atomic_thread_fence(int) {}
GPUNET_CALLBACK void __tsan_atomic_signal_fence(int) {}

// The exchange that ends an atomic operation counts as the atomic access; the load before it belongs to it. Where an
// exchange fails nobody else can have been at work (one OS thread), so there are no repetitions to count.
#define GPUNET_ATOMIC_OF(bits, T)                                                                                     \
  GPUNET_CALLBACK T __tsan_atomic##bits##_load(const volatile T* address, int) { return *address; }                  \
  GPUNET_CALLBACK void __tsan_atomic##bits##_store(volatile T* address, T value, int) {                              \
    observe(address, sizeof(T), Access_kind::store, GPUNET_CODE);                                                     \
    *address = value;                                                                                                 \
  }                                                                                                                   \
  GPUNET_CALLBACK int __tsan_atomic##bits##_compare_exchange_strong(volatile T* address, T* expected, T desired, int, \
                                                                    int) {                                            \
    observe(address, sizeof(T), Access_kind::atomic, GPUNET_CODE);                                                    \
    if (*address == *expected) {                                                                                      \
      *address = desired;                                                                                             \
      return 1;                                                                                                       \
    }                                                                                                                 \
    *expected = *address;                                                                                             \
    return 0;                                                                                                         \
  }                                                                                                                   \
  GPUNET_CALLBACK int __tsan_atomic##bits##_compare_exchange_weak(volatile T* address, T* expected, T desired, int,   \
                                                                  int) {                                              \
    observe(address, sizeof(T), Access_kind::atomic, GPUNET_CODE);                                                    \
    if (*address == *expected) {                                                                                      \
      *address = desired;                                                                                             \
      return 1;                                                                                                       \
    }                                                                                                                 \
    *expected = *address;                                                                                             \
    return 0;                                                                                                         \
  }                                                                                                                   \
  GPUNET_FETCH(bits, T, exchange, value)                                                                              \
  GPUNET_FETCH(bits, T, fetch_add, (T)(old + value))                                                                  \
  GPUNET_FETCH(bits, T, fetch_sub, (T)(old - value))                                                                  \
  GPUNET_FETCH(bits, T, fetch_and, (T)(old & value))                                                                  \
  GPUNET_FETCH(bits, T, fetch_or, (T)(old | value))                                                                   \
  GPUNET_FETCH(bits, T, fetch_xor, (T)(old ^ value))
#define GPUNET_FETCH(bits, T, name, changed)                                              \
  GPUNET_CALLBACK T __tsan_atomic##bits##_##name(volatile T* address, T value, int) {     \
    observe(address, sizeof(T), Access_kind::atomic, GPUNET_CODE);                        \
    const T old = *address;                                                               \
    *address = changed;                                                                   \
    return old;                                                                           \
  }
GPUNET_ATOMIC_OF(8, unsigned char)
GPUNET_ATOMIC_OF(16, unsigned short)
GPUNET_ATOMIC_OF(32, unsigned int)
GPUNET_ATOMIC_OF(64, unsigned long)

// A kernel's calls of the C library's functions, by the linker's --wrap: the compiler instruments no call.
GPUNET_CALLBACK void* __wrap_memset(void* address, int value, size_t bytes) {
  if (bytes != 0) observe(address, bytes, Access_kind::store, GPUNET_CODE);
  return memset(address, value, bytes);
}
GPUNET_CALLBACK void* __wrap_memcpy(void* to, const void* from, size_t bytes) {
  if (bytes != 0) {
    observe(from, bytes, Access_kind::load, GPUNET_CODE);
    observe(to, bytes, Access_kind::store, GPUNET_CODE);
  }
  return memcpy(to, from, bytes);
}
GPUNET_CALLBACK void* __wrap_memmove(void* to, const void* from, size_t bytes) {
  if (bytes != 0) {
    observe(from, bytes, Access_kind::load, GPUNET_CODE);
    observe(to, bytes, Access_kind::store, GPUNET_CODE);
  }
  return memmove(to, from, bytes);
}

#endif  // GPUNET_EMULATOR_OBSERVED
