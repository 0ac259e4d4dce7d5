#include "settings.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

namespace gpunet_emulator {
namespace {

std::string text(const char* name, const char* otherwise = "") {
  const char* value = getenv(name);
  return value && *value ? value : otherwise;
}

int cores() {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? std::max(1, CPU_COUNT(&set)) : 1;
}

// Three quarters of the memory that this process may have: the rest is for the host's arrays.
size_t default_memory() {
  size_t bytes = size_t(sysconf(_SC_PHYS_PAGES)) * size_t(sysconf(_SC_PAGE_SIZE));
  size_t limit = 0;
  if (std::ifstream("/sys/fs/cgroup/memory.max") >> limit) bytes = std::min(bytes, limit);
  return bytes / 4 * 3;
}

Settings read() {
  Settings result;
  result.cache = text("GPUNET_EMULATOR_KERNELS", "/tmp/gpunet-emulator");
  result.lock = text("GPUNET_EMULATOR_LOCK");
  result.compiler = text("GPUNET_EMULATOR_COMPILER", "g++");
  result.flags = text("GPUNET_EMULATOR_FLAGS");
  result.device_headers = text("GPUNET_EMULATOR_HEADERS");
  result.libraries = text("GPUNET_EMULATOR_LIBRARIES");
  result.blas = text("GPUNET_EMULATOR_BLAS");
  result.check = text("GPUNET_EMULATOR_CHECK");
  result.report = text("GPUNET_EMULATOR_REPORT");
  result.schedule = atoi(text("GPUNET_EMULATOR_SCHEDULE", "0").c_str());
  int workers = atoi(text("GPUNET_EMULATOR_WORKERS", "0").c_str());
  // Findings name one thread after the other, and a schedule is an order: both want a single worker.
  bool single = !result.check.empty() || result.schedule != 0;
  result.workers = single ? 1 : workers > 0 ? workers : cores();
  std::string memory = text("GPUNET_EMULATOR_MEMORY");
  result.memory = memory.empty() ? default_memory() : strtoull(memory.c_str(), nullptr, 10);
  return result;
}

}  // namespace

const Settings& settings() {
  static const Settings& result = *new Settings(read());  // lives on while the process ends, for the last report
  return result;
}

}  // namespace gpunet_emulator
