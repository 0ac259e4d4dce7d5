// Runs the CUDA threads of one block, and lets them wait for each other.
#pragma once

#include <stdint.h>

#include <deque>
#include <vector>

#include "fibers.h"
#include "launch.h"
#include "run.h"
#include "synchronization.h"
#include "warp.h"

namespace gpunet_emulator {

constexpr int kWarp = 32;
constexpr int kMostThreads = 1024;

enum class State : unsigned char { ready, at_barrier, at_warp_operation, exited };

struct __attribute__((visibility("hidden"))) Thread {
  Fiber fiber;
  uint3 place;
  int number = 0;
  State state = State::ready;
  bool fenced = false;
  const SourcePlace* waits_at = nullptr;
  Barrier barrier = Barrier::plain;
  int result_of_barrier = 0;
  unsigned barriers_passed = 0;
  WarpRequest request = {};
  uint64_t result = 0;
};

// Lanes, as bits.
struct WarpState {
  unsigned exist = 0, exited = 0, waiting = 0;
  unsigned ready() const { return exist & ~exited & ~waiting; }
};

// One for each OS thread that runs blocks.
class __attribute__((visibility("hidden"))) Scheduler {
 public:
  static Scheduler& of_this_os_thread() {
    if (own_ == nullptr) own_ = new Scheduler;  // never freed: it lives as long as its OS thread, all the run
    return *own_;
  }

  // Runs one block whose place stands in `context`; false when it went wrong (see failure()).
  bool run_block(const Launch& launch, const KernelCode& code, const unsigned short* order);
  void begin_launch(const Launch& launch, const KernelCode& code);
  void end_launch() { forget_threads(0); }

  // Whether an access to this address has used up the stack of the thread that runs.
  bool stack_ends_at(const void* address) const { return running_ != nullptr && running_->fiber.guards(address); }

  int wait_for_block(Barrier kind, int predicate, const SourcePlace& place);
  uint64_t wait_for_warp(const WarpRequest& request, const SourcePlace& place);
  void yield();
  [[noreturn]] void fail(const char* message, const SourcePlace& place);
  void fence();

 private:
  friend void thread_entry();
  bool run_with_fibers(const unsigned short* order);
  bool run_without_fibers(const unsigned short* order);
  void exit_thread(Thread& thread);
  void suspend(Thread& thread, State state, const SourcePlace* place);
  static bool meets(const Thread& a, const Thread& b);
  bool complete_barrier();
  void complete_warp_operations(int warp);
  bool complete_group(int warp, unsigned mask, Warp kind);
  bool complete_converged();
  void resolve(int warp, unsigned lanes, Warp kind);
  void* barrier_object(const Thread& thread) const;
  void* lane_object(const Thread& thread) const;
  void* group_object(int warp) const;
  void report_deadlock();
  void forget_threads(size_t remembered);
  void report(const char* format, ...) __attribute__((format(printf, 2, 3)));

  static __thread Scheduler* own_ __attribute__((tls_model("initial-exec")));

  const Launch* launch_ = nullptr;
  const KernelCode* code_ = nullptr;
  std::vector<Thread*> threads_;  // of a block, reused; a pointer, as fibers must not move
  std::vector<unsigned short> pass_;
  std::deque<void*> past_;        // threads of earlier blocks that ThreadSanitizer still knows
  WarpState warps_[kMostThreads / kWarp];
  int count_ = 0, live_ = 0, arrived_ = 0, agreeing_ = 0, meeting_ = 0;
  Thread* running_ = nullptr;
  Thread* first_arrived_ = nullptr;
  void* caller_ = nullptr;  // the stack from which fibers are entered
  void* escape_[5];         // where a kernel without fibers is left when it fails
  bool failed_ = false;
  uint64_t random_ = 0;
  char* order_objects_ = nullptr;  // addresses that stand for the order that barriers give to accesses
};

// What went wrong in the launch so far, or null.
const char* failure();
void set_failure(const char* message);
void clear_failure();

}  // namespace gpunet_emulator
