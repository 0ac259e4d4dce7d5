// The one device: its number, limits and properties.
#include <cstdio>
#include <cstring>

#include "errors.h"
#include "limits.h"
#include "settings.h"

using namespace gpunet_emulator;

namespace {

constexpr int VERSION = 70051831;  // of HIP, as the wheel was built against

hipError_t judge(int device) { return device == 0 ? hipSuccess : hipErrorInvalidDevice; }

// hipDeviceProp_tR0600 in units of int: where each member that CuPy reads begins.
enum PropertyOffset {
  TOTAL_GLOBAL_MEMORY = 72,
  SHARED_MEMORY_PER_BLOCK = 74,
  REGISTERS_PER_BLOCK = 76,
  WARP_SIZE_OFFSET = 77,
  MEMORY_PITCH = 78,
  MAX_THREADS_PER_BLOCK = 80,
  MAX_THREADS_DIM = 81,
  MAX_GRID_SIZE = 84,
  CLOCK_RATE = 87,
  TOTAL_CONSTANT_MEMORY = 88,
  MAJOR = 90,
  MINOR = 91,
  MULTIPROCESSOR_COUNT = 97,
  INTEGRATED = 99,
  CAN_MAP_HOST_MEMORY = 100,
  CONCURRENT_KERNELS = 144,
  MEMORY_CLOCK_RATE = 152,
  MEMORY_BUS_WIDTH = 153,
  L2_CACHE_SIZE = 154,
  MAX_THREADS_PER_MULTIPROCESSOR = 156,
  MANAGED_MEMORY = 163,
  PAGEABLE_MEMORY_ACCESS = 168,
  CONCURRENT_MANAGED_ACCESS = 169,
  DIRECT_MANAGED_MEMORY_ACCESS = 177,
  ARCHITECTURE_NAME = 290,
  SHARED_MEMORY_PER_MULTIPROCESSOR = 354,
  PROPERTY_INTS = 368,
};

constexpr int CLOCK_KILOHERTZ = 1000000;

void put(int* properties, PropertyOffset offset, int value) { properties[offset] = value; }

void put_size(int* properties, PropertyOffset offset, size_t value) {
  memcpy(properties + offset, &value, sizeof value);
}

}  // namespace

GPUNET_EXPORT hipError_t hipGetDeviceCount(int* count) {
  *count = 1;
  return hipSuccess;
}

GPUNET_EXPORT hipError_t hipGetDevice(int* device) {
  *device = 0;
  return hipSuccess;
}

GPUNET_EXPORT hipError_t hipSetDevice(int device) { return finished(judge(device)); }

GPUNET_EXPORT hipError_t hipDriverGetVersion(int* version) {
  *version = VERSION;
  return hipSuccess;
}

GPUNET_EXPORT hipError_t hipRuntimeGetVersion(int* version) {
  *version = VERSION;
  return hipSuccess;
}

// CuPy asks with two numberings. Its C code uses HIP 7's, for the two numbers of the compute capability; its Python
// code (Device.attributes) an older one, for everything else. Where they collide, the compute capability wins.
GPUNET_EXPORT hipError_t hipDeviceGetAttribute(int* value, int attribute, int device) {
  if (judge(device) != hipSuccess) return finished(judge(device));
  switch (attribute) {
    case 23: *value = COMPUTE_CAPABILITY_MAJOR; break;  // in the older one: shared memory of a multiprocessor
    case 61: *value = COMPUTE_CAPABILITY_MINOR; break;
    case 0: *value = MAXIMUM_THREADS; break;
    case 1: case 2: case 3: *value = MAXIMUM_BLOCK[attribute - 1]; break;
    case 4: case 5: case 6: *value = MAXIMUM_GRID[attribute - 4]; break;
    case 7: *value = int(SHARED_BYTES); break;
    case 8: *value = int(CONSTANT_BYTES); break;
    case 9: *value = WARP_SIZE; break;
    case 10: *value = REGISTERS; break;
    case 11: case 12: *value = CLOCK_KILOHERTZ; break;
    case 13: *value = 64; break;                        // bits of the memory bus
    case 14: *value = settings().workers; break;        // multiprocessors
    case 16: *value = 1 << 20; break;                   // second-level cache
    case 17: *value = MAXIMUM_RESIDENT_THREADS; break;
    case 20: *value = 1; break;                         // concurrent kernels
    case 25: *value = 1; break;                         // integrated: host and device share their memory
    case 36: *value = 2147483647; break;                // pitch
    case 37: *value = 512; break;                       // alignment of textures
    case 38: *value = 32; break;
    case 40: case 47: case 48: case 49: case 50: *value = 1; break;  // mapped, managed and pageable memory
    default: *value = 0; break;                         // textures, pools, cooperation: not there
  }
  return hipSuccess;
}

GPUNET_EXPORT hipError_t hipGetDevicePropertiesR0600(int* properties, int device) {
  if (judge(device) != hipSuccess) return finished(judge(device));
  memset(properties, 0, PROPERTY_INTS * sizeof(int));
  snprintf(reinterpret_cast<char*>(properties), 256, "gpunet CPU device");
  snprintf(reinterpret_cast<char*>(properties + ARCHITECTURE_NAME), 256, "x86_64");
  put_size(properties, TOTAL_GLOBAL_MEMORY, settings().memory);
  put_size(properties, SHARED_MEMORY_PER_BLOCK, SHARED_BYTES);
  put(properties, REGISTERS_PER_BLOCK, REGISTERS);
  put(properties, WARP_SIZE_OFFSET, WARP_SIZE);
  put_size(properties, MEMORY_PITCH, 2147483647);
  put(properties, MAX_THREADS_PER_BLOCK, MAXIMUM_THREADS);
  memcpy(properties + MAX_THREADS_DIM, MAXIMUM_BLOCK, sizeof MAXIMUM_BLOCK);
  memcpy(properties + MAX_GRID_SIZE, MAXIMUM_GRID, sizeof MAXIMUM_GRID);
  put(properties, CLOCK_RATE, CLOCK_KILOHERTZ);
  put_size(properties, TOTAL_CONSTANT_MEMORY, CONSTANT_BYTES);
  put(properties, MAJOR, COMPUTE_CAPABILITY_MAJOR);
  put(properties, MINOR, COMPUTE_CAPABILITY_MINOR);
  put(properties, MULTIPROCESSOR_COUNT, settings().workers);
  put(properties, INTEGRATED, 1);
  put(properties, CAN_MAP_HOST_MEMORY, 1);
  put(properties, CONCURRENT_KERNELS, 1);
  put(properties, MEMORY_CLOCK_RATE, CLOCK_KILOHERTZ);
  put(properties, MEMORY_BUS_WIDTH, 64);
  put(properties, L2_CACHE_SIZE, 1 << 20);
  put(properties, MAX_THREADS_PER_MULTIPROCESSOR, MAXIMUM_RESIDENT_THREADS);
  put(properties, MANAGED_MEMORY, 1);
  put(properties, PAGEABLE_MEMORY_ACCESS, 1);
  put(properties, CONCURRENT_MANAGED_ACCESS, 1);
  put(properties, DIRECT_MANAGED_MEMORY_ACCESS, 1);
  put_size(properties, SHARED_MEMORY_PER_MULTIPROCESSOR, SHARED_BYTES_OF_MULTIPROCESSOR);
  return hipSuccess;
}

GPUNET_EXPORT hipError_t hipDeviceGetLimit(size_t* value, int limit) {
  constexpr size_t STACK_BYTES = 64 * 1024, PRINTF_BYTES = 1 << 20;
  *value = limit == 0 ? STACK_BYTES : limit == 1 ? PRINTF_BYTES : settings().memory;
  return hipSuccess;
}

GPUNET_EXPORT hipError_t hipDeviceGetPCIBusId(char* identifier, int length, int device) {
  if (judge(device) != hipSuccess) return finished(judge(device));
  snprintf(identifier, size_t(length), "0000:00:00.0");
  return hipSuccess;
}

GPUNET_EXPORT hipError_t hipDeviceGetByPCIBusId(int* device, const char*) {
  *device = 0;
  return hipSuccess;
}

GPUNET_EXPORT hipError_t hipDeviceCanAccessPeer(int* can, int, int) {
  *can = 0;
  return hipSuccess;
}
