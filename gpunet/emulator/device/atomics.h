// Atomic operations: real ones, since blocks may run on several OS threads.
//
// CUDA's atomics are relaxed. Under the check for races they also carry what a memory fence before them published
// ("write, __threadfence(), atomicAdd" as in a last-block reduction), which is no race.
#pragma once

#include "context.h"

namespace gpunet_emulator {

template <int Bytes> struct Bits;
template <> struct Bits<2> { typedef unsigned short type; };
template <> struct Bits<4> { typedef unsigned int type; };
template <> struct Bits<8> { typedef unsigned long long type; };

template <class T, class Result> __attribute__((always_inline)) inline T copied_as(const Result& from) {
  static_assert(sizeof(T) == sizeof(Result), "same size");
  T to;
  __builtin_memcpy((void*)&to, (const void*)&from, sizeof(T));
  return to;
}

template <class B> __attribute__((always_inline)) inline bool replace(B* address, B& expected, B desired) {
#ifdef GPUNET_EMULATOR_RACES
  if (current().fenced)
    return __atomic_compare_exchange_n(address, &expected, desired, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
  return __atomic_compare_exchange_n(address, &expected, desired, false, __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE);
#else
  return __atomic_compare_exchange_n(address, &expected, desired, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
#endif
}

// Replaces *address by change(*address); returns the old value.
template <class T, class Change> __attribute__((always_inline)) inline T atomic_change(T* address, Change change) {
  typedef typename Bits<sizeof(T)>::type B;
  B* bits = (B*)address;
  B old = __atomic_load_n(bits, __ATOMIC_RELAXED);
  while (!replace(bits, old, copied_as<B>(change(copied_as<T>(old))))) {
  }
  return copied_as<T>(old);
}

}  // namespace gpunet_emulator

#define GPUNET_ATOMIC(name, T, expression)                                                                            \
  inline T name(T* address, T value) {                                                                                \
    return gpunet_emulator::atomic_change(address, [value](T old) -> T { return expression; });                       \
  }                                                                                                                   \
  inline T name##_block(T* address, T value) { return name(address, value); }                                         \
  inline T name##_system(T* address, T value) { return name(address, value); }

#define GPUNET_ATOMIC_OF_INTEGERS(name, expression)                                                                   \
  GPUNET_ATOMIC(name, int, expression)                                                                                \
  GPUNET_ATOMIC(name, unsigned int, expression)                                                                       \
  GPUNET_ATOMIC(name, long long, expression)                                                                          \
  GPUNET_ATOMIC(name, unsigned long long, expression)

GPUNET_ATOMIC(atomicAdd, int, (int)((unsigned)old + (unsigned)value))
GPUNET_ATOMIC(atomicAdd, unsigned int, old + value)
GPUNET_ATOMIC(atomicAdd, unsigned long long, old + value)
GPUNET_ATOMIC(atomicAdd, float, old + value)
GPUNET_ATOMIC(atomicAdd, double, old + value)
GPUNET_ATOMIC(atomicSub, int, (int)((unsigned)old - (unsigned)value))
GPUNET_ATOMIC(atomicSub, unsigned int, old - value)
GPUNET_ATOMIC_OF_INTEGERS(atomicMin, value < old ? value : old)
GPUNET_ATOMIC_OF_INTEGERS(atomicMax, value > old ? value : old)
GPUNET_ATOMIC_OF_INTEGERS(atomicAnd, old & value)
GPUNET_ATOMIC_OF_INTEGERS(atomicOr, old | value)
GPUNET_ATOMIC_OF_INTEGERS(atomicXor, old ^ value)
GPUNET_ATOMIC(atomicInc, unsigned int, old >= value ? 0u : old + 1u)
GPUNET_ATOMIC(atomicDec, unsigned int, old == 0u || old > value ? value : old - 1u)
GPUNET_ATOMIC(atomicExch, int, ((void)old, value))
GPUNET_ATOMIC(atomicExch, unsigned int, ((void)old, value))
GPUNET_ATOMIC(atomicExch, unsigned long long, ((void)old, value))
GPUNET_ATOMIC(atomicExch, float, ((void)old, value))
#undef GPUNET_ATOMIC_OF_INTEGERS
#undef GPUNET_ATOMIC

#define GPUNET_ATOMIC_COMPARE(T)                                                                                      \
  inline T atomicCAS(T* address, T expected, T desired) {                                                             \
    gpunet_emulator::replace(address, expected, desired);                                                             \
    return expected;                                                                                                  \
  }                                                                                                                   \
  inline T atomicCAS_block(T* address, T expected, T desired) { return atomicCAS(address, expected, desired); }       \
  inline T atomicCAS_system(T* address, T expected, T desired) { return atomicCAS(address, expected, desired); }
GPUNET_ATOMIC_COMPARE(int)
GPUNET_ATOMIC_COMPARE(unsigned int)
GPUNET_ATOMIC_COMPARE(long long)
GPUNET_ATOMIC_COMPARE(unsigned long long)
GPUNET_ATOMIC_COMPARE(unsigned short)
#undef GPUNET_ATOMIC_COMPARE
