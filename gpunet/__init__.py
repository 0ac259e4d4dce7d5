"""gpunet: convolutional networks on NumPy and CuPy, with kernels that anyone can read.

The public names and nothing else.
"""

from gpunet import functional, random
from gpunet._version import __version__
from gpunet.errors import BackendError, CheckpointError, DataError, GpunetError, ShapeError, StateError
from gpunet.layers.containers import Add, Concat, Identity, Sequential
from gpunet.layers.conv import Conv2d
from gpunet.layers.module import Context, Module
from gpunet.state import Buffer, Parameter

__all__ = [
    "Add",
    "BackendError",
    "Buffer",
    "CheckpointError",
    "Concat",
    "Context",
    "Conv2d",
    "DataError",
    "GpunetError",
    "Identity",
    "Module",
    "Parameter",
    "Sequential",
    "ShapeError",
    "StateError",
    "__version__",
    "functional",
    "random",
]
