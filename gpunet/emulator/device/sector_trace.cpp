// The trace: how a kernel's accesses to device memory fall on 32-byte sectors, the unit in which a GPU moves memory.
//
// The lanes of a warp are put together as a GPU would issue them: the n-th execution of one instruction by each lane is
// one request. Where lanes take different paths this pairs executions that a GPU would issue apart, which can only
// make the sectors fewer than they are.

#include <stdint.h>

#include <algorithm>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "context.h"
#include "findings.h"
#include "observation.h"

namespace gpunet_emulator {

namespace {

constexpr uintptr_t kSector = 32;
constexpr unsigned kLanes = 32;

struct Record {
  void* code;
  uintptr_t address;
  uint32_t bytes;
  Access_kind kind;
};

struct Counts {
  uint64_t requests = 0;       // of warps
  uint64_t sectors = 0;        // moved by them
  uint64_t ideal_sectors = 0;  // if the distinct bytes of each request lay side by side
  uint64_t bytes = 0;          // asked for by all lanes
  uint64_t same_address = 0;   // lanes that must wait for another lane's atomic operation on the same address
  std::unordered_set<uintptr_t> footprint;  // distinct sectors of the whole launch
};

std::vector<std::vector<Record>> threads(1024);
Counts counts[3];

struct Request {
  Access_kind kind;
  std::vector<std::pair<uintptr_t, uint32_t>> lanes;
};

void count(Request& request) {
  Counts& sum = counts[(int)request.kind];
  sum.requests++;
  std::sort(request.lanes.begin(), request.lanes.end());
  uint64_t distinct = 0, sectors = 0, waits = 0, most_waits = 0;
  uintptr_t covered = 0, last_sector = 0;
  for (size_t i = 0; i < request.lanes.size(); i++) {
    const uintptr_t begin = request.lanes[i].first, end = begin + request.lanes[i].second;
    sum.bytes += request.lanes[i].second;
    if (end > covered) distinct += end - std::max(begin, covered);
    covered = std::max(covered, end);
    for (uintptr_t sector = begin / kSector + 1; sector <= (end - 1) / kSector + 1; sector++) {
      if (sector <= last_sector) continue;
      last_sector = sector;
      sectors++;
      sum.footprint.insert(sector);
    }
    waits = i > 0 && request.lanes[i - 1].first == begin ? waits + 1 : 0;
    most_waits = std::max(most_waits, waits);
  }
  sum.sectors += sectors;
  sum.ideal_sectors += (distinct + kSector - 1) / kSector;
  if (request.kind == Access_kind::atomic) sum.same_address += most_waits;
}

std::string json_of(const Counts& sum) {
  return "{\"requests\": " + std::to_string(sum.requests) + ", \"sectors\": " + std::to_string(sum.sectors) +
         ", \"ideal_sectors\": " + std::to_string(sum.ideal_sectors) + ", \"bytes\": " + std::to_string(sum.bytes) +
         ", \"footprint_bytes\": " + std::to_string(sum.footprint.size() * kSector) +
         ", \"same_address\": " + std::to_string(sum.same_address) + "}";
}

std::string json_of(const unsigned* size) {
  return "[" + std::to_string(size[0]) + ", " + std::to_string(size[1]) + ", " + std::to_string(size[2]) + "]";
}

}  // namespace

void trace_access(const void* address, size_t bytes, Access_kind kind, void* code) {
  if (device_memory_at(address) == nullptr) return;
  const uint3 place = context.thread, size = context.block_size;
  const unsigned number = place.x + size.x * (place.y + size.y * place.z);
  threads[number].push_back({code, (uintptr_t)address, (uint32_t)bytes, kind});
}

void trace_end_of_block() {
  for (size_t first = 0; first < threads.size(); first += kLanes) {
    std::unordered_map<void*, std::vector<Request>> requests;  // by instruction; the n-th is its n-th execution
    for (size_t number = first; number < first + kLanes; number++) {
      std::unordered_map<void*, size_t> executions;
      for (const Record& record : threads[number]) {
        std::vector<Request>& of_instruction = requests[record.code];
        const size_t execution = executions[record.code]++;
        if (execution == of_instruction.size()) of_instruction.push_back({record.kind, {}});
        of_instruction[execution].lanes.push_back({record.address, record.bytes});
      }
      threads[number].clear();
    }
    for (auto& instruction : requests)
      for (Request& request : instruction.second) count(request);
  }
}

void trace_end_of_launch(const Launch& launch) {
  write_to_report("{\"event\": \"trace\", \"kernel\": " + json_text(launch.kernel) + ", \"file\": " +
                  json_text(launch.file) + ", \"line\": " + std::to_string(launch.line) + ", \"grid\": " +
                  json_of(launch.grid) + ", \"block\": " + json_of(launch.block) + ", \"loads\": " +
                  json_of(counts[0]) + ", \"stores\": " + json_of(counts[1]) + ", \"atomics\": " + json_of(counts[2]) +
                  "}");
  for (Counts& sum : counts) sum = Counts();
}

}  // namespace gpunet_emulator
