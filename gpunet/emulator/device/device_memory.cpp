// The list of device allocations that the runtime has told, and what the host and libraries do to them.

#include <stdlib.h>
#include <string.h>

#include <iterator>
#include <map>
#include <mutex>
#include <string>

#include "findings.h"
#include "memory_shadow.h"
#include "observation.h"

namespace gpunet_emulator {

namespace {

std::mutex lock;
std::map<char*, DeviceMemory> allocations;
DeviceMemory* last_found = nullptr;  // most accesses go where the one before went

size_t first_unwritten(const DeviceMemory& memory, const void* address, size_t bytes) {
  const size_t begin = (size_t)((char*)address - memory.begin);
  const size_t room = memory.bytes - begin;
  const void* found = memchr(memory.written + begin, 0, bytes < room ? bytes : room);
  return found == nullptr ? bytes : (size_t)((unsigned char*)found - memory.written) - begin;
}

void report_unwritten(const DeviceMemory& memory, const void* address, size_t offset, const std::string& reader) {
  Finding finding;
  finding.check = "memory";
  const size_t at = (size_t)((char*)address - memory.begin) + offset;
  const std::string place = "byte " + std::to_string(at) + " of an array of " + std::to_string(memory.bytes) + " bytes";
  if (memory.last_writer.kernel != nullptr) {
    finding.kernel = memory.last_writer.kernel;
    finding.file = memory.last_writer.file;
    finding.line = memory.last_writer.line;
    finding.message = reader + " that was never written: " + place + "; this kernel was the last to write to the array";
  } else {
    finding.message = reader + " that was never written: " + place + "; no kernel has written to the array";
  }
  keep_finding(finding);
  report_findings();
}

}  // namespace

Observation observation() {
  static const Observation known = [] {
    const char* check = getenv("GPUNET_EMULATOR_CHECK");
    if (check != nullptr && strcmp(check, "memory") == 0) return Observation::memory;
    if (check != nullptr && strcmp(check, "trace") == 0) return Observation::trace;
    return Observation::none;
  }();
  return known;
}

DeviceMemory* device_memory_at(const void* address) {
  char* const wanted = (char*)address;
  if (last_found != nullptr && wanted >= last_found->begin && wanted < last_found->begin + last_found->bytes)
    return last_found;
  const auto after = allocations.upper_bound(wanted);
  if (after == allocations.begin()) return nullptr;
  DeviceMemory& before = std::prev(after)->second;
  if (wanted >= before.begin + before.bytes) return nullptr;
  last_found = &before;
  return last_found;
}

}  // namespace gpunet_emulator

using namespace gpunet_emulator;

void gpunet_memory_allocated(const void* address, size_t bytes) {
  if (observation() == Observation::none || address == nullptr || bytes == 0) return;
  std::lock_guard<std::mutex> hold(lock);
  DeviceMemory memory;
  memory.begin = (char*)address;
  memory.bytes = bytes;
  memory.written = (unsigned char*)calloc(bytes, 1);
  if (memory.written != nullptr) allocations[memory.begin] = memory;
}

void gpunet_memory_freed(const void* address) {
  if (observation() == Observation::none) return;
  std::lock_guard<std::mutex> hold(lock);
  const auto found = allocations.find((char*)address);
  if (found == allocations.end()) return;
  last_found = nullptr;
  free(found->second.written);
  allocations.erase(found);
}

void gpunet_memory_written(const void* address, size_t bytes) {
  if (observation() != Observation::memory || bytes == 0) return;
  std::lock_guard<std::mutex> hold(lock);
  if (DeviceMemory* memory = device_memory_at(address)) {
    const size_t begin = (size_t)((char*)address - memory->begin);
    memset(memory->written + begin, 1, bytes < memory->bytes - begin ? bytes : memory->bytes - begin);
  }
}

void gpunet_memory_read(const void* address, size_t bytes, const char* reader) {
  if (observation() != Observation::memory || bytes == 0) return;
  std::lock_guard<std::mutex> hold(lock);
  const DeviceMemory* memory = device_memory_at(address);
  if (memory == nullptr) return;
  const size_t offset = first_unwritten(*memory, address, bytes);
  if (offset < bytes) report_unwritten(*memory, address, offset, std::string(reader) + " reads an element");
}

void gpunet_memory_copied(const void* destination, const void* source, size_t bytes) {
  if (observation() != Observation::memory || bytes == 0) return;
  std::lock_guard<std::mutex> hold(lock);
  DeviceMemory* const from = device_memory_at(source);
  DeviceMemory* const to = device_memory_at(destination);
  if (to != nullptr) {
    const size_t begin = (size_t)((char*)destination - to->begin);
    const size_t room = to->bytes - begin, count = bytes < room ? bytes : room;
    if (from == nullptr) {
      memset(to->written + begin, 1, count);
    } else {
      const size_t origin = (size_t)((char*)source - from->begin);
      const size_t known = from->bytes - origin;
      memmove(to->written + begin, from->written + origin, count < known ? count : known);
      if (to->last_writer.kernel == nullptr) to->last_writer = from->last_writer;
    }
  } else if (from != nullptr) {
    const size_t offset = first_unwritten(*from, source, bytes);
    if (offset < bytes) report_unwritten(*from, source, offset, "the host receives an element");
  }
}
