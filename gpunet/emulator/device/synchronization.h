// Barriers of a block and of a warp, memory fences, and what else lets other threads run.
//
// Where the call stands goes into the reports.
#pragma once

#include "context.h"
#include "source_place.h"

namespace gpunet_emulator {

enum class Barrier : int { plain, count, all, any };

// Waits for the block's threads that have not exited; returns what __syncthreads_count, _and and _or return.
int block_barrier(Barrier kind, int predicate, const SourcePlace& place);
void warp_barrier(unsigned mask, const SourcePlace& place);
void memory_fence();
void let_others_run();
unsigned long long clock_ticks();
[[noreturn]] void trap(const char* message, const SourcePlace& place);
[[noreturn]] inline void fail_here(const char* message, GPUNET_CALLER) { trap(message, GPUNET_CALLERS_PLACE); }

// Puts one byte into a section for every place that may wait: run() then knows, without reading the source, whether
// this shared object's kernels need fibers.
#define GPUNET_MAY_WAIT() __asm__ volatile(".pushsection gpunet_waits,\"a\"\n.byte 1\n.popsection" ::: "memory")

}  // namespace gpunet_emulator

__attribute__((always_inline)) inline void __syncthreads(GPUNET_CALLER) {
  GPUNET_MAY_WAIT();
  gpunet_emulator::block_barrier(gpunet_emulator::Barrier::plain, 0, GPUNET_CALLERS_PLACE);
}
__attribute__((always_inline)) inline int __syncthreads_count(int predicate, GPUNET_CALLER) {
  GPUNET_MAY_WAIT();
  return gpunet_emulator::block_barrier(gpunet_emulator::Barrier::count, predicate, GPUNET_CALLERS_PLACE);
}
__attribute__((always_inline)) inline int __syncthreads_and(int predicate, GPUNET_CALLER) {
  GPUNET_MAY_WAIT();
  return gpunet_emulator::block_barrier(gpunet_emulator::Barrier::all, predicate, GPUNET_CALLERS_PLACE);
}
__attribute__((always_inline)) inline int __syncthreads_or(int predicate, GPUNET_CALLER) {
  GPUNET_MAY_WAIT();
  return gpunet_emulator::block_barrier(gpunet_emulator::Barrier::any, predicate, GPUNET_CALLERS_PLACE);
}
__attribute__((always_inline)) inline void __syncwarp(unsigned mask = 0xffffffffu, GPUNET_CALLER) {
  GPUNET_MAY_WAIT();
  gpunet_emulator::warp_barrier(mask, GPUNET_CALLERS_PLACE);
}

inline void __threadfence_block() { gpunet_emulator::memory_fence(); }
inline void __threadfence() { gpunet_emulator::memory_fence(); }
inline void __threadfence_system() { gpunet_emulator::memory_fence(); }
__attribute__((always_inline)) inline void __nanosleep(unsigned) {
  GPUNET_MAY_WAIT();
  gpunet_emulator::let_others_run();
}

// Ticks of the host's clock: good for differences, meaningless as a GPU's cycles.
inline long long clock64() { return (long long)gpunet_emulator::clock_ticks(); }
inline unsigned long long __globaltimer() { return gpunet_emulator::clock_ticks(); }
[[noreturn]] inline void __trap(GPUNET_CALLER) { gpunet_emulator::trap("__trap()", GPUNET_CALLERS_PLACE); }
inline void __brkpt() {}
