// Where a call stands in a kernel's source: as a function's last argument, GPUNET_CALLER is its caller's place.
//
// The column tells two calls on one line apart. Calls inside one macro's body have the place where the macro is used.
#pragma once

#if __cplusplus > 201703L
#include <source_location>
#else
// g++'s builtin gives the address of an object of this very type, which the library has from C++20 on.
namespace std {
struct source_location {
  struct __impl {
    const char* _M_file_name;
    const char* _M_function_name;
    unsigned _M_line, _M_column;
  };
};
}  // namespace std
#endif

namespace gpunet_emulator {

// The same members; the library's own are private.
struct SourcePlace {
  const char* file;
  const char* function;
  unsigned line, column;
};

inline bool on_one_line(const SourcePlace& a, const SourcePlace& b) {
  return a.line == b.line && __builtin_strcmp(a.file, b.file) == 0;
}
inline bool operator==(const SourcePlace& a, const SourcePlace& b) { return a.column == b.column && on_one_line(a, b); }

}  // namespace gpunet_emulator

// An object of the shared object that the kernel is in, so its address stays good throughout a launch.
#define GPUNET_CALLER const void* caller = __builtin_source_location()
#define GPUNET_CALLERS_PLACE (*(const ::gpunet_emulator::SourcePlace*)caller)
