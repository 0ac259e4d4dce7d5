// A launch: which blocks run, in which order, on which OS threads; and what went wrong.

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <atomic>
#include <mutex>

#include "fatal_signals.h"
#include "findings.h"
#include "observation.h"
#include "run_blocks.h"
#include "sanitizers.h"
#include "scheduler.h"
#include "shared_memory.h"
#include "workers.h"

namespace gpunet_emulator {

namespace {

// A launch with fewer CUDA threads than this is over before other OS threads have woken up.
constexpr uint64_t kFewestToShare = 8192;

std::atomic<const Launch*> running{nullptr};
std::atomic<unsigned long> launches{0};
std::mutex failure_lock;
std::atomic<bool> has_failed{false};
char failure_text[1200];

uint64_t next_random(uint64_t& state) {
  state = state * 6364136223846793005ull + 1442695040888963407ull;
  return state >> 33;
}

void shuffle(std::vector<unsigned short>& order, uint64_t& state) {
  for (size_t i = order.size() - 1; i > 0; i--) std::swap(order[i], order[next_random(state) % (i + 1)]);
}

// The order in which the threads of a block first run. Shuffled: whole warps change places, and lanes within them.
std::vector<unsigned short> thread_order(int schedule, unsigned threads) {
  std::vector<unsigned short> order(threads);
  for (unsigned i = 0; i < threads; i++) order[i] = (unsigned short)(schedule == 1 ? threads - 1 - i : i);
  uint64_t state = (uint64_t)schedule;
  if (schedule >= 2) shuffle(order, state);
  return order;
}

// The block that runs as number `position`: a walk with a stride that meets every block once.
class BlockOrder {
 public:
  BlockOrder(int schedule, uint64_t blocks) : blocks_(blocks) {
    if (schedule == 1) stride_ = blocks - 1, start_ = blocks - 1;
    if (schedule < 2 || blocks < 3) return;
    uint64_t state = (uint64_t)schedule;
    start_ = next_random(state) % blocks;
    stride_ = next_random(state) % blocks | 1;
    while (common_divisor(stride_, blocks) != 1) stride_ += 2;
  }
  uint64_t at(uint64_t position) const {
    return (uint64_t)((start_ + (unsigned __int128)position * stride_) % blocks_);
  }

 private:
  static uint64_t common_divisor(uint64_t a, uint64_t b) {
    while (b != 0) {
      const uint64_t rest = a % b;
      a = b;
      b = rest;
    }
    return a;
  }
  uint64_t blocks_, start_ = 0, stride_ = 1;
};

// `gpunet emulate --blocks ends`: of each launch only the first and the last block, for arrays too large to fill.
bool only_ends_run() {
  static const char* value = getenv("GPUNET_EMULATOR_BLOCKS");
  return value != nullptr && strcmp(value, "ends") == 0;
}

struct Task {
  const Launch* launch;
  const KernelCode* code;
  const unsigned short* order;  // null: forward
  BlockOrder blocks;
  uint64_t last;  // the last block's number
  bool ends;      // run it and the first one only
  uint64_t count;
  uint64_t portion;
  std::atomic<uint64_t> next{0};
};

void work(void* argument) {
  Task& task = *(Task*)argument;
  const Launch& launch = *task.launch;
  Scheduler& scheduler = Scheduler::of_this_os_thread();
  scheduler.begin_launch(launch, *task.code);
  const RunsKernels runs_kernels;
  if (prepare_shared_memory(launch.shared_bytes, task.code->address) == nullptr) {
    char text[160];
    snprintf(text, sizeof(text), "%zu bytes of shared memory are more than a block can have", launch.shared_bytes);
    set_failure(text);
    return;
  }
  const uint64_t across = launch.grid[0], plane = across * launch.grid[1];
  for (bool good = true; good;) {
    const uint64_t begin = task.next.fetch_add(task.portion);
    if (begin >= task.count) break;
    const uint64_t end = begin + task.portion < task.count ? begin + task.portion : task.count;
    for (uint64_t position = begin; position < end && good; position++) {
      good = !has_failed.load(std::memory_order_relaxed);
      if (!good) break;
      const uint64_t block = task.ends ? position * task.last : task.blocks.at(position);
      context.block = {(unsigned)(block % across), (unsigned)(block % plane / across), (unsigned)(block / plane)};
      good = scheduler.run_block(launch, *task.code, task.order);
    }
  }
  scheduler.end_launch();
}

}  // namespace

const Launch* running_launch() { return running.load(std::memory_order_relaxed); }

unsigned long launch_number() { return launches.load(std::memory_order_relaxed); }

const char* failure() { return has_failed.load() ? failure_text : nullptr; }

void set_failure(const char* message) {
  std::lock_guard<std::mutex> hold(failure_lock);
  if (has_failed.load()) return;  // the first one counts
  snprintf(failure_text, sizeof(failure_text), "%s", message);
  has_failed.store(true);
}

void clear_failure() { has_failed.store(false); }

void Scheduler::report(const char* format, ...) {
  char what[900], text[1200];
  va_list values;
  va_start(values, format);
  vsnprintf(what, sizeof(what), format, values);
  va_end(values);
  const uint3 block = context.block;
  snprintf(text, sizeof(text), "block (%u, %u, %u): %s", block.x, block.y, block.z, what);
  failed_ = true;
  set_failure(text);
}

void Scheduler::fail(const char* message, const SourcePlace& place) {
  const uint3 thread = context.thread;
  report("thread (%u, %u, %u), line %u of %s: %s", thread.x, thread.y, thread.z, place.line, place.file, message);
  if (running_ != nullptr) running_->fiber.leave(caller_, true);  // never to return
  if (__asan_handle_no_return) __asan_handle_no_return();
  __builtin_longjmp(escape_, 1);
}

void trap(const char* message, const SourcePlace& place) {
  Scheduler::of_this_os_thread().fail(message, place);
}

unsigned long long clock_ticks() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (unsigned long long)now.tv_sec * 1000000000ull + (unsigned long long)now.tv_nsec;
}

const char* run_blocks(const Launch& launch, const KernelCode& code) {
  const uint64_t threads = (uint64_t)launch.block[0] * launch.block[1] * launch.block[2];
  const uint64_t blocks = (uint64_t)launch.grid[0] * launch.grid[1] * launch.grid[2];
  clear_failure();
  if (threads == 0 || threads > (uint64_t)kMostThreads || blocks == 0) {
    char text[200];
    snprintf(text, sizeof(text), "%llu blocks of %llu threads: a block has 1 to %d threads, a grid 1 block or more",
             (unsigned long long)blocks, (unsigned long long)threads, kMostThreads);
    set_failure(text);
    return failure();
  }
  std::vector<unsigned short> order;
  if (launch.schedule != 0) order = thread_order(launch.schedule, (unsigned)threads);
  const bool alone = launch.workers <= 1 || launch.schedule != 0 || blocks == 1 || threads * blocks < kFewestToShare ||
                     races_are_checked() || bounds_are_checked() || observation() != Observation::none;
  const bool ends = only_ends_run() && blocks > 2;
  const uint64_t count = ends ? 2 : blocks;
  const uint64_t portion = alone || ends ? blocks : 1 + blocks / (16 * (uint64_t)launch.workers);
  const unsigned short* first_order = launch.schedule ? order.data() : nullptr;
  Task task{&launch, &code, first_order, BlockOrder(launch.schedule, blocks), blocks - 1, ends, count, portion};
  listen_to_sanitizers();
  launches.fetch_add(1);
  running.store(&launch);
  if (alone)
    work(&task);
  else
    Workers::of_this_process().run(launch.workers, work, &task);
  see_published((void*)&launch);
  if (observation() == Observation::memory) shadow_end_of_launch(launch);
  if (observation() == Observation::trace) trace_end_of_launch(launch);
  running.store(nullptr);
  report_findings();
  fflush(stdout);  // what kernels printed stands before what the caller prints next
  return failure();
}

}  // namespace gpunet_emulator
