// Runs a kernel's CUDA threads, one block at a time, with the arguments of a launch.
#pragma once

#include "context.h"
#include "launch.h"

extern "C" {
// First and last byte of the section that GPUNET_MAY_WAIT fills in this shared object; null when it has none.
extern const char __start_gpunet_waits[] __attribute__((weak, visibility("hidden")));
extern const char __stop_gpunet_waits[] __attribute__((weak, visibility("hidden")));
}

namespace gpunet_emulator {

// How the scheduler enters a compiled kernel.
struct KernelCode {
  void (*one_thread)(void** arguments);   // the thread that the context says
  void (*all_threads)(void** arguments);  // of a block, one after the other as they are numbered
  const void* address;                    // of something in the kernel's shared object
  bool may_wait;                          // this shared object holds barriers or warp operations
};

// Null, or what went wrong, in static storage.
const char* run_blocks(const Launch& launch, const KernelCode& code);

template <class T> struct Plain { typedef T type; };
template <class T> struct Plain<const T> { typedef T type; };
template <class T> struct Plain<T&> { typedef T type; };
template <class T> struct Plain<const T&> { typedef T type; };

template <int... Numbers> struct Sequence {};
template <int Count, int... Numbers> struct Count_up : Count_up<Count - 1, Count - 1, Numbers...> {};
template <int... Numbers> struct Count_up<0, Numbers...> { typedef Sequence<Numbers...> type; };

template <auto Kernel, class Signature> struct Threads;

template <auto Kernel, class... Arguments> struct Threads<Kernel, void (*)(Arguments...)> {
  template <int... Numbers> static void call_one(void** arguments, Sequence<Numbers...>) {
    Kernel(*(typename Plain<Arguments>::type*)arguments[Numbers]...);
  }
  static void one(void** arguments) { call_one(arguments, typename Count_up<sizeof...(Arguments)>::type()); }

  // The arguments stand in this function's own variables, so that they may stay in registers from thread to thread.
  static void loop(typename Plain<Arguments>::type... arguments) {
    const uint3 size = context.block_size;
    for (unsigned z = 0; z < size.z; z++)
      for (unsigned y = 0; y < size.y; y++)
        for (unsigned x = 0; x < size.x; x++) {
          context.thread = {x, y, z};
          Kernel(arguments...);
        }
  }
  template <int... Numbers> static void call_all(void** arguments, Sequence<Numbers...>) {
    loop(*(typename Plain<Arguments>::type*)arguments[Numbers]...);
  }
  static void all(void** arguments) { call_all(arguments, typename Count_up<sizeof...(Arguments)>::type()); }
};

// The kernel is a template argument, so that the compiler can inline it into the loop over threads.
template <auto Kernel> const char* run(const Launch& launch) {
  typedef Threads<Kernel, decltype(Kernel)> Code;
  KernelCode code = {Code::one, Code::all, (const void*)&Code::one, &__start_gpunet_waits != &__stop_gpunet_waits};
  return run_blocks(launch, code);
}

}  // namespace gpunet_emulator
