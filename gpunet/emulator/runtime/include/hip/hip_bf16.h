// HIP's name of the 16-bit format; the device header has it under CUDA's.
#pragma once

#define __hip_bfloat16 __nv_bfloat16
