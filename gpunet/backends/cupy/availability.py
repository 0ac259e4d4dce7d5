"""Whether CuPy can work here, and what to do if not: one reason and one remedy for each way it may fail."""

from __future__ import annotations

import os
import re
from importlib import metadata
from typing import Any

from gpunet.errors import BackendError
from gpunet.installation import install_command

MINIMUM_CAPABILITY = (7, 5)  # Turing, 2018: the oldest generation that CUDA 13 and its NVRTC compile for

_WHEEL = re.compile(r"cupy(-cuda\d+x?|-rocm-\d+-\d+)?")
NO_DEVICE = 100  # cudaErrorNoDevice: the driver works and sees no GPU
_OLD_DRIVER = 35  # cudaErrorInsufficientDriver; also what stands for no driver at all

_PROBE = """
extern "C" __global__ void gpunet_probe(int* answer) { answer[threadIdx.x] = 40 + threadIdx.x; }
"""


def installed_wheels() -> list[str]:
    """Names of the installed distributions that provide the module ``cupy``."""
    names = {(distribution.metadata["Name"] or "").lower() for distribution in metadata.distributions()}
    return sorted(name for name in names if _WHEEL.fullmatch(name))


def check_wheels(wheels: list[str]) -> None:
    """Refuse several CuPy wheels in one environment: each has overwritten files of the others.

    Raises:
        BackendError: there are several.
    """
    if len(wheels) > 1:
        raise BackendError(
            f"several CuPy wheels are installed, {', '.join(wheels)}, and overwrite each other's files. Remove all and "
            f"install one: pip uninstall -y {' '.join(wheels)} && {_install()}"
        )


def explain_import(error: ImportError, wheels: list[str]) -> BackendError:
    """Why ``import cupy`` failed."""
    if not wheels:
        return BackendError(f"CuPy is not installed. Try: {_install()}; or use backend 'numpy'.")
    remedy = f"Reinstall it: pip install --force-reinstall {wheels[0]}"
    if "rocm" in wheels[0]:
        remedy = "Without an AMD GPU this wheel works only under: gpunet emulate -- COMMAND"
    return BackendError(f"CuPy ({wheels[0]}) is installed but cannot be imported: {error}. {remedy}")


def _install() -> str:
    return f"{install_command('cuda12x')}; or cuda13x: nvidia-smi shows which CUDA the driver offers"


def check_device(xp: Any) -> None:
    """Find out whether kernels can be compiled and run, by running one.

    Args:
        xp: the cupy module.

    Raises:
        BackendError: no driver, no device, one too old, no compiler, or wrong results.
    """
    _check_driver(xp)
    capability = str(xp.cuda.Device().compute_capability)
    major, minor = int(capability[:-1]), int(capability[-1])
    if (major, minor) < MINIMUM_CAPABILITY:
        raise BackendError(
            f"{device_name(xp)} has compute capability {major}.{minor}; gpunet needs 7.5 (Turing) or newer. "
            "Choose another GPU with CUDA_VISIBLE_DEVICES, or use backend 'numpy'."
        )
    if os.environ.get("CUPY_TF32", "0") not in {"", "0"}:
        raise BackendError(
            "the environment variable CUPY_TF32 lets CuPy multiply float32 matrices with 10 bits of mantissa, and "
            "gpunet promises float32. Unset it: unset CUPY_TF32"
        )
    _check_compiler(xp)


def device_name(xp: Any) -> str:
    """What the current device calls itself."""
    name = xp.cuda.runtime.getDeviceProperties(xp.cuda.runtime.getDevice())["name"]
    return name.decode(errors="replace") if isinstance(name, bytes) else str(name)


def _check_driver(xp: Any) -> None:
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "not set")
    no_device = (
        f"the driver finds no GPU. Look with nvidia-smi; CUDA_VISIBLE_DEVICES ({visible}) may hide it, and a container "
        "sees it only if started with --gpus all"
    )
    try:
        devices = xp.cuda.runtime.getDeviceCount()
    except xp.cuda.runtime.CUDARuntimeError as error:
        if error.status == NO_DEVICE:
            raise BackendError(f"{no_device}.") from None
        if error.status == _OLD_DRIVER:
            raise BackendError(
                "there is no NVIDIA driver, or it is older than this CuPy needs. Install the current driver "
                "(nvidia-smi must work), or the CuPy for an older one: "
                f"{install_command('cuda12x')}."
            ) from None
        raise BackendError(f"CUDA does not start: {error}. Look with nvidia-smi whether the driver works.") from None
    if devices == 0:
        raise BackendError(f"{no_device}.")


def _check_compiler(xp: Any) -> None:
    module = xp.RawModule(code=_PROBE, options=("-std=c++17",), backend="nvrtc")
    try:
        kernel = module.get_function("gpunet_probe")
        answer = xp.zeros(2, "int32")
        kernel((1,), (2,), (answer,))
        values = xp.asnumpy(answer).tolist()
    except xp.cuda.compiler.CompileException as error:
        raise BackendError(
            f"NVRTC, CUDA's compiler, does not compile a kernel of one line:\n{str(error).strip()}\n"
            f"Its headers may be missing. Try: {_install()}"
        ) from None
    except (RuntimeError, OSError, ImportError) as error:
        raise BackendError(
            f"a first kernel does not run: {error}. If NVRTC is missing, try: {_install()}; "
            "`gpunet doctor` looks further."
        ) from None
    if values != [40, 41]:
        raise BackendError(f"a first kernel gave {values}, wanted [40, 41]: the device or its driver is broken.")
