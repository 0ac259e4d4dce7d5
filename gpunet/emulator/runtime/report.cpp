#include "report.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>

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

const pid_t process_at_load = getpid();

// Whether the library that finds things is in this process. Preloading fails without a word where a program is a script.
bool check_is_active() {
  const std::string& check = settings().check;
  if (check == "bounds") return dlsym(RTLD_DEFAULT, "__asan_init") != nullptr;
  if (check == "races") return dlsym(RTLD_DEFAULT, "__tsan_init") != nullptr;
  return true;
}

// Whether CuPy allocates each array by itself: startup/sitecustomize.py writes the process's number when it saw to that.
bool arrays_are_exact() {
  const char* process = getenv("GPUNET_EMULATOR_EXACT");
  return process && atoi(process) == process_at_load;
}

void tell(long long count) {
  append("{\"event\": \"launches\", \"count\": " + std::to_string(count) + ", \"active\": " +
         (check_is_active() ? "true" : "false") + ", \"exact\": " + (arrays_are_exact() ? "true" : "false") + "}");
}

struct Farewell {
  ~Farewell() {
    if (launches > 1) tell(launches - 1);
  }
} farewell;

}  // namespace

void count_launch() {
  if (launches++ == 0) tell(1);
}

void report_failed_launch(const Launch& launch, const char* message) {
  append("{\"event\": \"finding\", \"check\": \"launch\", \"kernel\": " + quoted(launch.kernel) + ", \"file\": " +
         quoted(launch.file) + ", \"line\": " + std::to_string(launch.line) + ", \"message\": " + quoted(message) + "}");
}

}  // namespace gpunet_emulator
