"""Entry points that CuPy links and the runtime does not have: each fails by name, so that CuPy raises."""

from __future__ import annotations

import re
from collections.abc import Iterable

# What each library's functions return for "not supported" or "not implemented"; the longest prefix counts.
_STATUSES = {
    "hip": 801,  # hipErrorNotSupported
    "hipblas": 7,  # HIPBLAS_STATUS_NOT_SUPPORTED
    "hipfft": 14,  # HIPFFT_NOT_IMPLEMENTED
    "hiprand": 1000,  # HIPRAND_STATUS_NOT_IMPLEMENTED
    "hipsparse": 10,  # HIPSPARSE_STATUS_NOT_SUPPORTED
    "nccl": 5,  # ncclInvalidUsage
    "rocblas_": 2,  # rocblas_status_not_implemented
    "rocsolver_": 2,
    "roc": 1,
}
_LIBRARY_NAME = re.compile(r"lib(amdhip64|hip\w*|roc\w*|rccl)\.so(\.\d+)*")
_SYMBOL_NAME = re.compile(r"_*(hip|roc|nccl)\w*")


def is_gpu_library(name: str) -> bool:
    """Whether a library such as ``libhipblas.so.3`` is one that the runtime stands for."""
    return _LIBRARY_NAME.fullmatch(name) is not None


def is_gpu_symbol(name: str) -> bool:
    """Whether a symbol such as ``hipMalloc`` is one of those libraries'."""
    return _SYMBOL_NAME.fullmatch(name) is not None


def status_of(symbol: str) -> int:
    """The number by which this function says that it is not there."""
    prefixes = [prefix for prefix in _STATUSES if symbol.lstrip("_").startswith(prefix)]
    return _STATUSES[max(prefixes, key=len)]


def stub_source(symbols: Iterable[str]) -> str:
    """C source with one function for each symbol."""
    lines = ["int gpunet_not_implemented(const char* name, int status);"]
    lines += [
        f'int {symbol}(void) {{ return gpunet_not_implemented("{symbol}", {status_of(symbol)}); }}'
        for symbol in sorted(symbols)
    ]
    return "\n".join(lines) + "\n"
