// Entry points of AddressSanitizer and ThreadSanitizer. Weak: they are null unless the check that needs them has
// preloaded the sanitizer's library, so one build of the device library serves every check.
#pragma once

#include <stddef.h>
#include <stdint.h>

extern "C" {
#define GPUNET_WEAK __attribute__((weak))
void __sanitizer_start_switch_fiber(void** fake_stack_save, const void* bottom, size_t size) GPUNET_WEAK;
void __sanitizer_finish_switch_fiber(void* fake_stack_save, const void** bottom, size_t* size) GPUNET_WEAK;
void __sanitizer_symbolize_pc(void* pc, const char* format, char* out, size_t size) GPUNET_WEAK;
void __asan_poison_memory_region(void const volatile* address, size_t size) GPUNET_WEAK;
void __asan_unpoison_memory_region(void const volatile* address, size_t size) GPUNET_WEAK;
void __asan_handle_no_return() GPUNET_WEAK;
void __asan_set_error_report_callback(void (*callback)(const char*)) GPUNET_WEAK;
void* __asan_get_report_pc() GPUNET_WEAK;
void* __asan_get_report_address() GPUNET_WEAK;
int __asan_get_report_access_type() GPUNET_WEAK;
size_t __asan_get_report_access_size() GPUNET_WEAK;
const char* __asan_get_report_description() GPUNET_WEAK;
void* __tsan_get_current_fiber() GPUNET_WEAK;
void* __tsan_create_fiber(unsigned flags) GPUNET_WEAK;
void __tsan_destroy_fiber(void* fiber) GPUNET_WEAK;
void __tsan_switch_to_fiber(void* fiber, unsigned flags) GPUNET_WEAK;
void __tsan_set_fiber_name(void* fiber, const char* name) GPUNET_WEAK;
void __tsan_acquire(void* address) GPUNET_WEAK;
void __tsan_release(void* address) GPUNET_WEAK;
void __tsan_java_alloc(uintptr_t address, uintptr_t size) GPUNET_WEAK;
#undef GPUNET_WEAK
}

namespace gpunet_emulator {
constexpr unsigned kSwitchWithoutOrder = 1;  // __tsan_switch_to_fiber: switching is no synchronisation
inline bool races_are_checked() { return __tsan_create_fiber != nullptr; }
inline bool bounds_are_checked() { return __asan_poison_memory_region != nullptr; }

// Orders what the CUDA threads of one barrier, fence or launch do. Each object is one address for ThreadSanitizer.
inline void publish(void* object) {
  if (__tsan_release) __tsan_release(object);
}
inline void see_published(void* object) {
  if (__tsan_acquire) __tsan_acquire(object);
}
// Forgets what earlier blocks did to memory that belongs to one block alone.
inline void forget_accesses(void* address, size_t bytes) {
  if (!__tsan_java_alloc || bytes == 0) return;
  const uintptr_t first = (uintptr_t)address & ~(uintptr_t)15;
  const uintptr_t end = ((uintptr_t)address + bytes + 15) & ~(uintptr_t)15;
  __tsan_java_alloc(first, end - first);
}
}  // namespace gpunet_emulator
