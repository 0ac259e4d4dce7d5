// The check for memory: loads of bytes that nobody has written, in device and in shared memory.

#include <stdint.h>
#include <string.h>

#include <set>
#include <string>
#include <vector>

#include "context.h"
#include "findings.h"
#include "observation.h"
#include "run_blocks.h"
#include "shared_memory.h"

namespace gpunet_emulator {

namespace {

struct SharedShadow {
  MemoryRange range;
  std::vector<unsigned char> written;
};
std::vector<SharedShadow> shared;       // of the running block; a check runs on one OS thread
std::set<std::string> names;            // of kernels and files, which outlive the launch
std::set<void*> found;                  // code addresses that were reported

const char* kept(const char* text) { return names.insert(text ? text : "").first->c_str(); }

void report(size_t bytes, void* code, const char* where) {
  if (!found.insert(code).second) return;
  const Launch* launch = running_launch();
  if (launch == nullptr) return;
  Finding finding;
  finding.check = "memory";
  finding.kernel = launch->kernel;
  finding.file = launch->file;
  finding.line = launch->line;
  finding.message = std::string("reads ") + where + " that was never written";
  Access access;
  access.what = "read of " + std::to_string(bytes) + " bytes";
  access.stack.push_back(code);
  access.has_place = true;
  access.block = context.block;
  access.thread = context.thread;
  finding.accesses.push_back(access);
  keep_finding(finding);
}

// `written` belongs to the first byte that is accessed; `room` bytes of it are left.
void follow(unsigned char* written, size_t room, size_t bytes, Access_kind kind, void* code,
            const char* where) {
  if (bytes > room) bytes = room;
  if (kind != Access_kind::store && memchr(written, 0, bytes) != nullptr) report(bytes, code, where);
  if (kind != Access_kind::load) memset(written, 1, bytes);
}

}  // namespace

void shadow_access(const void* address, size_t bytes, Access_kind kind, void* code) {
  char* const first = (char*)address;
  if (DeviceMemory* memory = device_memory_at(address)) {
    const size_t begin = (size_t)(first - memory->begin);
    follow(memory->written + begin, memory->bytes - begin, bytes, kind, code, "device memory");
    if (kind != Access_kind::load) {
      const Launch* launch = running_launch();
      if (launch != nullptr && memory->last_writer_number != launch_number()) {
        memory->last_writer_number = launch_number();
        memory->last_writer = *launch;
        memory->last_writer.kernel = kept(launch->kernel);
        memory->last_writer.file = kept(launch->file);
      }
    }
    return;
  }
  for (SharedShadow& array : shared) {
    if (first < array.range.begin || first >= array.range.end) continue;
    const size_t begin = (size_t)(first - array.range.begin);
    follow(&array.written[begin], array.written.size() - begin, bytes, kind, code, "shared memory");
    return;
  }
}

void shadow_new_block() {
  MemoryRange ranges[kMostSharedRanges];
  const size_t count = shared_memory_ranges(ranges, kMostSharedRanges);
  shared.resize(count);
  for (size_t i = 0; i < count; i++) {
    shared[i].range = ranges[i];
    shared[i].written.assign((size_t)(ranges[i].end - ranges[i].begin), 0);
  }
}

void shadow_end_of_launch(const Launch&) { shared.clear(); }

}  // namespace gpunet_emulator
