#include "shared_memory.h"

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "context.h"
#include "sanitizers.h"

namespace gpunet_emulator {

namespace {

constexpr size_t kMostBytes = 256 * 1024;  // no GPU gives a block more than 228 KB
constexpr char kSectionPrefix[] = "gpunet_shared_";  // see __shared__ in keywords.h

struct SharedMemory {
  char* arena = nullptr;
  size_t dynamic_bytes = 0;
  std::vector<MemoryRange> arrays;  // static ones
};
thread_local SharedMemory memory;

// Static shared memory in a loaded object's file: the sections of __shared__; and, since g++ gives the variables of
// templates no section of one's own choice, the writable variables inside templates, which are weak symbols.
std::vector<MemoryRange> arrays_in(const char* text, char* base) {
  std::vector<MemoryRange> ranges;
  const Elf64_Ehdr* header = (const Elf64_Ehdr*)text;
  const Elf64_Shdr* sections = (const Elf64_Shdr*)(text + header->e_shoff);
  const char* names = text + sections[header->e_shstrndx].sh_offset;
  for (int i = 0; i < header->e_shnum; i++) {
    const Elf64_Shdr& section = sections[i];
    if ((section.sh_flags & SHF_ALLOC) && strncmp(names + section.sh_name, kSectionPrefix, strlen(kSectionPrefix)) == 0)
      ranges.push_back({base + section.sh_addr, base + section.sh_addr + section.sh_size});
    if (section.sh_type != SHT_SYMTAB) continue;
    const Elf64_Sym* symbols = (const Elf64_Sym*)(text + section.sh_offset);
    const char* symbol_names = text + sections[section.sh_link].sh_offset;
    for (size_t k = 0; k < section.sh_size / sizeof(Elf64_Sym); k++) {
      const Elf64_Sym& symbol = symbols[k];
      if (ELF64_ST_TYPE(symbol.st_info) != STT_OBJECT || ELF64_ST_BIND(symbol.st_info) == STB_LOCAL ||
          symbol.st_shndx >= header->e_shnum || strncmp(symbol_names + symbol.st_name, "_ZZ", 3) != 0)
        continue;
      const Elf64_Shdr& home = sections[symbol.st_shndx];
      const bool listed = strncmp(names + home.sh_name, kSectionPrefix, strlen(kSectionPrefix)) == 0;
      if ((home.sh_flags & SHF_WRITE) && !(home.sh_flags & SHF_TLS) && !listed)
        ranges.push_back({base + symbol.st_value, base + symbol.st_value + symbol.st_size});
    }
  }
  return ranges;
}

std::vector<MemoryRange> read_arrays(const char* path, char* base) {
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  struct stat status;
  if (file < 0) return {};
  if (fstat(file, &status) != 0) status.st_size = 0;
  void* mapped = status.st_size ? mmap(nullptr, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, file, 0) : MAP_FAILED;
  close(file);
  if (mapped == MAP_FAILED) return {};
  std::vector<MemoryRange> ranges = arrays_in((const char*)mapped, base);
  munmap(mapped, (size_t)status.st_size);
  return ranges;
}

// Looked up at every launch: another object may have been loaded where an earlier one was.
std::vector<MemoryRange> static_arrays(const void* code) {
  static thread_local std::map<void*, std::pair<std::string, std::vector<MemoryRange>>> known;
  Dl_info info;
  if (dladdr(code, &info) == 0 || info.dli_fname == nullptr) return {};
  auto& entry = known[info.dli_fbase];
  if (entry.first != info.dli_fname) entry = {info.dli_fname, read_arrays(info.dli_fname, (char*)info.dli_fbase)};
  return entry.second;
}

// Not memset: a sanitizer would judge it by the bytes that it keeps unused behind each array.
void fill(char* begin, char* end) {
  size_t bytes = (size_t)(end - begin);
  asm volatile("rep stosb" : "+D"(begin), "+c"(bytes) : "a"(kNeverWritten) : "memory");
}

}  // namespace

char* prepare_shared_memory(size_t bytes, const void* code) {
  if (bytes > kMostBytes) return nullptr;
  if (memory.arena == nullptr) {
    const size_t guard = (size_t)sysconf(_SC_PAGESIZE);
    void* mapped = mmap(nullptr, kMostBytes + guard, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) return nullptr;
    mprotect((char*)mapped + kMostBytes, guard, PROT_NONE);
    memory.arena = (char*)mapped;
  }
  memory.dynamic_bytes = bytes;
  const size_t rounded = (bytes + 15) & ~(size_t)15;  // as aligned as the widest vector type
  // Under the check the memory stands amid poisoned bytes, so that an access just outside is found, and survived.
  char* begin = memory.arena + (bounds_are_checked() ? kMostBytes / 2 - rounded / 2 / 16 * 16 : kMostBytes - rounded);
  if (bounds_are_checked()) {
    if (bytes > kMostBytes - 4096) return nullptr;
    __asan_poison_memory_region(memory.arena, kMostBytes);
    __asan_unpoison_memory_region(begin, bytes);
  }
  context.dynamic_shared = begin;
  memory.arrays = static_arrays(code);
  return begin;
}

void clear_shared_memory() {
  MemoryRange ranges[kMostSharedRanges];
  const size_t count = shared_memory_ranges(ranges, kMostSharedRanges);
  for (size_t i = 0; i < count; i++) {
    forget_accesses(ranges[i].begin, (size_t)(ranges[i].end - ranges[i].begin));
    fill(ranges[i].begin, ranges[i].end);
  }
}

size_t shared_memory_ranges(MemoryRange* ranges, size_t room) {
  size_t count = 0;
  if (memory.dynamic_bytes != 0)
    ranges[count++] = {context.dynamic_shared, context.dynamic_shared + memory.dynamic_bytes};
  for (const MemoryRange& range : memory.arrays)
    if (count < room) ranges[count++] = range;
  return count;
}

}  // namespace gpunet_emulator
