// Cuts C++ text into the pieces that matter to someone who looks for function definitions.
#pragma once

#include <cstddef>
#include <string>

namespace gpunet_emulator {

enum class TokenKind { identifier, string, directive, other, end };

struct Token {
  TokenKind kind = TokenKind::end;
  std::string text;  // of a directive: the whole directive, with its continued lines
  size_t begin = 0;  // where it stands in the text
  int line = 0;      // counted from 0
};

class Tokens {
 public:
  explicit Tokens(const std::string& text, bool line_begins = true) : text(text), line_begins(line_begins) {}
  Token next();  // comments and white space are passed over

 private:
  bool skip_space();
  size_t end_of_string(size_t quote) const;
  size_t end_of_directive(size_t begin) const;
  Token take(TokenKind kind, size_t end);

  const std::string& text;
  size_t position = 0;
  int line = 0;
  bool line_begins;  // nothing but white space stands before the position on its line
};

}  // namespace gpunet_emulator
