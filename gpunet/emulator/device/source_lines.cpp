// From code addresses to source lines.

#include <dlfcn.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <map>

#include "findings.h"

extern char** environ;

namespace gpunet_emulator {

namespace {

// What a program prints, or nothing. It does not inherit what is preloaded here.
std::string output_of(const std::vector<std::string>& words) {
  std::vector<char*> arguments, variables;
  for (const std::string& word : words) arguments.push_back((char*)word.c_str());
  arguments.push_back(nullptr);
  for (char** variable = environ; *variable; variable++)
    if (strncmp(*variable, "LD_PRELOAD=", 11) != 0) variables.push_back(*variable);
  variables.push_back(nullptr);
  int ends[2];
  if (pipe(ends) != 0) return "";
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
  posix_spawn_file_actions_addclose(&actions, ends[0]);
  posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", 1, 0);
  pid_t child = 0;
  const int failed = posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), variables.data());
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  std::string text;
  if (failed == 0) {
    char buffer[4096];
    for (ssize_t size; (size = read(ends[0], buffer, sizeof(buffer))) > 0;) text.append(buffer, (size_t)size);
    int status = 0;
    waitpid(child, &status, 0);
  }
  close(ends[0]);
  return text;
}

// addr2line prints a function's name and then file:line, perhaps with " (discriminator 3)", for each inlined call.
std::vector<SourceLine> parsed(const std::string& text) {
  std::vector<SourceLine> lines;
  size_t at = 0;
  for (;;) {
    const size_t first = text.find('\n', at);
    const size_t second = first == std::string::npos ? first : text.find('\n', first + 1);
    if (second == std::string::npos) return lines;
    SourceLine line;
    line.function = text.substr(at, first - at);
    const std::string place = text.substr(first + 1, second - first - 1);
    const size_t colon = place.rfind(':');
    line.file = place.substr(0, colon);
    line.line = colon == std::string::npos ? 0 : atoi(place.c_str() + colon + 1);
    lines.push_back(line);
    at = second + 1;
  }
}

bool own(const std::string& file) {
  return file.find("emulator/device/") != std::string::npos || file.find("libsanitizer") != std::string::npos;
}

}  // namespace

std::vector<SourceLine> source_lines(void* address) {
  static std::map<void*, std::vector<SourceLine>> known;
  const auto found = known.find(address);
  if (found != known.end()) return found->second;
  Dl_info info;
  std::vector<SourceLine> lines;
  if (dladdr(address, &info) != 0 && info.dli_fname != nullptr) {
    char offset[32];
    snprintf(offset, sizeof(offset), "0x%zx", (size_t)((char*)address - (char*)info.dli_fbase));
    lines = parsed(output_of({"addr2line", "-f", "-C", "-i", "-e", info.dli_fname, offset}));
  }
  return known[address] = lines;
}

SourceLine user_line(const std::vector<void*>& stack) {
  for (void* address : stack)
    for (const SourceLine& line : source_lines(address))
      if (line.line > 0 && !own(line.file)) return line;
  return {};
}

}  // namespace gpunet_emulator
