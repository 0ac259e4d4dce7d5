// What CUDA has and the emulator has not: calling it is an error of the compiler that says so.
#pragma once

#define GPUNET_UNSUPPORTED(name, what)                                                             \
  template <class... Arguments>                                                                    \
  __attribute__((error("gpunet emulate: " what " is not emulated"))) int name(Arguments...);

GPUNET_UNSUPPORTED(tex1D, "a texture (tex1D)")
GPUNET_UNSUPPORTED(tex2D, "a texture (tex2D)")
GPUNET_UNSUPPORTED(tex3D, "a texture (tex3D)")
GPUNET_UNSUPPORTED(tex1Dfetch, "a texture (tex1Dfetch)")
GPUNET_UNSUPPORTED(surf2Dread, "a surface (surf2Dread)")
GPUNET_UNSUPPORTED(surf2Dwrite, "a surface (surf2Dwrite)")
GPUNET_UNSUPPORTED(cudaLaunchDevice, "a kernel that launches kernels")
GPUNET_UNSUPPORTED(cudaDeviceSynchronize, "a kernel that waits for kernels (cudaDeviceSynchronize)")
GPUNET_UNSUPPORTED(__cvta_generic_to_shared, "an address for inline PTX (__cvta_generic_to_shared)")
GPUNET_UNSUPPORTED(__pipeline_memcpy_async, "an asynchronous copy (__pipeline_memcpy_async)")
GPUNET_UNSUPPORTED(erfcx, "erfcx")
GPUNET_UNSUPPORTED(cyl_bessel_i0, "cyl_bessel_i0")
GPUNET_UNSUPPORTED(cyl_bessel_i1, "cyl_bessel_i1")

#define GPUNET_UNSUPPORTED_ROUNDING(name)                                     \
  GPUNET_UNSUPPORTED(name##_rz, #name "_rz: rounding other than to nearest")  \
  GPUNET_UNSUPPORTED(name##_rd, #name "_rd: rounding other than to nearest")  \
  GPUNET_UNSUPPORTED(name##_ru, #name "_ru: rounding other than to nearest")
GPUNET_UNSUPPORTED_ROUNDING(__fadd)
GPUNET_UNSUPPORTED_ROUNDING(__fsub)
GPUNET_UNSUPPORTED_ROUNDING(__fmul)
GPUNET_UNSUPPORTED_ROUNDING(__fdiv)
GPUNET_UNSUPPORTED_ROUNDING(__fmaf)
GPUNET_UNSUPPORTED_ROUNDING(__frcp)
GPUNET_UNSUPPORTED_ROUNDING(__fsqrt)
GPUNET_UNSUPPORTED_ROUNDING(__dadd)
GPUNET_UNSUPPORTED_ROUNDING(__dmul)
GPUNET_UNSUPPORTED_ROUNDING(__fma)
#undef GPUNET_UNSUPPORTED_ROUNDING
#undef GPUNET_UNSUPPORTED
