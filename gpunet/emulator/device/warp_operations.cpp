// Warp operations: which lanes meet, and what each lane gets.

#include <stdio.h>

#include "sanitizers.h"
#include "scheduler.h"

namespace gpunet_emulator {

namespace {

constexpr uint64_t kUndefined = ~(uint64_t)0;

int source_lane(const WarpRequest& request, int lane) {
  const int first = lane & ~(request.width - 1), last = first + request.width - 1;
  int source = lane;
  switch (request.kind) {
    case Warp::shuffle: return first + (request.operand & (request.width - 1));
    case Warp::shuffle_up: source = lane - request.operand; return source < first ? lane : source;
    case Warp::shuffle_down: source = lane + request.operand; return source > last ? lane : source;
    default: source = lane ^ request.operand; return source > last ? lane : source;
  }
}

bool is_shuffle(Warp kind) { return kind >= Warp::shuffle && kind <= Warp::shuffle_xor; }

uint64_t reduced(Warp kind, uint64_t a, uint64_t b) {
  const unsigned x = (unsigned)a, y = (unsigned)b;
  switch (kind) {
    case Warp::add: return x + y;
    case Warp::minimum: return x < y ? x : y;
    case Warp::maximum: return x > y ? x : y;
    case Warp::minimum_signed: return (unsigned)((int)x < (int)y ? (int)x : (int)y);
    case Warp::maximum_signed: return (unsigned)((int)x > (int)y ? (int)x : (int)y);
    case Warp::bit_and: return x & y;
    case Warp::bit_or: return x | y;
    default: return x ^ y;
  }
}

}  // namespace

uint64_t Scheduler::wait_for_warp(const WarpRequest& request, const SourcePlace& place) {
  if (running_ == nullptr) fail("met a warp operation although it was launched without fibers", place);
  Thread& thread = *running_;
  const int warp = thread.number / kWarp, lane = thread.number % kWarp;
  if (request.mask != 0 && (request.mask >> lane & 1) == 0) {
    char message[160];
    snprintf(message, sizeof(message), "lane %d is not in the mask 0x%08x of its own warp operation", lane,
             request.mask);
    fail(message, place);
  }
  if (is_shuffle(request.kind) &&
      (request.width < 1 || request.width > kWarp || (request.width & (request.width - 1)) != 0)) {
    char message[160];
    snprintf(message, sizeof(message), "a shuffle's width is a power of two up to 32, not %d", request.width);
    fail(message, place);
  }
  thread.request = request;
  thread.waits_at = &place;
  thread.state = State::at_warp_operation;
  warps_[warp].waiting |= 1u << lane;
  // __syncwarp orders memory among its lanes; the other operations promise nothing of the kind.
  const bool orders = request.kind == Warp::barrier;
  if (orders) publish(lane_object(thread));
  if (request.mask != 0) complete_group(warp, request.mask, request.kind);
  if (thread.state != State::ready || launch_->schedule != 0) suspend(thread, thread.state, &place);
  if (orders) see_published(group_object(warp));
  return thread.result;
}

// Lets the lanes of the mask go on if all that have not exited wait in the same operation.
bool Scheduler::complete_group(int warp, unsigned mask, Warp kind) {
  WarpState& state = warps_[warp];
  const unsigned lanes = mask & state.exist & ~state.exited;
  if (lanes & ~state.waiting) return false;
  for (unsigned rest = lanes; rest != 0; rest &= rest - 1) {
    const WarpRequest& request = threads_[warp * kWarp + __builtin_ctz(rest)]->request;
    if (request.mask != mask || request.kind != kind) return false;
  }
  resolve(warp, lanes, kind);
  return true;
}

void Scheduler::complete_warp_operations(int warp) {
  for (unsigned rest = warps_[warp].waiting; rest != 0; rest &= rest - 1) {
    const Thread& thread = *threads_[warp * kWarp + __builtin_ctz(rest)];
    if (thread.state == State::at_warp_operation && thread.request.mask != 0)
      complete_group(warp, thread.request.mask, thread.request.kind);
  }
}

// Operations without a mask, and __activemask: the lanes that stand at the same place when their warp can do no more.
bool Scheduler::complete_converged() {
  bool any = false;
  for (int warp = 0; warp * kWarp < count_; warp++) {
    for (unsigned rest = warps_[warp].waiting; rest != 0; rest &= rest - 1) {
      const int lane = __builtin_ctz(rest);
      const Thread& first = *threads_[warp * kWarp + lane];
      if (first.state != State::at_warp_operation || first.request.mask != 0) continue;
      unsigned together = 0;
      for (unsigned others = warps_[warp].waiting; others != 0; others &= others - 1) {
        const int other = __builtin_ctz(others);
        const Thread& thread = *threads_[warp * kWarp + other];
        if (thread.request.mask == 0 && thread.request.kind == first.request.kind &&
            *thread.waits_at == *first.waits_at)
          together |= 1u << other;
      }
      resolve(warp, together, first.request.kind);
      any = true;
    }
  }
  return any;
}

// Gives each of these lanes its result and lets it go on.
void Scheduler::resolve(int warp, unsigned lanes, Warp kind) {
  Thread* const* lane_threads = &threads_[warp * kWarp];
  uint64_t shared = 0;
  unsigned yes = 0, same_as_first = 0;
  bool first = true;
  uint64_t first_value = 0;
  for (unsigned rest = lanes; rest != 0; rest &= rest - 1) {
    const int lane = __builtin_ctz(rest);
    const uint64_t value = lane_threads[lane]->request.value;
    if (value != 0) yes |= 1u << lane;
    shared = first ? value : reduced(kind, shared, value);
    if (first) first_value = value;
    if (value == first_value) same_as_first |= 1u << lane;
    first = false;
    if (kind == Warp::barrier) see_published(lane_object(*lane_threads[lane]));
  }
  if (kind == Warp::barrier) publish(group_object(warp));
  uint64_t results[kWarp];
  for (unsigned rest = lanes; rest != 0; rest &= rest - 1) {
    const int lane = __builtin_ctz(rest);
    const WarpRequest& request = lane_threads[lane]->request;
    uint64_t result = shared;
    if (is_shuffle(kind)) {
      const int source = source_lane(request, lane);
      const bool takes_part = source >= 0 && source < kWarp && (lanes >> source & 1) != 0;
      result = takes_part ? lane_threads[source]->request.value : kUndefined;
    } else if (kind == Warp::ballot) {
      result = yes;
    } else if (kind == Warp::any) {
      result = yes != 0;
    } else if (kind == Warp::all) {
      result = yes == lanes;
    } else if (kind == Warp::active) {
      result = lanes;
    } else if (kind == Warp::match_all) {
      result = same_as_first == lanes ? lanes : 0;
    } else if (kind == Warp::match_any) {
      result = 0;
      for (unsigned others = lanes; others != 0; others &= others - 1) {
        const int other = __builtin_ctz(others);
        if (lane_threads[other]->request.value == request.value) result |= 1u << other;
      }
    }
    results[lane] = result;
  }
  for (unsigned rest = lanes; rest != 0; rest &= rest - 1) {
    const int lane = __builtin_ctz(rest);
    lane_threads[lane]->result = results[lane];
    lane_threads[lane]->state = State::ready;
  }
  warps_[warp].waiting &= ~lanes;
}

// What kernels call.
uint64_t warp_operation(const WarpRequest& request, const SourcePlace& place) {
  return Scheduler::of_this_os_thread().wait_for_warp(request, place);
}
void warp_barrier(unsigned mask, const SourcePlace& place) {
  Scheduler::of_this_os_thread().wait_for_warp({Warp::barrier, mask, 0, 0, kWarp}, place);
}
int block_barrier(Barrier kind, int predicate, const SourcePlace& place) {
  return Scheduler::of_this_os_thread().wait_for_block(kind, predicate, place);
}
void memory_fence() { Scheduler::of_this_os_thread().fence(); }
void let_others_run() { Scheduler::of_this_os_thread().yield(); }

}  // namespace gpunet_emulator
