// What a call gives back: the error of this call, the one that made the device unusable, or a refusal of code that
// cannot run here.
#pragma once

#include <string>

#include "hip.h"

namespace gpunet_emulator {

// Remembers an error for hipGetLastError; returns it.
hipError_t finished(hipError_t error);

// The same, with what the exception that CuPy raises is to say: hipGetErrorString adds it, until the next error.
hipError_t finished(hipError_t error, const std::string& explanation);

// Writes one line to standard error, "gpunet emulate: ...".
void say(const std::string& message);

// A kernel failed: from now on every call fails, as on a GPU, where only a new process helps.
void fail_device(hipError_t error, const std::string& message);

// Something was asked for that this device does not have, from code that may not look at errors. The next call that
// CuPy makes itself gives back hipErrorNotSupported, which CuPy raises; so nothing computed from it can be used.
void refuse(const std::string& what);

// Why this call cannot be made: the device failed, or something was refused before. `caller` is the return address of
// the exported function: a refusal is told to CuPy's own wrappers, which raise, and not to precompiled code.
hipError_t obstacle(const void* caller);

}  // namespace gpunet_emulator

// The first line of every exported function that touches the device.
#define GPUNET_REQUIRE_DEVICE()                                                              \
  do {                                                                                       \
    hipError_t obstacle = gpunet_emulator::obstacle(__builtin_return_address(0));            \
    if (obstacle != hipSuccess) return gpunet_emulator::finished(obstacle);                  \
  } while (false)
