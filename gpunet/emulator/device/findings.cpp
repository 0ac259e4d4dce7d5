#include "findings.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <mutex>
#include <set>

namespace gpunet_emulator {

namespace {

std::mutex lock;
std::vector<Finding> kept;
std::set<std::string> reported;

constexpr size_t kMostKept = 256;  // between two launches; the rest says nothing new

std::string coordinates(uint3 place) {
  return std::to_string(place.x) + ", " + std::to_string(place.y) + ", " + std::to_string(place.z);
}

// The compiler writes a source's folder in front of a name that #line gave without one.
std::string name_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

std::string described(const Access& access, const SourceLine& line) {
  std::string text = access.what;
  if (line.line > 0) text += " at " + name_of(line.file) + ":" + std::to_string(line.line);
  if (access.has_place)
    text += " by thread (" + coordinates(access.thread) + ") of block (" + coordinates(access.block) + ")";
  return text;
}

void report(const Finding& finding) {
  std::string file = finding.file, details, key = std::string(finding.check) + finding.kernel;
  int line = finding.line;
  bool first = true;
  for (const Access& access : finding.accesses) {
    const SourceLine place = user_line(access.stack);
    if (first && place.line > 0) {
      file = name_of(place.file);
      line = place.line;
    }
    details += (first ? "" : "; ") + described(access, place);
    key += access.what + place.file + std::to_string(place.line);
    first = false;
  }
  key += file + std::to_string(line);
  if (!reported.insert(key).second) return;
  std::string json = "{\"event\": \"finding\", \"check\": " + json_text(finding.check) +
                     ", \"kernel\": " + json_text(finding.kernel) + ", \"file\": " + json_text(file) +
                     ", \"line\": " + std::to_string(line);
  const bool placed = !finding.accesses.empty() && finding.accesses[0].has_place;
  json += ", \"block\": " + (placed ? "[" + coordinates(finding.accesses[0].block) + "]" : "null");
  json += ", \"thread\": " + (placed ? "[" + coordinates(finding.accesses[0].thread) + "]" : "null");
  json += ", \"message\": " + json_text(finding.message) + ", \"details\": " + json_text(details) + "}";
  write_to_report(json);
  fprintf(stderr, "gpunet emulate --check %s: %s:%d: kernel %s: %s%s%s\n", finding.check, file.c_str(), line,
          finding.kernel.c_str(), finding.message.c_str(), details.empty() ? "" : ": ", details.c_str());
}

}  // namespace

std::string json_text(const std::string& text) {
  std::string result = "\"";
  for (unsigned char c : text) {
    if (c == '"' || c == '\\') {
      result += '\\';
      result += (char)c;
    } else if (c < 0x20) {
      char escaped[8];
      snprintf(escaped, sizeof(escaped), "\\u%04x", c);
      result += escaped;
    } else {
      result += (char)c;
    }
  }
  return result + "\"";
}

void write_to_report(const std::string& line) {
  const char* path = getenv("GPUNET_EMULATOR_REPORT");
  if (path == nullptr || *path == 0) return;
  const int file = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) return;
  const std::string whole = line + "\n";  // one write, so that lines of several processes do not mix
  if (write(file, whole.data(), whole.size()) < 0) perror("gpunet emulate: cannot write the report");
  close(file);
}

void keep_finding(Finding finding) {
  std::lock_guard<std::mutex> hold(lock);
  if (kept.size() < kMostKept) kept.push_back(static_cast<Finding&&>(finding));
}

void report_findings() {
  std::vector<Finding> now;
  {
    std::lock_guard<std::mutex> hold(lock);
    now.swap(kept);
  }
  for (const Finding& finding : now) report(finding);
}

}  // namespace gpunet_emulator
