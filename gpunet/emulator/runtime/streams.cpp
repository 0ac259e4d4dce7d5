// Streams and events. Every call is finished before it returns, so a stream holds nothing and an event is a time.
#include <chrono>

#include "errors.h"

struct ihipStream_t {
  unsigned flags = 0;
  int priority = 0;
};

struct ihipEvent_t {
  std::chrono::steady_clock::time_point time;
  bool recorded = false;
};

using namespace gpunet_emulator;

GPUNET_EXPORT hipError_t hipDeviceSynchronize() {
  GPUNET_REQUIRE_DEVICE();
  return hipSuccess;
}

GPUNET_EXPORT hipError_t hipStreamCreateWithPriority(hipStream_t* stream, unsigned flags, int priority) {
  GPUNET_REQUIRE_DEVICE();
  *stream = new ihipStream_t{flags, priority};
  return hipSuccess;
}

GPUNET_EXPORT hipError_t hipStreamCreateWithFlags(hipStream_t* stream, unsigned flags) {
  GPUNET_REQUIRE_DEVICE();
  *stream = new ihipStream_t{flags, 0};
  return hipSuccess;
}

GPUNET_EXPORT hipError_t hipStreamCreate(hipStream_t* stream) {
  GPUNET_REQUIRE_DEVICE();
  *stream = new ihipStream_t;
  return hipSuccess;
}

GPUNET_EXPORT hipError_t hipStreamDestroy(hipStream_t stream) {
  delete stream;
  return hipSuccess;
}

namespace {

// Null and the small numbers that stand for the default streams are no objects.
bool is_object(hipStream_t stream) { return reinterpret_cast<uintptr_t>(stream) > 16; }

}  // namespace

GPUNET_EXPORT hipError_t hipStreamGetFlags(hipStream_t stream, unsigned* flags) {
  GPUNET_REQUIRE_DEVICE();
  *flags = is_object(stream) ? stream->flags : 0;
  return hipSuccess;
}

GPUNET_EXPORT hipError_t hipStreamGetPriority(hipStream_t stream, int* priority) {
  GPUNET_REQUIRE_DEVICE();
  *priority = is_object(stream) ? stream->priority : 0;
  return hipSuccess;
}

GPUNET_EXPORT int hipGetStreamDeviceId(hipStream_t) { return 0; }

GPUNET_EXPORT hipError_t hipStreamSynchronize(hipStream_t) {
  GPUNET_REQUIRE_DEVICE();
  return hipSuccess;
}

GPUNET_EXPORT hipError_t hipStreamQuery(hipStream_t) {
  GPUNET_REQUIRE_DEVICE();
  return hipSuccess;
}

GPUNET_EXPORT hipError_t hipStreamWaitEvent(hipStream_t, hipEvent_t, unsigned) {
  GPUNET_REQUIRE_DEVICE();
  return hipSuccess;
}

// Graph capture is not there (hipStreamBeginCapture is a stub that fails), so no stream is ever capturing.
GPUNET_EXPORT hipError_t hipStreamIsCapturing(hipStream_t, int* status) {
  GPUNET_REQUIRE_DEVICE();
  *status = 0;
  return hipSuccess;
}

// What was put into the stream before has already run, so the host's function is called at once.
GPUNET_EXPORT hipError_t hipStreamAddCallback(hipStream_t stream, void (*callback)(hipStream_t, hipError_t, void*),
                                              void* data, unsigned) {
  GPUNET_REQUIRE_DEVICE();
  callback(stream, hipSuccess, data);
  return hipSuccess;
}

GPUNET_EXPORT hipError_t hipLaunchHostFunc(hipStream_t, void (*function)(void*), void* data) {
  GPUNET_REQUIRE_DEVICE();
  function(data);
  return hipSuccess;
}

GPUNET_EXPORT hipError_t hipEventCreateWithFlags(hipEvent_t* event, unsigned) {
  GPUNET_REQUIRE_DEVICE();
  *event = new ihipEvent_t;
  return hipSuccess;
}

GPUNET_EXPORT hipError_t hipEventCreate(hipEvent_t* event) {
  GPUNET_REQUIRE_DEVICE();
  *event = new ihipEvent_t;
  return hipSuccess;
}

GPUNET_EXPORT hipError_t hipEventDestroy(hipEvent_t event) {
  delete event;
  return hipSuccess;
}

GPUNET_EXPORT hipError_t hipEventRecord(hipEvent_t event, hipStream_t) {
  GPUNET_REQUIRE_DEVICE();
  if (!event) return finished(hipErrorInvalidHandle);
  event->time = std::chrono::steady_clock::now();
  event->recorded = true;
  return hipSuccess;
}

GPUNET_EXPORT hipError_t hipEventSynchronize(hipEvent_t) {
  GPUNET_REQUIRE_DEVICE();
  return hipSuccess;
}

GPUNET_EXPORT hipError_t hipEventQuery(hipEvent_t) {
  GPUNET_REQUIRE_DEVICE();
  return hipSuccess;
}

GPUNET_EXPORT hipError_t hipEventElapsedTime(float* milliseconds, hipEvent_t start, hipEvent_t stop) {
  GPUNET_REQUIRE_DEVICE();
  if (!start || !stop || !start->recorded || !stop->recorded) return finished(hipErrorInvalidHandle);
  *milliseconds = std::chrono::duration<float, std::milli>(stop->time - start->time).count();
  return hipSuccess;
}
