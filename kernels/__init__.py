"""CUDA C sources of gpunet, one family of operations per file; installed as ``gpunet.kernels``."""
