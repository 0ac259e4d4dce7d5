// CUDA C++ for g++ on a CPU: included before a kernel's source. See launch.h for how a source becomes a shared object.
//
// C++17, g++ 11 or newer, x86-64. What CUDA has and this header has not does not compile: see unsupported.h.
#pragma once

#include <assert.h>
#include <float.h>
#include <stdio.h>

#include "atomics.h"
#include "context.h"
#include "half.h"
#include "intrinsics.h"
#include "keywords.h"
#include "launch.h"
#include "math_functions.h"
#include "run.h"
#include "synchronization.h"
#include "unsupported.h"
#include "vector_types.h"
#include "warp.h"

// A failing assertion ends the launch with an error that names the thread; the process goes on, as with a real GPU.
#undef assert
#ifdef NDEBUG
#define assert(condition) ((void)0)
#else
#define assert(condition) \
  ((condition) ? (void)0 : ::gpunet_emulator::fail_here("assertion failed: " #condition))
#endif
