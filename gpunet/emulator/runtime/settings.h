// What `gpunet emulate` and its options hand to the runtime through the environment, read once.
#pragma once

#include <cstddef>
#include <string>

namespace gpunet_emulator {

struct Settings {
  std::string cache;          // folder for compiled kernels
  std::string lock;           // file that is locked while kernels of the cache may be needed; or nothing
  std::string compiler;       // g++
  std::string flags;          // added to every compilation of kernels
  std::string device_headers; // folder of cuda_on_cpu.h
  std::string libraries;      // folder of the library that kernels are linked with
  std::string blas;           // the shared object of a BLAS, or nothing
  std::string check;          // bounds, races, memory, trace or nothing
  std::string report;         // file for findings, one line of JSON each; or nothing
  int schedule = 0;           // order of threads and blocks: 0 forward, 1 backward, otherwise a seed
  int workers = 1;            // operating-system threads that share the blocks of a kernel
  size_t memory = 0;          // bytes of device memory
};

const Settings& settings();

}  // namespace gpunet_emulator
