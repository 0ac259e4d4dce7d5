// hipRTC: programs, their compilation, log and image. The work is done by compilation.cpp.
#include <cstring>
#include <string>
#include <vector>

#include "compilation.h"
#include "hip.h"
#include "kernel_image.h"

using namespace gpunet_emulator;

struct ihiprtcProgram {
  std::string source, name;
  std::vector<std::string> expressions;
  std::vector<std::string> lowered_names;
  std::string log, image;
};

GPUNET_EXPORT const char* hiprtcGetErrorString(hiprtcResult result) {
  switch (result) {
    case HIPRTC_SUCCESS: return "HIPRTC_SUCCESS";
    case HIPRTC_ERROR_OUT_OF_MEMORY: return "HIPRTC_ERROR_OUT_OF_MEMORY";
    case HIPRTC_ERROR_INVALID_INPUT: return "HIPRTC_ERROR_INVALID_INPUT";
    case HIPRTC_ERROR_INVALID_PROGRAM: return "HIPRTC_ERROR_INVALID_PROGRAM";
    case HIPRTC_ERROR_COMPILATION: return "HIPRTC_ERROR_COMPILATION";
    case HIPRTC_ERROR_NAME_EXPRESSION_NOT_VALID: return "HIPRTC_ERROR_NAME_EXPRESSION_NOT_VALID";
    default: return "HIPRTC_ERROR_INTERNAL_ERROR";
  }
}

GPUNET_EXPORT hiprtcResult hiprtcVersion(int* major, int* minor) {
  *major = 7;
  *minor = 0;
  return HIPRTC_SUCCESS;
}

GPUNET_EXPORT hiprtcResult hiprtcCreateProgram(ihiprtcProgram** program, const char* source, const char* name,
                                               int header_count, const char**, const char**) {
  if (!program || !source) return HIPRTC_ERROR_INVALID_INPUT;
  if (header_count > 0) return HIPRTC_ERROR_INVALID_INPUT;  // headers as text: CuPy gives them to jitify only
  *program = new ihiprtcProgram{source, name ? name : "", {}, {}, "", ""};
  return HIPRTC_SUCCESS;
}

GPUNET_EXPORT hiprtcResult hiprtcDestroyProgram(ihiprtcProgram** program) {
  if (!program) return HIPRTC_ERROR_INVALID_PROGRAM;
  delete *program;
  *program = nullptr;
  return HIPRTC_SUCCESS;
}

GPUNET_EXPORT hiprtcResult hiprtcAddNameExpression(ihiprtcProgram* program, const char* expression) {
  if (!program || !expression) return HIPRTC_ERROR_INVALID_INPUT;
  program->expressions.push_back(expression);
  return HIPRTC_SUCCESS;
}

GPUNET_EXPORT hiprtcResult hiprtcGetLoweredName(ihiprtcProgram* program, const char* expression, const char** lowered) {
  if (!program || !expression || !lowered) return HIPRTC_ERROR_INVALID_INPUT;
  for (size_t i = 0; i < program->lowered_names.size(); i++)
    if (program->expressions[i] == expression) {
      *lowered = program->lowered_names[i].c_str();
      return HIPRTC_SUCCESS;
    }
  return HIPRTC_ERROR_NAME_EXPRESSION_NOT_VALID;
}

GPUNET_EXPORT hiprtcResult hiprtcCompileProgram(ihiprtcProgram* program, int count, const char** options) {
  if (!program) return HIPRTC_ERROR_INVALID_PROGRAM;
  Compilation compilation =
      compile_kernels(program->source, program->name, {options, options + count}, program->expressions);
  program->log = compilation.log;
  if (!compilation.succeeded) return HIPRTC_ERROR_COMPILATION;
  program->image = image_of_path(compilation.path);
  for (size_t i = 0; i < program->expressions.size(); i++) program->lowered_names.push_back(expression_kernel(i));
  return HIPRTC_SUCCESS;
}

GPUNET_EXPORT hiprtcResult hiprtcGetProgramLogSize(ihiprtcProgram* program, size_t* bytes) {
  if (!program) return HIPRTC_ERROR_INVALID_PROGRAM;
  *bytes = program->log.size() + 1;
  return HIPRTC_SUCCESS;
}

GPUNET_EXPORT hiprtcResult hiprtcGetProgramLog(ihiprtcProgram* program, char* log) {
  if (!program) return HIPRTC_ERROR_INVALID_PROGRAM;
  memcpy(log, program->log.c_str(), program->log.size() + 1);
  return HIPRTC_SUCCESS;
}

// CuPy drops the image's last byte, as PTX ends with a zero: so it ends with two.
GPUNET_EXPORT hiprtcResult hiprtcGetCodeSize(ihiprtcProgram* program, size_t* bytes) {
  if (!program || program->image.empty()) return HIPRTC_ERROR_INVALID_PROGRAM;
  *bytes = program->image.size() + 2;
  return HIPRTC_SUCCESS;
}

GPUNET_EXPORT hiprtcResult hiprtcGetCode(ihiprtcProgram* program, char* code) {
  if (!program || program->image.empty()) return HIPRTC_ERROR_INVALID_PROGRAM;
  memset(code, 0, program->image.size() + 2);
  memcpy(code, program->image.data(), program->image.size());
  return HIPRTC_SUCCESS;
}
