#include "process.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

extern char** environ;

namespace gpunet_emulator {
namespace {

bool withheld(const char* variable) {
  for (const char* name : {"LD_PRELOAD=", "LD_LIBRARY_PATH=", "LC_ALL=", "ASAN_OPTIONS=", "TSAN_OPTIONS="})
    if (strncmp(variable, name, strlen(name)) == 0) return true;
  return false;
}

std::string read_all(int file) {
  std::string text;
  char buffer[4096];
  for (;;) {
    ssize_t count = read(file, buffer, sizeof buffer);
    if (count > 0) text.append(buffer, size_t(count));
    if (count == 0 || (count < 0 && errno != EINTR)) return text;
  }
}

}  // namespace

Outcome run_process(const std::vector<std::string>& words) {
  std::vector<char*> arguments, variables;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  for (char** variable = environ; *variable; variable++)
    if (!withheld(*variable)) variables.push_back(*variable);
  char locale[] = "LC_ALL=C";  // messages in one language, and no quotes beyond ASCII
  variables.push_back(locale);
  variables.push_back(nullptr);

  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return {};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
  pid_t process = 0;
  int error = posix_spawnp(&process, arguments[0], &actions, nullptr, arguments.data(), variables.data());
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  Outcome outcome;
  if (error != 0) {
    close(ends[0]);
    outcome.output = words[0] + ": " + strerror(error);
    return outcome;
  }
  outcome.output = read_all(ends[0]);
  close(ends[0]);
  int status = 0;
  while (waitpid(process, &status, 0) < 0 && errno == EINTR) continue;
  if (WIFEXITED(status)) outcome.status = WEXITSTATUS(status);
  return outcome;
}

}  // namespace gpunet_emulator
