#include "source_rewriting.h"

#include <ctype.h>

namespace gpunet_emulator {

namespace {

bool part_of_name(char c) { return isalnum((unsigned char)c) || c == '_'; }

// Where the comment, string or character literal that begins at `at` ends; `at` when none begins there.
size_t past_text(const std::string& source, size_t at) {
  const size_t size = source.size();
  if (source.compare(at, 2, "//") == 0) {
    const size_t end = source.find('\n', at);
    return end == std::string::npos ? size : end;
  }
  if (source.compare(at, 2, "/*") == 0) {
    const size_t end = source.find("*/", at + 2);
    return end == std::string::npos ? size : end + 2;
  }
  if (source.compare(at, 2, "R\"") == 0 && (at == 0 || !part_of_name(source[at - 1]))) {
    const size_t open = source.find('(', at);
    if (open == std::string::npos) return size;
    const std::string closing = ")" + source.substr(at + 2, open - at - 2) + "\"";
    const size_t end = source.find(closing, open);
    return end == std::string::npos ? size : end + closing.size();
  }
  const char quote = source[at];
  if (quote == '\'' && at > 0 && part_of_name(source[at - 1])) return at;  // 1'000'000
  if (quote != '"' && quote != '\'') return at;
  for (size_t i = at + 1; i < size; i++) {
    if (source[i] == '\\') i++;
    else if (source[i] == quote || source[i] == '\n') return i + 1;
  }
  return size;
}

bool word_at(const std::string& source, size_t at, const char* word) {
  const size_t length = std::string(word).size();
  return source.compare(at, length, word) == 0 && (at == 0 || !part_of_name(source[at - 1])) &&
         (at + length >= source.size() || !part_of_name(source[at + length]));
}

size_t past_space(const std::string& source, size_t at) {
  while (at < source.size() && isspace((unsigned char)source[at])) at++;
  return at;
}

size_t past_parentheses(const std::string& source, size_t at) {
  int depth = 0;
  for (; at < source.size(); at++) {
    if (source[at] == '(') depth++;
    if (source[at] == ')' && --depth == 0) return at + 1;
  }
  return at;
}

// Without `__align__(n)`, `alignas(n)`, `__attribute__((...))`: dynamic shared memory is aligned for everything anyway.
std::string without_alignment(const std::string& text) {
  std::string kept;
  for (size_t i = 0; i < text.size();) {
    size_t word = 0;
    for (const char* name : {"__align__", "alignas", "__attribute__"})
      if (word_at(text, i, name)) word = std::string(name).size();
    if (word != 0)
      i = past_parentheses(text, i + word);
    else
      kept += text[i++];
  }
  return kept;
}

std::string trimmed(const std::string& text) {
  size_t first = 0, last = text.size();
  while (first < last && isspace((unsigned char)text[first])) first++;
  while (last > first && isspace((unsigned char)text[last - 1])) last--;
  return text.substr(first, last - first);
}

// `declaration` is what stands between `extern __shared__` and its semicolon: TYPE name[] or TYPE name[][n].
// Empty when it is nothing of the kind: the compiler will then say what it thinks of it.
std::string dynamic_array(const std::string& declaration, bool inside_function) {
  const std::string plain = without_alignment(declaration);
  const size_t bracket = plain.find('[');
  if (bracket == std::string::npos) return "";
  size_t end = bracket;
  while (end > 0 && isspace((unsigned char)plain[end - 1])) end--;
  size_t begin = end;
  while (begin > 0 && part_of_name(plain[begin - 1])) begin--;
  const std::string name = plain.substr(begin, end - begin), type = trimmed(plain.substr(0, begin));
  const std::string dimensions = trimmed(plain.substr(bracket));
  if (name.empty() || type.empty() || plain.find(',', bracket) != std::string::npos) return "";
  const std::string memory = "(*(" + type + "(*)" + dimensions + ")::gpunet_emulator::current().dynamic_shared)";
  if (inside_function) return type + " (&" + name + ")" + dimensions + " = " + memory + ";";
  return "\n#define " + name + " " + memory + "\n";
}

}  // namespace

std::string rewrite_source(const std::string& source) {
  std::string result;
  int depth = 0;            // of braces that are a function's or a structure's, not a namespace's or extern "C"'s
  std::string scopes;       // one character for each open brace: 'n' for a namespace, 'f' for another
  size_t statement = 0;     // where the statement that is being read began
  int line = 1;             // of the source, at `at`
  for (size_t at = 0; at < source.size();) {
    const size_t past = past_text(source, at);
    if (past > at) {
      for (size_t i = at; i < past; i++) line += source[i] == '\n';
      result.append(source, at, past - at);
      at = past;
      continue;
    }
    if (word_at(source, at, "static")) {
      const size_t next = past_space(source, at + 6);
      if (word_at(source, next, "__shared__")) {
        at += 6;
        continue;
      }
    }
    if (word_at(source, at, "extern")) {
      const size_t next = past_space(source, at + 6);
      const size_t end = source.find(';', next);
      if (word_at(source, next, "__shared__") && end != std::string::npos) {
        const std::string declaration = source.substr(next + 10, end - next - 10);
        const std::string replaced = dynamic_array(declaration, depth > 0);
        if (!replaced.empty()) {
          for (size_t i = at; i < end; i++) line += source[i] == '\n';
          result += replaced;
          if (replaced[0] == '\n')
            result += "#line " + std::to_string(line) + "\n";
          else
            for (size_t i = at; i < end; i++)
              if (source[i] == '\n') result += '\n';
          at = end + 1;
          continue;
        }
      }
    }
    const char c = source[at];
    if (c == '{') {
      const std::string before = source.substr(statement, at - statement);
      const bool names_space = before.find("namespace") != std::string::npos ||
                               (before.find("extern") != std::string::npos && before.find('(') == std::string::npos);
      scopes += names_space ? 'n' : 'f';
      depth += !names_space;
    }
    if (c == '}' && !scopes.empty()) {
      depth -= scopes.back() == 'f';
      scopes.pop_back();
    }
    if (c == '{' || c == '}' || c == ';') statement = at + 1;
    line += c == '\n';
    result += c;
    at++;
  }
  return result;
}

}  // namespace gpunet_emulator
