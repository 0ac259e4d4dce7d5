#include "compilation.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "../device/source_rewriting.h"
#include "errors.h"
#include "kernel_scanner.h"
#include "process.h"
#include "settings.h"

namespace gpunet_emulator {
namespace {

// Behind the header, in front of the user's source. KernelPlace is as kernel_image.h has it.
constexpr char PROLOGUE[] = R"(
namespace gpunet_emulator {
struct KernelPlace { const char* kernel; const char* file; int line; bool fibers; };
}
#define GPUNET_KERNEL(name, lines, fibers) GPUNET_KERNEL_OF(name, name, #name, __FILE__, __LINE__ - (lines), fibers)
#define GPUNET_KERNEL_OF(symbol, function, text, file, line, fibers) GPUNET_PLACE_OF(symbol, text, file, line, fibers) \
  extern "C" const char* gpunet_launch_##symbol(const gpunet_emulator::Launch* launch) { \
    return gpunet_emulator::run<function>(*launch); \
  }
#define GPUNET_PLACE_OF(symbol, text, file, line, fibers) \
  extern "C" const gpunet_emulator::KernelPlace gpunet_place_##symbol = {text, file, line, fibers};
)";

bool starts_with(const std::string& text, const std::string& start) { return text.rfind(start, 0) == 0; }

bool exists(const std::string& path) { return access(path.c_str(), R_OK) == 0; }

// A string literal with this content.
std::string literal(const std::string& text) {
  std::string result = "\"";
  for (char letter : text) {
    if (letter == '"' || letter == '\\') result += '\\';
    result += letter;
  }
  return result + "\"";
}

std::vector<std::string> split(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

// The language is never older than the header's own.
std::string language(const std::vector<std::string>& options) {
  std::string result = "-std=c++17";
  for (const std::string& option : options) {
    size_t sign = option.find("std=");
    if (sign == std::string::npos || sign > 2) continue;
    std::string version = option.substr(sign + 4);
    if (version == "c++20" || version == "c++23" || version == "c++2a") result = "-std=" + version;
  }
  return result;
}

// Options of the same meaning to g++: include folders and macros. The rest is about GPUs, their architecture and
// optimisation, and changes no result. Both spellings, "-I folder" and "-Ifolder", are known to NVRTC.
std::vector<std::string> user_options(const std::vector<std::string>& options) {
  std::vector<std::string> result;
  for (size_t i = 0; i < options.size(); i++) {
    std::string option = options[i];
    if (starts_with(option, "--include-path=")) option = "-I" + option.substr(15);
    if (starts_with(option, "--define-macro=")) option = "-D" + option.substr(15);
    if (starts_with(option, "--undefine-macro=")) option = "-U" + option.substr(17);
    bool wanted = starts_with(option, "-I") || starts_with(option, "-D") || starts_with(option, "-U");
    if (!wanted) continue;
    if (option.size() == 2 && i + 1 < options.size()) option += options[++i];
    // CuPy also names folders that only a real ROCm has.
    if (starts_with(option, "-I") && !exists(option.substr(2))) continue;
    result.push_back(option);
  }
  return result;
}

std::vector<std::string> base_command(const std::vector<std::string>& options) {
  std::vector<std::string> command = {
      settings().compiler, language(options), "-O2", "-fPIC", "-pthread", "-pipe", "-w", "-fpermissive",
      // Without a*b+c in one rounding, which compilers may choose or not: results depend on the source alone.
      "-ffp-contract=off",
      // CUDA programs reinterpret memory and let integers wrap around.
      "-fno-strict-aliasing", "-fwrapv", "-fdiagnostics-color=never", "-fno-diagnostics-show-caret",
      // Statics of templates, shared memory among them, belong to one module, not to the process.
      "-fno-gnu-unique",
      // A module calls its own functions: they may be inlined.
      "-fno-semantic-interposition", "-D__HIPCC_RTC__"};
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2"))
    command.push_back("-march=x86-64-v3");
  for (const std::string& flag : split(settings().flags)) command.push_back(flag);
  return command;
}

// Until this process ends nothing is pruned from the cache (gpunet/emulator/pruning.py wants the lock for itself alone):
// what it has found there it may load at any time. Taken when this library is loaded.
[[maybe_unused]] const bool cache_is_kept = [] {
  if (settings().lock.empty()) return false;
  int file = open(settings().lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  return file >= 0 && flock(file, LOCK_SH) == 0;
}();

// Pruning takes what was not used for longest.
void mark_as_used(const std::string& path) { utimensat(AT_FDCWD, path.c_str(), nullptr, 0); }

// Two processes may write the same file: each writes its own and renames it.
std::string temporary_name(const std::string& path) {
  static std::atomic<int> count{0};
  return path + "." + std::to_string(getpid()) + "." + std::to_string(count++) + ".tmp";
}

void make_folder(const std::string& path) {
  for (size_t slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1))
    mkdir(path.substr(0, slash).c_str(), 0777);
  mkdir(path.c_str(), 0777);
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += word + '\n';
  return text;
}

// FNV-1a in 128 bits: far too many values for two sources to meet by chance.
std::string hash(const std::string& text) {
  unsigned __int128 value = (static_cast<unsigned __int128>(0x6c62272e07bb0142ULL) << 64) | 0x62b821756295c58dULL;
  const unsigned __int128 prime = (static_cast<unsigned __int128>(1) << 88) | 0x13b;
  for (unsigned char byte : text) value = (value ^ byte) * prime;
  char digits[33];
  snprintf(digits, sizeof digits, "%016llx%016llx", static_cast<unsigned long long>(value >> 64),
           static_cast<unsigned long long>(value));
  return digits;
}

// The lines that nearly every kernel of CuPy's own begins with: #include of its headers.
std::string preamble(const std::string& source) {
  size_t end = 0;
  while (source.compare(end, 15, "#include <cupy/") == 0) {
    size_t next = source.find('\n', end);
    if (next == std::string::npos) break;
    end = next + 1;
  }
  return source.substr(0, end);
}

// With these g++ would take the header for one of several inputs, and link.
bool is_for_linker(const std::string& flag) {
  return starts_with(flag, "-l") || starts_with(flag, "-Wl,") || flag == "-nodefaultlibs";
}

// A header that g++ has already read: the device header and, for CuPy's own kernels, CuPy's headers. Returns the folder
// of prefix.h. Where it cannot be read again, as after other -D options, g++ reads the text instead.
std::string precompiled_header(const std::vector<std::string>& command, const std::vector<std::string>& own,
                               const std::string& preamble) {
  std::string key = joined(command) + (preamble.empty() ? "" : joined(own) + preamble);
  std::string folder = settings().cache + "/headers/" + hash(key);
  std::string header = folder + "/prefix.h", compiled = header + ".gch";
  if (exists(compiled)) {
    mark_as_used(compiled);
    return folder;
  }
  make_folder(folder);
  std::string temporary = temporary_name(compiled), temporary_text = temporary_name(header);
  std::ofstream(temporary_text) << "#include \"cuda_on_cpu.h\"\n" << preamble;
  rename(temporary_text.c_str(), header.c_str());
  std::vector<std::string> words;
  for (const std::string& word : command)
    if (!is_for_linker(word)) words.push_back(word);
  words.push_back("-I" + settings().device_headers);
  if (!preamble.empty()) words.insert(words.end(), own.begin(), own.end());
  for (const std::string& word : {std::string("-x"), std::string("c++-header"), header, std::string("-o"), temporary})
    words.push_back(word);
  if (run_process(words).status == 0)
    rename(temporary.c_str(), compiled.c_str());
  else
    unlink(temporary.c_str());
  return folder;
}

// The source with the user's own headers in it: they may change while the source does not. Nothing when g++ finds none
// of them, which the compilation then says.
std::string preprocessed(const std::vector<std::string>& command, const std::vector<std::string>& own,
                         const std::string& source) {
  std::string path = temporary_name(settings().cache + "/preprocessed") + ".cpp";
  std::ofstream(path) << source;
  std::vector<std::string> words = command;
  words.insert(words.end(), own.begin(), own.end());
  for (const std::string& word : {"-I" + settings().device_headers, std::string("-E"), std::string("-P"), path})
    words.push_back(word);
  Outcome outcome = run_process(words);
  unlink(path.c_str());
  return outcome.status == 0 ? outcome.output : "";
}

// Kernels of CuPy's own that give wrong results unless a warp's threads run in step, which CUDA does not promise since
// compute capability 7.0 and this device does not do. A wrong result must not pass silently: they do not compile.
std::string refusal(const std::string& source) {
  if (source.find("__global__ void argpartition_kernel(") == std::string::npos) return "";
  return "gpunet emulate: error: CuPy's argpartition counts on the threads of a warp running in step, without "
         "__syncwarp; the CPU device runs them one after the other. Use argsort";
}

// The kernel that an expression such as "&space::f<float, 3>" names.
std::string base_name(const std::string& expression) {
  std::string name = expression.substr(0, expression.find('<'));
  size_t begin = name.find_last_of(": &(\t");
  name = begin == std::string::npos ? name : name.substr(begin + 1);
  return name.substr(0, name.find_last_not_of(" )\t") + 1);
}

std::string launchers(const ScannedSource& scanned, const std::vector<std::string>& expressions) {
  std::string text;
  for (size_t i = 0; i < expressions.size(); i++) {
    FoundKernel kernel;
    kernel.fibers = true;
    kernel.file = "kernel.cu";
    for (const FoundKernel& found : scanned.kernels)
      if (found.name == base_name(expressions[i])) kernel = found;
    text += "\n#line 1 \"name expression " + std::to_string(i) + "\"\n";
    // The expression may hold commas, so it cannot be a macro's argument.
    text += "extern \"C\" const char* gpunet_launch_" + expression_kernel(i) +
            "(const gpunet_emulator::Launch* launch) { return gpunet_emulator::run<" + expressions[i] +
            ">(*launch); }\n";
    text += "GPUNET_PLACE_OF(" + expression_kernel(i) + ", " + literal(expressions[i]) + ", " + literal(kernel.file) +
            ", " + std::to_string(kernel.line) + ", " + (kernel.fibers ? "true" : "false") + ")\n";
  }
  return text;
}

}  // namespace

std::string expression_kernel(size_t index) { return "expression_" + std::to_string(index); }

Compilation compile_kernels(const std::string& source, const std::string& name, const std::vector<std::string>& options,
                            const std::vector<std::string>& expressions) {
  Compilation result;
  result.log = refusal(source);
  if (!result.log.empty()) return result;
  std::string file = name.empty() ? "kernel.cu" : name;
  ScannedSource scanned = scan_source(rewrite_source(source), file);
  std::string text = "#include \"prefix.h\"" + std::string(PROLOGUE) + "#line 1 " + literal(file) + "\n" +
                     scanned.text + launchers(scanned, expressions);
  std::vector<std::string> command = base_command(options);
  std::vector<std::string> own = user_options(options);
  std::string content = joined(command) + joined(own) + preamble(source) + text;
  if (scanned.foreign_header) content += preprocessed(command, own, source);
  std::string key = hash(content);
  std::string folder = settings().cache + "/kernels/" + key.substr(0, 2);
  result.path = folder + "/" + key + ".so";
  if (exists(result.path)) {
    mark_as_used(result.path);
    result.succeeded = true;
    return result;
  }
  make_folder(folder);
  std::string temporary = temporary_name(result.path), temporary_source = temporary + ".cpp";
  if (!(std::ofstream(temporary_source) << text).flush()) {
    result.log = "cannot write " + temporary_source + ": is the disk full?";
    return result;
  }
  std::vector<std::string> words = command;
  words.push_back("-I" + precompiled_header(command, own, preamble(source)));
  words.push_back("-I" + settings().device_headers);
  words.insert(words.end(), own.begin(), own.end());
  for (const std::string& word : {std::string("-shared"), temporary_source, settings().libraries + "/libgpunet_device.so",
                                  std::string("-o"), temporary})
    words.push_back(word);
  Outcome outcome = run_process(words);
  result.log = outcome.output;
  result.succeeded = outcome.status == 0 && rename(temporary.c_str(), result.path.c_str()) == 0;
  unlink(temporary_source.c_str());
  if (!result.succeeded) unlink(temporary.c_str());
  return result;
}

}  // namespace gpunet_emulator
