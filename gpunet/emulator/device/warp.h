// Shuffles, votes, matches and reductions among the 32 lanes of a warp.
//
// A lane that does not exist or has exited is not waited for. Reading the value of such a lane, or of one outside the
// mask, is undefined in CUDA; here it gives bytes of 0xff (NaN, -1), so that whoever uses it sees it.
#pragma once

#include "synchronization.h"

namespace gpunet_emulator {

enum class Warp : int {
  barrier,
  shuffle, shuffle_up, shuffle_down, shuffle_xor,
  ballot, any, all,
  match_any, match_all,
  add, minimum, maximum, minimum_signed, maximum_signed, bit_and, bit_or, bit_xor,
  active,
};

struct WarpRequest {
  Warp kind;
  unsigned mask;   // lanes that take part
  uint64_t value;  // what this lane gives
  int operand;     // a shuffle's lane, delta or lane mask
  int width;       // a shuffle's group of lanes: a power of two up to 32
};

// Waits for the lanes of the mask; returns this lane's result. A mask of 0 means the lanes that run together here, as
// in the operations without _sync.
uint64_t warp_operation(const WarpRequest& request, const SourcePlace& place);

template <class T>
__attribute__((always_inline)) inline T shuffle(Warp kind, unsigned mask, T value, int operand, int width,
                                                const SourcePlace& place) {
  static_assert(sizeof(T) <= 8, "gpunet emulate: a shuffle moves at most 8 bytes");
  GPUNET_MAY_WAIT();
  uint64_t bits = 0;
  __builtin_memcpy(&bits, &value, sizeof(T));
  bits = warp_operation({kind, mask, bits, operand, width}, place);
  __builtin_memcpy((void*)&value, &bits, sizeof(T));
  return value;
}

__attribute__((always_inline)) inline uint64_t together(Warp kind, unsigned mask, uint64_t value,
                                                        const SourcePlace& place) {
  GPUNET_MAY_WAIT();
  return warp_operation({kind, mask, value, 0, 32}, place);
}

template <class T> inline uint64_t bits_of(T value) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8, "gpunet emulate: __match takes values of 4 or 8 bytes");
  uint64_t bits = 0;
  __builtin_memcpy(&bits, &value, sizeof(T));
  return bits;
}

}  // namespace gpunet_emulator

#define GPUNET_SHUFFLE(name, kind, Operand)                                                                           \
  template <class T>                                                                                                  \
  __attribute__((always_inline)) inline T __##name##_sync(unsigned mask, T value, Operand operand, int width = 32,    \
                                                          GPUNET_CALLER) {                                            \
    return gpunet_emulator::shuffle(gpunet_emulator::Warp::kind, mask, value, (int)operand, width,                    \
                                    GPUNET_CALLERS_PLACE);                                                            \
  }                                                                                                                   \
  template <class T>                                                                                                  \
  __attribute__((always_inline)) inline T __##name(T value, Operand operand, int width = 32, GPUNET_CALLER) {         \
    return gpunet_emulator::shuffle(gpunet_emulator::Warp::kind, 0, value, (int)operand, width,                       \
                                    GPUNET_CALLERS_PLACE);                                                            \
  }
GPUNET_SHUFFLE(shfl, shuffle, int)
GPUNET_SHUFFLE(shfl_up, shuffle_up, unsigned)
GPUNET_SHUFFLE(shfl_down, shuffle_down, unsigned)
GPUNET_SHUFFLE(shfl_xor, shuffle_xor, int)
#undef GPUNET_SHUFFLE

#define GPUNET_VOTE(Result, name, kind)                                                                               \
  __attribute__((always_inline)) inline Result __##name##_sync(unsigned mask, int predicate, GPUNET_CALLER) {         \
    return (Result)gpunet_emulator::together(gpunet_emulator::Warp::kind, mask, predicate != 0,                       \
                                             GPUNET_CALLERS_PLACE);                                                   \
  }                                                                                                                   \
  __attribute__((always_inline)) inline Result __##name(int predicate, GPUNET_CALLER) {                               \
    return (Result)gpunet_emulator::together(gpunet_emulator::Warp::kind, 0, predicate != 0,                          \
                                             GPUNET_CALLERS_PLACE);                                                   \
  }
GPUNET_VOTE(unsigned, ballot, ballot)
GPUNET_VOTE(int, any, any)
GPUNET_VOTE(int, all, all)
#undef GPUNET_VOTE

// The lanes that meet here when none of the warp's lanes can go on otherwise: as much convergence as there can be.
__attribute__((always_inline)) inline unsigned __activemask(GPUNET_CALLER) {
  return (unsigned)gpunet_emulator::together(gpunet_emulator::Warp::active, 0, 0, GPUNET_CALLERS_PLACE);
}

template <class T>
__attribute__((always_inline)) inline unsigned __match_any_sync(unsigned mask, T value, GPUNET_CALLER) {
  return (unsigned)gpunet_emulator::together(gpunet_emulator::Warp::match_any, mask, gpunet_emulator::bits_of(value),
                                             GPUNET_CALLERS_PLACE);
}
template <class T>
__attribute__((always_inline)) inline unsigned __match_all_sync(unsigned mask, T value, int* same, GPUNET_CALLER) {
  unsigned lanes = (unsigned)gpunet_emulator::together(gpunet_emulator::Warp::match_all, mask,
                                                       gpunet_emulator::bits_of(value), GPUNET_CALLERS_PLACE);
  *same = lanes != 0;
  return lanes;
}

#define GPUNET_REDUCE(T, name, kind)                                                                                  \
  __attribute__((always_inline)) inline T __reduce_##name##_sync(unsigned mask, T value, GPUNET_CALLER) {             \
    return (T)gpunet_emulator::together(gpunet_emulator::Warp::kind, mask, (unsigned)value,                           \
                                        GPUNET_CALLERS_PLACE);                                                        \
  }
GPUNET_REDUCE(unsigned, add, add)
GPUNET_REDUCE(int, add, add)
GPUNET_REDUCE(unsigned, min, minimum)
GPUNET_REDUCE(int, min, minimum_signed)
GPUNET_REDUCE(unsigned, max, maximum)
GPUNET_REDUCE(int, max, maximum_signed)
GPUNET_REDUCE(unsigned, and, bit_and)
GPUNET_REDUCE(unsigned, or, bit_or)
GPUNET_REDUCE(unsigned, xor, bit_xor)
#undef GPUNET_REDUCE

// The lane's place in its warp, as CUDA's special registers %laneid and %lanemask_lt give it.
namespace gpunet_emulator {
inline unsigned linear_thread() {
  const Context& place = current();
  return place.thread.x + place.block_size.x * (place.thread.y + place.block_size.y * place.thread.z);
}
inline unsigned lane() { return linear_thread() % 32; }
}  // namespace gpunet_emulator
