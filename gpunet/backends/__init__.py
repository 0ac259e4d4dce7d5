"""Where arrays live and primitives are computed: one class a backend behind the contract in `base`."""

from gpunet.backends.base import Backend
from gpunet.backends.select import backend_of, numpy_backend, select

__all__ = ["Backend", "backend_of", "numpy_backend", "select"]
