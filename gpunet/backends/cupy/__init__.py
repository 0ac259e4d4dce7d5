"""The CuPy backend: the primitives as CUDA kernels, and products of matrices by cuBLAS.

Nothing here imports CuPy: `gpunet.backends.select` does, once it knows that it works, and hands the module on.
"""
