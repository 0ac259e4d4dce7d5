// Modules of compiled kernels, and their launches.
#include <dlfcn.h>

#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "../device/launch.h"
#include "errors.h"
#include "kernel_image.h"
#include "limits.h"
#include "report.h"
#include "settings.h"

using gpunet_emulator::Launch;

struct ihipModuleSymbol_t {
  std::string name;
  const char* (*launch)(const Launch*) = nullptr;
  const gpunet_emulator::KernelPlace* place = nullptr;
  size_t shared_limit = gpunet_emulator::SHARED_BYTES;
};

struct ihipModule_t {
  void* library = nullptr;
  std::map<std::string, std::unique_ptr<ihipModuleSymbol_t>> kernels;
};

using namespace gpunet_emulator;

namespace {

std::mutex modules_mutex;

hipError_t load(hipModule_t* module, const std::string& path) {
  // The same object may be loaded twice, and each module has its own __constant__ memory: but that is what a copy of
  // the file would give, and programs that need it are not known. RTLD_LOCAL keeps equal names of two modules apart.
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    say("cannot load the compiled kernel " + path + ": " + dlerror());
    return hipErrorInvalidImage;
  }
  *module = new ihipModule_t{library, {}};
  return hipSuccess;
}

bool fits(unsigned size, int maximum) { return size > 0 && size <= unsigned(maximum); }

template <class T> std::string product(const T* sizes) {
  return std::to_string(sizes[0]) + " x " + std::to_string(sizes[1]) + " x " + std::to_string(sizes[2]);
}

// What is wrong with the sizes of a launch; nothing if they can be had.
std::string wrong_geometry(const unsigned* grid, const unsigned* block) {
  size_t threads = size_t(block[0]) * block[1] * block[2];
  bool good_grid = true, good_block = threads <= MAXIMUM_THREADS;
  for (int axis = 0; axis < 3; axis++) {
    good_grid &= fits(grid[axis], MAXIMUM_GRID[axis]);
    good_block &= fits(block[axis], MAXIMUM_BLOCK[axis]);
  }
  if (!good_block)
    return "a block of " + product(block) + " threads was asked for; a block has 1 to " +
           std::to_string(MAXIMUM_THREADS) + " threads, along each axis at most " + product(MAXIMUM_BLOCK);
  if (!good_grid)
    return "a grid of " + product(grid) + " blocks was asked for; along each axis a grid has at least 1 and at most " +
           product(MAXIMUM_GRID);
  return "";
}

// The wheel's CuPy cannot set a kernel's max_dynamic_shared_size_bytes, without which a GPU would stop at SHARED_BYTES:
// so every kernel counts as one that has asked.
std::string wrong_shared_memory(size_t bytes) {
  if (bytes <= MAXIMUM_SHARED_BYTES) return "";
  return std::to_string(bytes) + " bytes of dynamic shared memory were asked for; a block has at most " +
         std::to_string(MAXIMUM_SHARED_BYTES);
}

}  // namespace

GPUNET_EXPORT hipError_t hipModuleLoadData(hipModule_t* module, const void* image) {
  GPUNET_REQUIRE_DEVICE();
  std::string path = path_of_image(static_cast<const char*>(image));
  if (path.empty()) {
    say("this module is no kernel compiled by the CPU device: it cannot run precompiled device code");
    return finished(hipErrorInvalidImage);
  }
  return finished(load(module, path));
}

// RawModule(path=...) of a file that was compiled for a GPU.
GPUNET_EXPORT hipError_t hipModuleLoad(hipModule_t*, const char* path) {
  GPUNET_REQUIRE_DEVICE();
  say(std::string(path) + " was compiled for a GPU, which the CPU device cannot run: give RawModule its source");
  return finished(hipErrorInvalidImage);
}

GPUNET_EXPORT hipError_t hipModuleUnload(hipModule_t module) {
  if (!module) return finished(hipErrorInvalidHandle);
  dlclose(module->library);
  delete module;
  return hipSuccess;
}

GPUNET_EXPORT hipError_t hipModuleGetFunction(hipFunction_t* function, hipModule_t module, const char* name) {
  GPUNET_REQUIRE_DEVICE();
  if (!module) return finished(hipErrorInvalidHandle);
  std::lock_guard lock(modules_mutex);
  std::unique_ptr<ihipModuleSymbol_t>& kernel = module->kernels[name];
  if (!kernel) {
    void* launch = dlsym(module->library, launcher_name(name).c_str());
    void* place = dlsym(module->library, place_name(name).c_str());
    if (!launch || !place) {
      say(std::string("there is no kernel ") + name + " in this module; is it declared extern \"C\"?");
      return finished(hipErrorNotFound);
    }
    kernel = std::make_unique<ihipModuleSymbol_t>();
    kernel->name = name;
    kernel->launch = reinterpret_cast<const char* (*)(const Launch*)>(launch);
    kernel->place = static_cast<const KernelPlace*>(place);
  }
  *function = kernel.get();
  return hipSuccess;
}

GPUNET_EXPORT hipError_t hipModuleGetGlobal(void** address, size_t* bytes, hipModule_t module, const char* name) {
  GPUNET_REQUIRE_DEVICE();
  if (!module) return finished(hipErrorInvalidHandle);
  void* found = dlsym(module->library, name);
  if (!found) return finished(hipErrorNotFound);
  *address = found;
  if (bytes) *bytes = bytes_of_symbol(found);
  return hipSuccess;
}

// Numbers of hipFuncAttribute. What g++ does not tell is answered with 0 (local memory, static shared memory).
GPUNET_EXPORT hipError_t hipFuncGetAttribute(int* value, int attribute, hipFunction_t function) {
  GPUNET_REQUIRE_DEVICE();
  if (!function) return finished(hipErrorInvalidHandle);
  switch (attribute) {
    case 0: *value = MAXIMUM_THREADS; break;
    case 4: *value = 32; break;  // registers: CuPy only shows it
    case 8: *value = int(function->shared_limit); break;
    default: *value = 0; break;
  }
  return hipSuccess;
}

GPUNET_EXPORT hipError_t hipFuncSetAttribute(hipFunction_t function, int attribute, int value) {
  GPUNET_REQUIRE_DEVICE();
  constexpr int MAXIMUM_DYNAMIC_SHARED = 8, PREFERRED_CARVEOUT = 9;
  if (!function) return finished(hipErrorInvalidHandle);
  if (attribute == PREFERRED_CARVEOUT) return hipSuccess;
  if (attribute != MAXIMUM_DYNAMIC_SHARED || value < 0 || size_t(value) > MAXIMUM_SHARED_BYTES)
    return finished(hipErrorInvalidValue);
  function->shared_limit = size_t(value);
  return hipSuccess;
}

GPUNET_EXPORT hipError_t hipModuleLaunchKernel(hipFunction_t function, unsigned grid_x, unsigned grid_y,
                                               unsigned grid_z, unsigned block_x, unsigned block_y, unsigned block_z,
                                               unsigned shared_bytes, hipStream_t, void** arguments, void** extra) {
  GPUNET_REQUIRE_DEVICE();
  if (!function) return finished(hipErrorInvalidHandle);
  if (extra) return finished(hipErrorNotSupported);
  Launch launch{};
  const unsigned grid[3] = {grid_x, grid_y, grid_z}, block[3] = {block_x, block_y, block_z};
  memcpy(launch.grid, grid, sizeof grid);
  memcpy(launch.block, block, sizeof block);
  auto refused = [=](hipError_t error, const std::string& why) {
    return finished(error, std::string("kernel ") + function->place->kernel + ": " + why);
  };
  if (std::string wrong = wrong_geometry(grid, block); !wrong.empty())
    return refused(hipErrorInvalidConfiguration, wrong);
  if (std::string wrong = wrong_shared_memory(shared_bytes); !wrong.empty())
    return refused(hipErrorInvalidValue, wrong);
  launch.shared_bytes = shared_bytes;
  launch.arguments = arguments;
  launch.kernel = function->place->kernel;
  launch.file = function->place->file;
  launch.line = function->place->line;
  launch.schedule = settings().schedule;
  launch.workers = settings().workers;
  launch.fibers = function->place->fibers;
  count_launch();
  if (const char* message = function->launch(&launch)) {
    report_failed_launch(launch, message);
    fail_device(hipErrorLaunchFailure, std::string("kernel ") + launch.kernel + " (" + launch.file + ":" +
                                           std::to_string(launch.line) + "): " + message);
    return finished(hipErrorLaunchFailure);
  }
  return hipSuccess;
}

GPUNET_EXPORT hipError_t hipOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, const void*, int threads, size_t) {
  GPUNET_REQUIRE_DEVICE();
  if (!fits(unsigned(threads), MAXIMUM_THREADS)) return finished(hipErrorInvalidValue);
  *blocks = MAXIMUM_RESIDENT_THREADS / threads;
  return hipSuccess;
}

GPUNET_EXPORT hipError_t hipOccupancyMaxPotentialBlockSize(int* grid, int* block, const void*, size_t, int limit) {
  GPUNET_REQUIRE_DEVICE();
  *block = limit > 0 && limit < MAXIMUM_THREADS ? limit : MAXIMUM_THREADS;
  *grid = settings().workers * (MAXIMUM_RESIDENT_THREADS / *block);
  return hipSuccess;
}
