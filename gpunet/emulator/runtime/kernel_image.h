// What stands between a compiler of kernels and their loader: the image that CuPy carries from one to the other, and
// the names of the symbols inside the shared object.
#pragma once

#include <cstddef>
#include <string>

namespace gpunet_emulator {

// Every compiled kernel defines one of these beside its launcher; the generated source declares it with the same text.
struct KernelPlace {
  const char* kernel;
  const char* file;
  int line;
  bool fibers;  // it may meet barriers or warp operations
};

// The image is the path of the shared object behind a mark, ended by a zero byte.
std::string image_of_path(const std::string& path);
std::string path_of_image(const char* image);  // empty: this is no image of ours

inline std::string launcher_name(const std::string& kernel) { return "gpunet_launch_" + kernel; }
inline std::string place_name(const std::string& kernel) { return "gpunet_place_" + kernel; }

// Size of a variable of a loaded shared object.
size_t bytes_of_symbol(const void* address);

}  // namespace gpunet_emulator
