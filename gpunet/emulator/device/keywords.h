// CUDA's keywords for g++.
#pragma once

// Hidden, so that the compiler may inline it into the loop over threads although the object is a shared one.
#define __global__ __attribute__((visibility("hidden")))
#define __device__
#define __host__
#define __constant__
#define __managed__
#define __grid_constant__
#define __noinline__ __attribute__((noinline))
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __maxnreg__(...)
#define __cluster_dims__(...) \
  static_assert(false, "gpunet emulate: thread block clusters (__cluster_dims__) are not emulated");
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __builtin_align__(bytes) __attribute__((aligned(bytes)))
#define __restrict__ __restrict

#define GPUNET_TEXT_OF(value) #value
#define GPUNET_SHARED_SECTION(number) "gpunet_shared_" GPUNET_TEXT_OF(number)

// Static shared memory. Blocks may run on several OS threads at once, each with its own. Under a check there is one OS
// thread, and a check must find the arrays: each stands in a section of its own (one section for all would mix the
// statics of templates with others, which g++ refuses).
#ifdef GPUNET_EMULATOR_CHECKED
#define __shared__ static __attribute__((section(GPUNET_SHARED_SECTION(__COUNTER__))))
#else
#define __shared__ static thread_local
#endif
