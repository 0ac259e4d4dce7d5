// Turns what AddressSanitizer and ThreadSanitizer find into findings.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "context.h"
#include "findings.h"
#include "launch.h"
#include "run_blocks.h"
#include "sanitizers.h"

extern "C" {
#define GPUNET_WEAK __attribute__((weak))
int __tsan_get_report_data(void* report, const char** description, int* count, int* stacks, int* accesses,
                           int* locations, int* mutexes, int* threads, int* unique_threads, void** sleep_trace,
                           unsigned long trace_size) GPUNET_WEAK;
int __tsan_get_report_mop(void* report, unsigned long index, int* thread, void** address, int* size, int* write,
                          int* atomic, void** trace, unsigned long trace_size) GPUNET_WEAK;
int __tsan_get_report_thread(void* report, unsigned long index, int* thread, unsigned long* os_id, int* running,
                             const char** name, int* parent, void** trace, unsigned long trace_size) GPUNET_WEAK;
void __tsan_ignore_thread_begin() GPUNET_WEAK;
void __tsan_ignore_thread_end() GPUNET_WEAK;
#undef GPUNET_WEAK
// ThreadSanitizer calls this for every race; its own, empty one gives way to a library that is preloaded before it.
__attribute__((visibility("default"))) void __tsan_on_report(void* report);
}

namespace gpunet_emulator {

namespace {

constexpr int kMostFrames = 16;

Finding finding_of(const char* check) {
  Finding finding;
  finding.check = check;
  if (const Launch* launch = running_launch()) {
    finding.kernel = launch->kernel;
    finding.file = launch->file;
    finding.line = launch->line;
  }
  return finding;
}

// A fiber's name says which CUDA thread it is; ThreadSanitizer knows no more of it.
bool read_place(const char* name, Access& access) {
  uint3 &b = access.block, &t = access.thread;
  if (name == nullptr) return false;
  return sscanf(name, "block (%u, %u, %u) thread (%u, %u, %u)", &b.x, &b.y, &b.z, &t.x, &t.y, &t.z) == 6;
}

void bounds_found(const char* report) {
  Finding finding = finding_of("bounds");
  const char* description = __asan_get_report_description();
  finding.message = std::string("access outside of an array (") + (description ? description : "unknown") + ")";
  Access access;
  const size_t size = __asan_get_report_access_size();
  void* code = __asan_get_report_pc();
  if (size != 0)
    access.what = (__asan_get_report_access_type() ? "write of " : "read of ") + std::to_string(size) + " bytes";
  else if (strstr(report, "caused by a WRITE") != nullptr)
    access.what = "write";
  else if (strstr(report, "caused by a READ") != nullptr)
    access.what = "read";
  else
    access.what = "access";
  // Of a signal only the text knows the place: "SEGV on unknown address 0x... (pc 0x... bp ...".
  const char* place = strstr(report, "(pc 0x");
  if (code == nullptr && place != nullptr) code = (void*)strtoull(place + strlen("(pc "), nullptr, 16);
  access.stack.push_back(code);
  access.has_place = running_launch() != nullptr;
  access.block = context.block;
  access.thread = context.thread;
  finding.accesses.push_back(access);
  keep_finding(finding);
  // After these the process dies; after others it goes on, and reports when the launch has ended.
  if (strstr(report, "SEGV") != nullptr || strstr(report, "stack-overflow") != nullptr ||
      strstr(report, "BUS") != nullptr)
    report_findings();
}

}  // namespace

void listen_to_sanitizers() {
  static const bool done = [] {
    if (__asan_set_error_report_callback) __asan_set_error_report_callback(bounds_found);
    return true;
  }();
  (void)done;
}

}  // namespace gpunet_emulator

using namespace gpunet_emulator;

namespace {

void race_found(void* report) {
  const char* description = nullptr;
  int count, stacks, accesses = 0, locations, mutexes, threads = 0, unique;
  void* sleep[1];
  if (__tsan_get_report_data == nullptr || running_launch() == nullptr) return;
  __tsan_get_report_data(report, &description, &count, &stacks, &accesses, &locations, &mutexes, &threads, &unique,
                         sleep, 1);
  if (description == nullptr || strcmp(description, "data-race") != 0) return;
  Finding finding = finding_of("races");
  finding.message = "data race between two threads";
  for (int i = 0; i < accesses; i++) {
    int thread = 0, size = 0, write = 0, atomic = 0;
    void *address = nullptr, *trace[kMostFrames] = {};
    __tsan_get_report_mop(report, (unsigned long)i, &thread, &address, &size, &write, &atomic, trace, kMostFrames);
    Access access;
    access.what = std::string(atomic ? "atomic " : "") + (write ? "write of " : "read of ") + std::to_string(size) +
                  " bytes";
    // A frame holds where the call returns to, or the next instruction.
    for (int frame = 0; frame < kMostFrames && trace[frame] != nullptr; frame++)
      access.stack.push_back((char*)trace[frame] - 1);
    for (int k = 0; k < threads; k++) {
      int number = 0, running = 0, parent = 0;
      unsigned long os_id = 0;
      const char* name = nullptr;
      void* created[1];
      __tsan_get_report_thread(report, (unsigned long)k, &number, &os_id, &running, &name, &parent, created, 1);
      if (number == thread) access.has_place = read_place(name, access);
    }
    finding.accesses.push_back(access);
  }
  if (finding.accesses.size() > 1 && finding.accesses[0].has_place && finding.accesses[1].has_place) {
    const uint3 a = finding.accesses[0].block, b = finding.accesses[1].block;
    if (a.x != b.x || a.y != b.y || a.z != b.z) finding.message = "data race between threads of two blocks";
  }
  keep_finding(finding);
}

}  // namespace

// ThreadSanitizer holds its locks here, and looks at what malloc and free touch in here as it does anywhere: a race
// found there, between two fibers' memory, would wait for those locks for ever. So it is told to look away.
void __tsan_on_report(void* report) {
  __tsan_ignore_thread_begin();
  race_found(report);
  __tsan_ignore_thread_end();
}
