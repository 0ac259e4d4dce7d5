"""A CPU device for the real CuPy: ``gpunet emulate`` runs any CuPy program and its CUDA kernels where there is no GPU.

The wheel ``cupy-rocm-7-0`` asks the HIP runtime, hipRTC and hipBLAS for everything that a GPU does. Here they are built
from ``runtime/`` by g++ at first use; kernels are compiled by g++ too, through the headers in ``device/``. The program
is not changed: its process finds these libraries instead of AMD's.

    launcher      what ``gpunet emulate`` does: look, build, set the environment, run
    wheel         which CuPy there is, or how to get the right one
    compiler      which g++ there is
    build         the libraries, built once and kept in a cache
    pruning       the cache, kept below a size
    elf, stubs    what CuPy needs and the runtime has not: entry points that fail by name
    command       which program the user's words mean
    startup/      a sitecustomize for the emulated program
    report        what a check found
"""
