#include "kernel_scanner.h"

#include <map>
#include <set>
#include <sstream>

#include "tokens.h"

namespace gpunet_emulator {
namespace {

using Names = std::set<std::string>;

// Identifiers that take brackets in a function's declaration and are not its name.
const Names DECORATIONS = {"__launch_bounds__", "__attribute__", "__align__",    "alignas",  "decltype",
                           "__maxnreg__",       "__cluster_dims__", "__declspec", "noexcept", "requires"};

bool starts_with(const std::string& text, const char* start) { return text.rfind(start, 0) == 0; }

// A use of one of these can suspend a CUDA thread until others have come as far.
bool waits(const std::string& identifier) {
  for (const char* start : {"__sync", "__shfl", "__ballot", "__any", "__all", "__match", "__reduce_", "__activemask",
                            "cooperative_groups", "__barrier", "__nanosleep"})
    if (starts_with(identifier, start)) return true;
  return false;
}

// Headers that are known to hold no barriers.
bool harmless_header(const std::string& directive) {
  size_t open = directive.find_first_of("<\"");
  if (open == std::string::npos) return false;
  std::string name = directive.substr(open + 1, directive.find_first_of(">\"", open + 1) - open - 1);
  if (starts_with(name, "cupy/xsf")) return true;
  if (starts_with(name, "cupy/")) return name.find("cub") == std::string::npos;
  if (starts_with(name, "hip/") || starts_with(name, "cuda") || starts_with(name, "math")) return true;
  return name.find('/') == std::string::npos && name.find('.') == std::string::npos;  // <type_traits>
}

// One function, class or macro: its name and every identifier in its body.
struct Unit {
  std::string name;
  Names uses;
};

struct Scope {
  bool transparent = false;  // a namespace or extern "C": functions are defined inside
  bool extern_c = false;
};

// What #if has to remember, so that #else begins where #if did.
struct State {
  std::vector<Scope> scopes;
  std::vector<Token> header;  // since the last statement ended
  int brackets = 0;           // depth of ( and [
  int kernel = -1;            // the kernel whose body this is
  int kernel_line = 0;        // the physical line of its name
  int unit = -1;
};

class Scanner {
 public:
  Scanner(const std::string& source, std::string file, bool is_macro, int first_line)
      : source(source), file(std::move(file)), is_macro(is_macro), line_offset(first_line) {}

  void run();

  std::vector<FoundKernel> kernels;
  std::vector<Unit> units;
  std::map<size_t, std::string> insertions;  // at this position of the source
  bool foreign_header = false;

  static std::string marker(const std::string& name, int lines, int index) {
    return " GPUNET_KERNEL(" + name + ", " + std::to_string(lines) + ", GPUNET_FIBERS_" + std::to_string(index) + ")";
  }

 private:
  void directive(const Token& token);
  void macro(const Token& token);
  void open(const Token& token);
  void close(const Token& token);
  void begin_function();
  bool at_namespace_level() const { return state.scopes.empty() || state.scopes.back().transparent; }
  bool inside_extern_c() const { return !state.scopes.empty() && state.scopes.back().extern_c; }
  bool header_has(const char* identifier) const;
  int name_in_header() const;

  const std::string& source;
  std::string file;
  bool is_macro;
  int line_offset;  // line number that #line gives - physical line
  State state;
  std::vector<State> conditions;
};

bool Scanner::header_has(const char* identifier) const {
  for (const Token& token : state.header)
    if (token.kind == TokenKind::identifier && token.text == identifier) return true;
  return false;
}

// The token of the declared function's name: the first identifier with a bracket behind it.
int Scanner::name_in_header() const {
  int angles = 0;
  size_t begin = 0;
  for (size_t i = 0; i < state.header.size(); i++)
    if (state.header[i].text == "__global__") begin = i;
  for (size_t i = begin; i + 1 < state.header.size(); i++) {
    const std::string& text = state.header[i].text;
    if (text == "<") angles++;
    if (text == ">" && angles > 0) angles--;
    if (state.header[i].kind != TokenKind::identifier || state.header[i + 1].text != "(") continue;
    if (angles == 0 && !DECORATIONS.count(text)) return int(i);
    if (DECORATIONS.count(text)) {  // pass over its own brackets
      int depth = 0;
      for (i++; i < state.header.size(); i++) {
        if (state.header[i].text == "(") depth++;
        if (state.header[i].text == ")" && --depth == 0) break;
      }
    }
  }
  return -1;
}

void Scanner::begin_function() {
  int name = name_in_header();
  Unit unit;
  if (name >= 0) unit.name = state.header[size_t(name)].text;
  for (size_t i = 0; name < 0 && i + 1 < state.header.size(); i++)
    if (state.header[i].text == "struct" || state.header[i].text == "class") unit.name = state.header[i + 1].text;
  state.unit = int(units.size());
  units.push_back(unit);
  if (name < 0 || !header_has("__global__")) return;
  FoundKernel kernel;
  kernel.name = unit.name;
  kernel.templated = header_has("template");
  kernel.extern_c = inside_extern_c();
  for (const Token& token : state.header)
    if (token.kind == TokenKind::string && token.text == "\"C\"") kernel.extern_c = true;
  state.kernel_line = state.header[size_t(name)].line;
  kernel.line = state.kernel_line + line_offset;
  kernel.file = file;
  state.kernel = int(kernels.size());
  kernels.push_back(kernel);
}

void Scanner::open(const Token& token) {
  if (token.text != "{" || state.brackets > 0) {
    state.brackets += token.text != "{";
    state.header.push_back(token);
    return;
  }
  Scope scope;
  if (at_namespace_level()) {
    // Behind a macro that ends without a semicolon, there is more in front.
    size_t size = state.header.size();
    bool is_extern = size >= 2 && state.header[size - 2].text == "extern" &&
                     state.header[size - 1].kind == TokenKind::string;
    scope.transparent = is_extern || header_has("namespace");
    scope.extern_c = is_extern || inside_extern_c();
    if (!scope.transparent) begin_function();
  }
  state.scopes.push_back(scope);
  state.header.clear();
}

void Scanner::close(const Token& token) {
  if (token.text != "}" || state.brackets > 0) {
    if (token.text != "}" && state.brackets > 0) state.brackets--;
    state.header.push_back(token);
    return;
  }
  if (!state.scopes.empty()) state.scopes.pop_back();
  state.header.clear();
  if (!at_namespace_level()) return;
  if (state.kernel >= 0) {
    const FoundKernel& kernel = kernels[size_t(state.kernel)];
    if (kernel.extern_c && !kernel.templated)
      insertions[token.begin + 1] = marker(kernel.name, is_macro ? 0 : token.line - state.kernel_line, state.kernel);
  }
  state.kernel = state.unit = -1;
}

// A macro may define a kernel, and what it uses is used by whoever uses the macro.
void Scanner::macro(const Token& token) {
  Tokens tokens(token.text, false);
  tokens.next();  // '#'
  tokens.next();  // define
  Token name = tokens.next();
  size_t begin = name.begin + name.text.size();
  if (begin < token.text.size() && token.text[begin] == '(') begin = token.text.find(')', begin) + 1;
  std::string body = token.text.substr(begin);
  Scanner inner(body, file, true, token.line + line_offset);
  inner.run();
  Unit unit{name.text, {}};
  Tokens words(body, false);
  for (Token word = words.next(); word.kind != TokenKind::end; word = words.next())
    if (word.kind == TokenKind::identifier) unit.uses.insert(word.text);
  units.push_back(unit);
  if (inner.kernels.empty()) return;
  // What barriers a macro's kernel meets is not followed through its arguments: it gets fibers.
  for (auto& [position, text] : inner.insertions)
    insertions[token.begin + begin + position] = text.substr(0, text.rfind(',')) + ", true)";
}

void Scanner::directive(const Token& token) {
  std::istringstream words(token.text.substr(1));
  std::string word;
  words >> word;
  if (word == "define") {
    macro(token);
  } else if (word == "include") {
    foreign_header = foreign_header || !harmless_header(token.text);
  } else if (word == "if" || word == "ifdef" || word == "ifndef") {
    conditions.push_back(state);
  } else if ((word == "else" || word == "elif") && !conditions.empty()) {
    state = conditions.back();
  } else if (word == "endif" && !conditions.empty()) {
    conditions.pop_back();
  } else if (word == "line") {
    int number = 0;
    words >> number;
    line_offset = number - (token.line + 1);
    size_t open = token.text.find('"'), end = token.text.rfind('"');
    if (open != std::string::npos && end > open) file = token.text.substr(open + 1, end - open - 1);
  }
}

void Scanner::run() {
  Tokens tokens(source, !is_macro);
  for (Token token = tokens.next(); token.kind != TokenKind::end; token = tokens.next()) {
    if (token.kind == TokenKind::directive) {
      directive(token);
      continue;
    }
    if (state.unit >= 0 && token.kind == TokenKind::identifier) units[size_t(state.unit)].uses.insert(token.text);
    if (token.kind == TokenKind::other && (token.text == "{" || token.text == "(" || token.text == "[")) {
      open(token);
    } else if (token.kind == TokenKind::other && (token.text == "}" || token.text == ")" || token.text == "]")) {
      close(token);
    } else if (token.text == ";" && state.brackets == 0) {
      state.header.clear();
    } else {
      state.header.push_back(token);
    }
  }
}

// Names of everything that waits, directly or through what it uses.
Names find_waiting(const std::vector<Unit>& units) {
  Names waiting;
  for (bool changed = true; changed;) {
    changed = false;
    for (const Unit& unit : units) {
      if (unit.name.empty() || waiting.count(unit.name)) continue;
      for (const std::string& used : unit.uses)
        if (waits(used) || (used != unit.name && waiting.count(used))) {
          waiting.insert(unit.name);
          changed = true;
          break;
        }
    }
  }
  return waiting;
}

}  // namespace

ScannedSource scan_source(const std::string& source, const std::string& file) {
  Scanner scanner(source, file, false, 1);
  scanner.run();
  Names waiting = find_waiting(scanner.units);
  ScannedSource result;
  result.kernels = scanner.kernels;
  result.foreign_header = scanner.foreign_header;
  for (FoundKernel& kernel : result.kernels) kernel.fibers = scanner.foreign_header || waiting.count(kernel.name);
  size_t copied = 0;
  for (const auto& [position, text] : scanner.insertions) {
    result.text += source.substr(copied, position - copied);
    std::string inserted = text;
    size_t flag = inserted.find("GPUNET_FIBERS_");
    if (flag != std::string::npos) {
      size_t index = std::stoul(inserted.substr(flag + 14));
      inserted = inserted.substr(0, flag) + (result.kernels[index].fibers ? "true)" : "false)");
    }
    result.text += inserted;
    copied = position;
  }
  result.text += source.substr(copied);
  return result;
}

}  // namespace gpunet_emulator
