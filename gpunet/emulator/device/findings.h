// What a check found, and how it reaches `gpunet emulate`: one line of JSON per finding in the file that
// GPUNET_EMULATOR_REPORT names, and one line for people on stderr.
#pragma once

#include <stddef.h>

#include <string>
#include <vector>

#include "vector_types.h"

namespace gpunet_emulator {

// Code addresses of one access, innermost first. Each is an address inside the instruction that accessed.
struct Access {
  std::string what;            // "write of 4 bytes", ...
  std::vector<void*> stack;
  bool has_place = false;
  uint3 block = {0, 0, 0}, thread = {0, 0, 0};
};

struct Finding {
  const char* check;  // bounds, races, memory
  std::string kernel, file;
  int line = 0;       // where it happened; taken from accesses[0] unless that has no stack
  std::string message;
  std::vector<Access> accesses;  // the first is the one that is named
};

// Keeps the finding until report_findings(): a sanitizer that has just found something holds locks, under which no
// other program can be asked for the source lines. Findings at the same lines are reported once.
void keep_finding(Finding finding);
void report_findings();

// One line of JSON for the report file.
void write_to_report(const std::string& line);
std::string json_text(const std::string& text);

struct SourceLine {
  std::string function, file;
  int line = 0;  // 0: not known
};

// Source lines of a code address, the innermost inlined function first. Asks binutils' addr2line, which g++ needs too.
std::vector<SourceLine> source_lines(void* address);

// The innermost line that is not the emulator's own.
SourceLine user_line(const std::vector<void*>& stack);

}  // namespace gpunet_emulator
