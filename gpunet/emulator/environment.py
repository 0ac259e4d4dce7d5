"""The environment in which a program finds the CPU device instead of a GPU."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from gpunet.emulator.build import DEVICE_HEADERS, PRELOADED, Runtime, cache_folder
from gpunet.emulator.compiler import Compiler
from gpunet.emulator.pruning import lock_file
from gpunet.errors import BackendError

if TYPE_CHECKING:
    from gpunet.emulator.launcher import Options

STARTUP = Path(__file__).parent / "startup"


def emulated_environment(
    environment: Mapping[str, str], runtime: Runtime, compiler: Compiler, options: Options
) -> dict[str, str]:
    """A copy of the environment with everything that the runtime and CuPy look for.

    Args:
        environment: of this process.
        runtime: what was built.
        compiler: what compiles kernels.
        options: of the command line.
    """
    result = dict(environment)
    result["LD_LIBRARY_PATH"] = _prepended(runtime.libraries, environment.get("LD_LIBRARY_PATH"))
    result["PATH"] = _prepended(runtime.programs, environment.get("PATH", os.defpath))
    own = environment.get("LD_PRELOAD")
    preloaded = str(runtime.libraries / PRELOADED)
    result["LD_PRELOAD"] = f"{preloaded}:{own}" if own else preloaded
    result["PYTHONPATH"] = _prepended(STARTUP, environment.get("PYTHONPATH"))
    result["GPUNET_EMULATOR_KERNELS"] = str(runtime.kernels)
    result["GPUNET_EMULATOR_LOCK"] = str(lock_file(cache_folder(environment)))
    result["GPUNET_EMULATOR_HEADERS"] = str(DEVICE_HEADERS)
    result["GPUNET_EMULATOR_LIBRARIES"] = str(runtime.libraries)
    result["GPUNET_EMULATOR_COMPILER"] = compiler.path
    result["GPUNET_EMULATOR_SCHEDULE"] = str(options.schedule)
    result["GPUNET_EMULATOR_BLOCKS"] = options.blocks
    for name, value in (("WORKERS", options.workers), ("MEMORY", options.memory)):
        if value is not None:
            result[f"GPUNET_EMULATOR_{name}"] = str(value)
    result["GPUNET_EMULATOR_BLAS"] = str(find_blas())
    # The runtime keeps compiled kernels itself, under a key that knows headers and compiler; CuPy's cache does not.
    result["CUPY_CACHE_IN_MEMORY"] = "1"
    # CUB is device code for a GPU; without it CuPy reduces and scans with kernels that it compiles.
    result["CUPY_ACCELERATORS"] = ""
    return result


def find_blas() -> Path:
    """The OpenBLAS of the wheel ``scipy-openblas32``.

    Raises:
        BackendError: it is not installed.
    """
    found = importlib.util.find_spec("scipy_openblas32")
    if found is not None and found.submodule_search_locations:
        library = Path(found.submodule_search_locations[0]) / "lib" / "libscipy_openblas.so"
        if library.is_file():
            return library
    raise BackendError(
        f"there is no scipy-openblas32 for {sys.executable}, which the emulator multiplies matrices with. "
        f"Install it: {sys.executable} -m pip install scipy-openblas32"
    )


def _prepended(folder: Path, value: str | None) -> str:
    return os.pathsep.join([str(folder), value] if value else [str(folder)])
