#include "errors.h"

#include <dlfcn.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <mutex>

namespace gpunet_emulator {
namespace {

thread_local hipError_t last_error = hipSuccess, explained_error = hipSuccess;
thread_local std::string explanation;

std::atomic<hipError_t> device_failure{hipSuccess};
std::atomic<bool> refusal_pending{false};
std::mutex texts_mutex;
std::string failure_text, refusal_text;

struct Name {
  hipError_t error;
  const char* name;
  const char* text;
};

constexpr Name NAMES[] = {
    {hipSuccess, "hipSuccess", "no error"},
    {hipErrorInvalidValue, "hipErrorInvalidValue", "invalid argument"},
    {hipErrorOutOfMemory, "hipErrorOutOfMemory", "out of memory"},
    {hipErrorInvalidConfiguration, "hipErrorInvalidConfiguration", "invalid configuration argument"},
    {hipErrorInvalidSymbol, "hipErrorInvalidSymbol", "invalid device symbol"},
    {hipErrorInvalidDevicePointer, "hipErrorInvalidDevicePointer", "invalid device pointer"},
    {hipErrorInvalidDeviceFunction, "hipErrorInvalidDeviceFunction", "invalid device function"},
    {hipErrorNoDevice, "hipErrorNoDevice", "no device is detected"},
    {hipErrorInvalidDevice, "hipErrorInvalidDevice", "invalid device ordinal"},
    {hipErrorInvalidImage, "hipErrorInvalidImage", "device kernel image is invalid"},
    {hipErrorFileNotFound, "hipErrorFileNotFound", "file not found"},
    {hipErrorInvalidHandle, "hipErrorInvalidHandle", "invalid resource handle"},
    {hipErrorNotFound, "hipErrorNotFound", "named symbol not found"},
    {hipErrorIllegalAddress, "hipErrorIllegalAddress", "an illegal memory access was encountered"},
    {hipErrorLaunchOutOfResources, "hipErrorLaunchOutOfResources", "too many resources requested for launch"},
    {hipErrorPeerAccessNotEnabled, "hipErrorPeerAccessNotEnabled", "peer access has not been enabled"},
    {hipErrorLaunchFailure, "hipErrorLaunchFailure", "unspecified launch failure"},
    {hipErrorNotSupported, "hipErrorNotSupported", "operation not supported"},
    {hipErrorUnknown, "hipErrorUnknown", "unknown error"},
};

const Name& look_up(hipError_t error) {
  for (const Name& name : NAMES)
    if (name.error == error) return name;
  return NAMES[sizeof NAMES / sizeof *NAMES - 1];
}

// Whether the code at this address belongs to the two modules that turn every error into a Python exception.
bool raises_errors(const void* caller) {
  Dl_info info;
  if (!dladdr(caller, &info) || !info.dli_fname) return true;
  return strstr(info.dli_fname, "cupy_backends/cuda/api/") != nullptr;
}

}  // namespace

hipError_t finished(hipError_t error) {
  if (error == hipSuccess) return error;
  explained_error = hipSuccess;
  return last_error = error;
}

hipError_t finished(hipError_t error, const std::string& explained) {
  last_error = explained_error = error;
  explanation = explained;
  return error;
}

void say(const std::string& message) {
  std::string line = "gpunet emulate: " + message + "\n";
  if (write(STDERR_FILENO, line.data(), line.size()) < 0) return;  // nowhere to say so
}

void fail_device(hipError_t error, const std::string& message) {
  std::lock_guard lock(texts_mutex);
  if (device_failure != hipSuccess) return;
  failure_text = message;
  device_failure = error;
  say(message);
}

void refuse(const std::string& what) {
  std::lock_guard lock(texts_mutex);
  refusal_text = what;
  refusal_pending = true;
  say(what);
}

hipError_t obstacle(const void* caller) {
  hipError_t failure = device_failure;
  if (failure != hipSuccess) return failure;
  if (refusal_pending && raises_errors(caller) && refusal_pending.exchange(false)) return hipErrorNotSupported;
  return hipSuccess;
}

}  // namespace gpunet_emulator

using namespace gpunet_emulator;

GPUNET_EXPORT const char* hipGetErrorName(hipError_t error) { return look_up(error).name; }

// CuPy shows this text in the exception, so it says what failed or was refused, where that is known.
GPUNET_EXPORT const char* hipGetErrorString(hipError_t error) {
  static thread_local std::string text;
  text = look_up(error).text;
  if (error != hipSuccess && error == explained_error) text += ": " + explanation;
  std::lock_guard lock(texts_mutex);
  if (error != hipSuccess && error == device_failure) text += ": " + failure_text;
  if (error == hipErrorNotSupported && !refusal_text.empty()) text += ": " + refusal_text;
  return text.c_str();
}

GPUNET_EXPORT hipError_t hipPeekAtLastError() {
  hipError_t failure = device_failure;
  return failure != hipSuccess ? failure : last_error;
}

GPUNET_EXPORT hipError_t hipGetLastError() {
  hipError_t error = hipPeekAtLastError();
  last_error = hipSuccess;
  return error;
}

// What a generated stub for an entry point that is not implemented calls; `status` is what its library says for that.
GPUNET_EXPORT int gpunet_not_implemented(const char* name, int status) {
  {
    std::lock_guard lock(texts_mutex);
    refusal_text = std::string(name) + " is not implemented by the CPU device";
  }
  finished(hipErrorNotSupported);
  say(std::string(name) + " is not implemented by the CPU device; CuPy raises an error");
  return status;
}
