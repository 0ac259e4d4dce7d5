#include "kernel_image.h"

#include <dlfcn.h>
#include <link.h>

#include <cstring>

namespace gpunet_emulator {
namespace {

constexpr char MARK[] = "gpunet emulator kernel:";

}  // namespace

std::string image_of_path(const std::string& path) { return MARK + path; }

std::string path_of_image(const char* image) {
  size_t length = strlen(MARK);
  return image && strncmp(image, MARK, length) == 0 ? image + length : "";
}

size_t bytes_of_symbol(const void* address) {
  Dl_info info;
  const ElfW(Sym)* symbol = nullptr;
  if (!dladdr1(address, &info, const_cast<void**>(reinterpret_cast<const void**>(&symbol)), RTLD_DL_SYMENT)) return 0;
  return symbol ? size_t(symbol->st_size) : 0;
}

}  // namespace gpunet_emulator
