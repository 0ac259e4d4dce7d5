// Runs a program and keeps what it says.
#pragma once

#include <string>
#include <vector>

namespace gpunet_emulator {

struct Outcome {
  int status = -1;     // exit status; -1: could not be started or was killed
  std::string output;  // standard output and standard error
};

// Without the variables that `gpunet emulate` sets for the emulated program: a compiler must not be preloaded.
Outcome run_process(const std::vector<std::string>& words);

}  // namespace gpunet_emulator
