#include "tokens.h"

#include <cctype>

namespace gpunet_emulator {
namespace {

bool begins_identifier(char letter) { return isalpha(static_cast<unsigned char>(letter)) || letter == '_'; }

bool continues_identifier(char letter) { return begins_identifier(letter) || isdigit(static_cast<unsigned char>(letter)); }

}  // namespace

// Passes over one stretch of white space or one comment; false when there is none.
bool Tokens::skip_space() {
  if (position >= text.size()) return false;
  char letter = text[position];
  if (letter == '\n') {
    line++;
    line_begins = true;
    position++;
    return true;
  }
  if (letter == '\\' && position + 1 < text.size() && text[position + 1] == '\n') {
    line++;
    position += 2;
    return true;
  }
  if (isspace(static_cast<unsigned char>(letter))) {
    position++;
    return true;
  }
  if (text.compare(position, 2, "//") == 0) {
    while (position < text.size() && text[position] != '\n') {
      if (text[position] == '\\' && position + 1 < text.size() && text[position + 1] == '\n') {
        line++;
        position++;
      }
      position++;
    }
    return true;
  }
  if (text.compare(position, 2, "/*") == 0) {
    size_t end = text.find("*/", position + 2);
    end = end == std::string::npos ? text.size() : end + 2;
    for (; position < end; position++) line += text[position] == '\n';
    return true;
  }
  return false;
}

// Behind the closing quote of the string or character that begins at `quote`.
size_t Tokens::end_of_string(size_t quote) const {
  size_t end = quote + 1;
  while (end < text.size() && text[end] != text[quote] && text[end] != '\n') end += text[end] == '\\' ? 2 : 1;
  return end < text.size() ? end + 1 : text.size();
}

size_t Tokens::end_of_directive(size_t begin) const {
  size_t end = begin;
  while (end < text.size() && text[end] != '\n') {
    if (text.compare(end, 2, "/*") == 0) {
      size_t close = text.find("*/", end + 2);
      end = close == std::string::npos ? text.size() : close + 2;
    } else if (text.compare(end, 2, "//") == 0) {
      break;
    } else {
      end += text[end] == '\\' && end + 1 < text.size() ? 2 : 1;
    }
  }
  return end;
}

Token Tokens::take(TokenKind kind, size_t end) {
  Token token{kind, text.substr(position, end - position), position, line};
  for (size_t i = position; i < end; i++) line += text[i] == '\n';
  position = end;
  line_begins = false;
  return token;
}

Token Tokens::next() {
  while (skip_space()) continue;
  if (position >= text.size()) return {TokenKind::end, "", text.size(), line};
  char letter = text[position];
  if (letter == '#' && line_begins) return take(TokenKind::directive, end_of_directive(position));
  if (letter == '"') return take(TokenKind::string, end_of_string(position));
  if (letter == '\'') return take(TokenKind::other, end_of_string(position));
  if (isdigit(static_cast<unsigned char>(letter))) {  // digits may be grouped by quotes: 1'000
    size_t end = position;
    while (end < text.size() && (continues_identifier(text[end]) || text[end] == '\'' || text[end] == '.')) end++;
    return take(TokenKind::other, end);
  }
  if (begins_identifier(letter)) {
    size_t end = position;
    while (end < text.size() && continues_identifier(text[end])) end++;
    bool raw = end < text.size() && text[end] == '"' && text[end - 1] == 'R';
    if (!raw) return take(TokenKind::identifier, end);
    size_t open = text.find('(', end);
    if (open == std::string::npos) return take(TokenKind::other, text.size());
    std::string close = ")" + text.substr(end + 1, open - end - 1) + "\"";
    size_t found = text.find(close, open);
    return take(TokenKind::string, found == std::string::npos ? text.size() : found + close.size());
  }
  return take(TokenKind::other, position + 1);
}

}  // namespace gpunet_emulator
