#include "report.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>

#include "settings.h"

namespace gpunet_emulator {
namespace {

std::atomic<long long> launches{0};

std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (unsigned char letter : text) {
    if (letter == '"' || letter == '\\') {
      result += '\\';
      result += char(letter);
    } else if (letter < 0x20) {
      char escaped[8];
      snprintf(escaped, sizeof escaped, "\\u%04x", letter);
      result += escaped;
    } else {
      result += char(letter);
    }
  }
  return result + "\"";
}

// One write per line, so that lines of several processes do not mix.
void append(const std::string& line) {
  const std::string& path = settings().report;
  if (path.empty()) return;
  int file = open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) return;
  std::string whole = line + "\n";
  if (write(file, whole.data(), whole.size()) < 0) perror("gpunet emulate: cannot write the report");
  close(file);
}

// The number of launches is told when the process ends, however many there were.
struct Farewell {
  ~Farewell() {
    if (launches > 0) append("{\"event\": \"launches\", \"count\": " + std::to_string(launches) + "}");
  }
} farewell;

}  // namespace

void count_launch() { launches++; }

void report_failed_launch(const Launch& launch, const char* message) {
  append("{\"event\": \"finding\", \"what\": " + quoted(message) + ", \"kernel\": " + quoted(launch.kernel) +
         ", \"file\": " + quoted(launch.file) + ", \"line\": " + std::to_string(launch.line) + "}");
}

}  // namespace gpunet_emulator
