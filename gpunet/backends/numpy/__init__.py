"""The NumPy backend: the definition that every other backend must equal, and the one that runs anywhere."""

from gpunet.backends.numpy.backend import NumpyBackend

__all__ = ["NumpyBackend"]
