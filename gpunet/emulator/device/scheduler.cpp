#include "scheduler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <algorithm>

#include "observation.h"
#include "sanitizers.h"
#include "shared_memory.h"

namespace gpunet_emulator {

__thread Context context;

// One object for each parity of barrier (a late waker must not see what is published at the next barrier), one for each
// thread of the block, one for each warp.
constexpr size_t kOrderBytes = 8 * (2 + kMostThreads + kMostThreads / kWarp);

// Of earlier blocks, under the check for races: at least this many threads, and those of two blocks.
constexpr size_t kThreadsRemembered = 512;

__thread Scheduler* Scheduler::own_ = nullptr;

void* Scheduler::barrier_object(const Thread& thread) const {
  return order_objects_ + 8 * (thread.barriers_passed & 1);
}
void* Scheduler::lane_object(const Thread& thread) const { return order_objects_ + 8 * (2 + thread.number); }
void* Scheduler::group_object(int warp) const { return order_objects_ + 8 * (2 + kMostThreads + warp); }

void Scheduler::begin_launch(const Launch& launch, const KernelCode& code) {
  launch_ = &launch;
  code_ = &code;
  count_ = (int)(launch.block[0] * launch.block[1] * launch.block[2]);
  random_ = 0x9e3779b97f4a7c15ull * (uint64_t)(launch.schedule + 1);
  failed_ = false;
  while ((int)threads_.size() < count_) threads_.push_back(new Thread);
  context.grid_size = {launch.grid[0], launch.grid[1], launch.grid[2]};
  context.block_size = {launch.block[0], launch.block[1], launch.block[2]};
  context.clock_offset = 0;
  context.fenced = false;
}

bool Scheduler::run_block(const Launch& launch, const KernelCode& code, const unsigned short* order) {
  const bool fibers = (launch.fibers && code.may_wait) || races_are_checked();
  clear_shared_memory();
  if (observation() == Observation::memory) shadow_new_block();
  const bool good = fibers ? run_with_fibers(order) : run_without_fibers(order);
  if (observation() == Observation::trace) trace_end_of_block();
  return good;
}

bool Scheduler::run_without_fibers(const unsigned short* order) {
  running_ = nullptr;
  if (__builtin_setjmp(escape_) != 0) return false;
  if (order == nullptr && observation() == Observation::none && !bounds_are_checked()) {
    code_->all_threads(launch_->arguments);
    return true;
  }
  // One by one. For checks too: what a compiler may do once for all threads of its loop, each thread of a GPU does.
  const uint3 size = context.block_size;
  for (int i = 0; i < count_; i++) {
    const unsigned number = order ? order[i] : (unsigned)i;
    context.thread = {number % size.x, number / size.x % size.y, number / (size.x * size.y)};
    code_->one_thread(launch_->arguments);
  }
  return true;
}

void thread_entry() {
  Scheduler& scheduler = Scheduler::of_this_os_thread();
  Thread& thread = *scheduler.running_;
  thread.fiber.begun();
  scheduler.code_->one_thread(scheduler.launch_->arguments);
  scheduler.exit_thread(thread);
  thread.fiber.leave(scheduler.caller_, true);
  abort();  // an exited thread is never entered again
}

bool Scheduler::run_with_fibers(const unsigned short* order) {
  live_ = count_;
  arrived_ = agreeing_ = meeting_ = 0;
  first_arrived_ = nullptr;
  memset((void*)warps_, 0, sizeof(warps_));
  if (races_are_checked()) order_objects_ = (char*)malloc(kOrderBytes);
  pass_.resize(count_);
  for (int i = 0; i < count_; i++) {
    Thread& thread = *threads_[i];
    const uint3 size = context.block_size;
    thread.place = {i % size.x, i / size.x % size.y, i / (size.x * size.y)};
    thread.number = i;
    thread.state = State::ready;
    thread.fenced = false;
    thread.barriers_passed = 0;
    thread.fiber.prepare(thread_entry);
    if (races_are_checked()) {
      char name[96];
      const uint3 block = context.block;
      snprintf(name, sizeof(name), "block (%u, %u, %u) thread (%u, %u, %u)", block.x, block.y, block.z, thread.place.x,
               thread.place.y, thread.place.z);
      thread.fiber.introduce(name);
    }
    warps_[i / kWarp].exist |= 1u << i % kWarp;
    pass_[i] = order ? order[i] : (unsigned short)i;
  }
  while (live_ > 0 && !failed_) {
    bool ran = false;
    for (int i = 0; i < count_ && !failed_; i++) {
      Thread& thread = *threads_[pass_[i]];
      if (thread.state != State::ready) continue;
      ran = true;
      running_ = &thread;
      context.thread = thread.place;
      context.fenced = thread.fenced;
      thread.fiber.enter(&caller_);
      thread.fiber.back();
      thread.fenced = context.fenced;
    }
    if (!ran && !failed_ && !complete_converged()) report_deadlock();
    if (launch_->schedule >= 2) {  // the next pass takes the threads in another order
      for (int i = count_ - 1; i > 0; i--) {
        random_ = random_ * 6364136223846793005ull + 1442695040888963407ull;
        const int other = (int)((random_ >> 33) % (uint64_t)(i + 1));
        const unsigned short kept = pass_[i];
        pass_[i] = pass_[other];
        pass_[other] = kept;
      }
    }
  }
  running_ = nullptr;
  for (int i = 0; i < count_; i++)
    if (void* past = threads_[i]->fiber.take_race_fiber()) past_.push_back(past);
  forget_threads(std::max(kThreadsRemembered, 2 * (size_t)count_));
  free(order_objects_);  // ThreadSanitizer forgets with them: one block's barriers say nothing about the next block
  order_objects_ = nullptr;
  return !failed_;
}

// ThreadSanitizer drops a race with a thread that it knows no more, and it soon forgets those that were destroyed. So
// the threads of a few blocks before stay known, among which the races between blocks are found.
void Scheduler::forget_threads(size_t remembered) {
  while (past_.size() > remembered) {
    __tsan_destroy_fiber(past_.front());
    past_.pop_front();
  }
}

void Scheduler::suspend(Thread& thread, State state, const SourcePlace* place) {
  thread.state = state;
  thread.waits_at = place;
  thread.fiber.leave(caller_, false);
}

void Scheduler::yield() {
  if (running_ == nullptr) return;
  suspend(*running_, State::ready, nullptr);
}

void Scheduler::fence() { context.fenced = true; }

void Scheduler::exit_thread(Thread& thread) {
  publish((void*)launch_);
  thread.state = State::exited;
  live_--;
  const int warp = thread.number / kWarp;
  warps_[warp].exited |= 1u << thread.number % kWarp;
  // A thread that has exited is not waited for (CUDA C++ Programming Guide, since compute capability 7.0).
  if (arrived_ > 0 && arrived_ == live_) complete_barrier();
  if (warps_[warp].waiting) complete_warp_operations(warp);
}

int Scheduler::wait_for_block(Barrier kind, int predicate, const SourcePlace& place) {
  if (running_ == nullptr) fail("met a barrier although it was launched without fibers", place);
  Thread& thread = *running_;
  void* object = barrier_object(thread);
  publish(object);
  thread.barrier = kind;
  thread.waits_at = &place;
  thread.state = State::at_barrier;
  if (arrived_++ == 0) {
    first_arrived_ = &thread;
    agreeing_ = meeting_ = 0;
  }
  agreeing_ += predicate != 0;
  meeting_ += !meets(thread, *first_arrived_);
  const bool complete = arrived_ == live_ && complete_barrier();
  if (!complete || launch_->schedule != 0) suspend(thread, thread.state, &place);
  thread.barriers_passed++;
  see_published(object);
  return thread.result_of_barrier;
}

// Whether two threads wait at the same barrier.
bool Scheduler::meets(const Thread& a, const Thread& b) {
  return a.barrier == b.barrier && *a.waits_at == *b.waits_at;
}

// Lets the waiting threads go on; false when they may not.
bool Scheduler::complete_barrier() {
  if (meeting_ != 0) {
    const Thread* other = nullptr;
    for (int i = 0; i < count_ && other == nullptr; i++) {
      const Thread& thread = *threads_[i];
      if (thread.state == State::at_barrier && !meets(thread, *first_arrived_)) other = &thread;
    }
    const uint3 a = first_arrived_->place, b = other->place;
    const SourcePlace &at_a = *first_arrived_->waits_at, &at_b = *other->waits_at;
    char columns[2][32] = {"", ""};
    if (on_one_line(at_a, at_b)) {
      snprintf(columns[0], sizeof(columns[0]), ", column %u,", at_a.column);
      snprintf(columns[1], sizeof(columns[1]), ", column %u,", at_b.column);
    }
    report("divergent barrier: thread (%u, %u, %u) waits at line %u%s and thread (%u, %u, %u) at line %u%s of %s", a.x,
           a.y, a.z, at_a.line, columns[0], b.x, b.y, b.z, at_b.line, columns[1], at_b.file);
    return false;
  }
  const int passing = arrived_;
  arrived_ = 0;
  for (int i = 0; i < count_; i++) {
    Thread& thread = *threads_[i];
    if (thread.state != State::at_barrier) continue;
    thread.state = State::ready;
    thread.result_of_barrier = thread.barrier == Barrier::count ? agreeing_
                               : thread.barrier == Barrier::all ? agreeing_ == passing
                                                                : agreeing_ != 0;
  }
  return true;
}

void Scheduler::report_deadlock() {
  char text[700];
  int used = 0;
  for (int i = 0; i < count_ && used < (int)sizeof(text) - 160; i++) {
    const Thread& first = *threads_[i];
    if (first.state == State::exited) continue;
    int last = i;
    while (last + 1 < count_ && threads_[last + 1]->state == first.state &&
           threads_[last + 1]->waits_at->line == first.waits_at->line &&
           threads_[last + 1]->request.mask == first.request.mask)
      last++;
    used += snprintf(text + used, sizeof(text) - used, "%s threads %d to %d wait at ", used ? ";" : "", i, last);
    if (first.state == State::at_barrier)
      used += snprintf(text + used, sizeof(text) - used, "the block's barrier in line %u of %s",
                       first.waits_at->line, first.waits_at->file);
    else
      used += snprintf(text + used, sizeof(text) - used, "a warp operation in line %u of %s with mask 0x%08x",
                       first.waits_at->line, first.waits_at->file, first.request.mask);
    i = last;
  }
  report("deadlock: no thread can go on;%s", text);
}

}  // namespace gpunet_emulator
