#include "blas_library.h"

#include <dlfcn.h>

#include <cstdlib>

#include "errors.h"
#include "settings.h"

namespace gpunet_emulator {
namespace {

void* open_library() {
  if (settings().blas.empty()) {
    say("there is no BLAS for matrix products. Install one: pip install scipy-openblas32");
    return nullptr;
  }
  void* library = dlopen(settings().blas.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    say("cannot load the BLAS: " + std::string(dlerror()));
    return nullptr;
  }
  // Its own threads spin while they wait, against whatever else runs; blas_products.cpp shares the work instead.
  if (void* limit = dlsym(library, "scipy_openblas_set_num_threads")) reinterpret_cast<void (*)(int)>(limit)(1);
  return library;
}

void* library() {
  static void* const result = open_library();
  return result;
}

}  // namespace

bool memory_is_checked() { return settings().check == "memory"; }

bool blas_loaded() { return library() != nullptr; }

void* blas_symbol(const std::string& name) {
  void* symbol = library() ? dlsym(library(), ("scipy_" + name).c_str()) : nullptr;
  if (!symbol) {
    say("the BLAS " + settings().blas + " has no function scipy_" + name + ". Install scipy-openblas32 again");
    abort();
  }
  return symbol;
}

}  // namespace gpunet_emulator
