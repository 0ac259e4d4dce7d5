// Says which kernel was running when a signal ends the process, as after an access to memory that is not there.
#pragma once

namespace gpunet_emulator {

// While it lives, its OS thread runs blocks of the running launch. The first one in a process begins to listen.
class RunsKernels {
 public:
  RunsKernels();
  ~RunsKernels();
  RunsKernels(const RunsKernels&) = delete;
  RunsKernels& operator=(const RunsKernels&) = delete;
};

}  // namespace gpunet_emulator
