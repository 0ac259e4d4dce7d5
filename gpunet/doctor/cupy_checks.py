"""CuPy and the GPU: from the installed wheels to a kernel that runs.

`gpunet.backends.select` decides whether the GPU is used, and why not; here that is told apart into its parts.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Generator, Iterator
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

from gpunet.backends.cupy import availability
from gpunet.backends.select import cupy_backend
from gpunet.doctor.base_checks import PIP
from gpunet.doctor.finding import ABSENT, FAILS, GPU, WORKS, Finding, one_line
from gpunet.doctor.folders import CacheFolder
from gpunet.errors import BackendError
from gpunet.installation import install_command

_DRIVER = "Install the driver: sudo ubuntu-drivers install, or https://www.nvidia.com/drivers; then look: nvidia-smi"


def check_wheel() -> Iterator[Finding]:
    """The CuPy wheels: one, or else."""
    wheels = availability.installed_wheels()
    if not wheels:
        yield Finding(GPU, "CuPy", ABSENT, "not installed", install_command(_extra(), PIP))
        return
    says = ", ".join(f"{name} {_version(name)}" for name in wheels)
    if len(wheels) > 1:
        mend = f"{PIP} uninstall -y {' '.join(wheels)} && {install_command(_extra(), PIP)}"
        yield Finding(GPU, "CuPy", FAILS, f"several wheels, which overwrite each other's files: {says}", mend)
    elif wheels == ["cupy"]:
        mend = f"{PIP} uninstall -y cupy && {install_command(_extra(), PIP)}"
        says += ", built from source: it uses the CUDA of this machine, not one that comes with it"
        yield Finding(GPU, "CuPy", WORKS, says, mend)
    else:
        yield Finding(GPU, "CuPy", WORKS, says)


def check_gpu() -> Iterator[Finding]:
    """Driver, devices, compiler, memory: as far as CuPy can be asked."""
    if len(availability.installed_wheels()) != 1:
        return  # `check_wheel` says what to do
    refusal = _refusal()
    xp = sys.modules.get("cupy")  # imported by `select`, if it can be
    if xp is None:
        yield _import_failure(refusal)
        return
    devices = yield from _driver(xp)
    yield from _devices(xp, devices)
    if devices:
        yield from _compiler(xp)
        yield from _libraries(xp, refusal)


def check_usable() -> Iterator[Finding]:
    """Whether `select` takes the GPU."""
    if len(availability.installed_wheels()) != 1:
        return
    refusal = _refusal()
    if refusal and sys.modules.get("cupy") is None:
        return  # `check_gpu` has said it
    if refusal:
        yield Finding(GPU, "in use", FAILS, refusal)
    else:
        yield Finding(GPU, "in use", WORKS, f"{availability.device_name(cupy_backend().xp)} runs kernels")


def check_kernel_cache() -> Iterator[Finding]:
    """Where CuPy keeps what it has compiled."""
    if not availability.installed_wheels():
        return
    if os.environ.get("CUPY_CACHE_IN_MEMORY", "0") not in {"", "0"}:
        says = "in memory (CUPY_CACHE_IN_MEMORY): CuPy compiles anew in every process"
        yield Finding(GPU, "kernel cache", WORKS, says)
        return
    folder = CacheFolder.at(Path(os.environ.get("CUPY_CACHE_DIR") or Path.home() / ".cupy" / "kernel_cache"))
    if folder.refusal:
        says = f"{folder.path} cannot be written ({folder.refusal}): every process would compile anew, or fail"
        yield Finding(GPU, "kernel cache", FAILS, says, "export CUPY_CACHE_DIR=/tmp/cupy-cache")
    else:
        yield Finding(GPU, "kernel cache", WORKS, str(folder))


def _refusal() -> str:
    """Why `select` does not take the GPU; empty if it does."""
    try:
        cupy_backend()
    except BackendError as error:
        return one_line(error).removeprefix("backend 'cupy': ")
    except Exception as error:  # noqa: BLE001 - a broken wheel may raise anything while it is imported
        return f"{type(error).__name__}: {one_line(error)}"
    return ""


def _import_failure(refusal: str) -> Finding:
    """A wheel that is damaged, or whose libraries are missing; of CuPy's long message only the cause."""
    wheel = availability.installed_wheels()[0]
    cause = re.search(r"Original error:\s*(.*?)\s*={5,}", refusal)
    says = f"{wheel} cannot be imported: {cause[1]}" if cause else refusal
    if "rocm" in wheel and cause:
        return Finding(GPU, "import", ABSENT, f"{says}; this wheel is for the emulator", "gpunet emulate -- COMMAND")
    return Finding(GPU, "import", FAILS, says, f"{PIP} install --force-reinstall {wheel}")


def _driver(xp: Any) -> Generator[Finding, None, int]:
    """Yields what the driver says; returns how many devices there are."""
    try:
        devices = int(xp.cuda.runtime.getDeviceCount())
    except Exception as error:  # noqa: BLE001 - see `found`
        no_device = getattr(error, "status", None) == availability.NO_DEVICE
        yield Finding(GPU, "driver", FAILS, one_line(error), _hidden() if no_device else _driver_remedy())
        return 0
    says = f"version {_release(xp, 'driverGetVersion')}, CuPy's runtime {_release(xp, 'runtimeGetVersion')}"
    if devices == 0:
        yield Finding(GPU, "driver", FAILS, f"{says}; it finds no device", _hidden())
    else:
        yield Finding(GPU, "driver", WORKS, says)
    return devices


def _driver_remedy() -> str:
    """No driver, one for an older CUDA than the wheel's, or one that is broken."""
    offered = _offered()
    if offered is None and shutil.which("nvidia-smi") is None:
        return _DRIVER
    wheel = availability.installed_wheels()[0]
    wanted = re.fullmatch(r"cupy-cuda(\d+)x", wheel)
    if offered is not None and wanted is not None and offered < int(wanted[1]):
        return f"{PIP} uninstall -y {wheel} && {install_command(_extra(), PIP)}"
    return "nvidia-smi must show the GPU; if it does not, restart the machine or reinstall the driver"


def _hidden() -> str:
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return f"unset CUDA_VISIBLE_DEVICES (it is {os.environ['CUDA_VISIBLE_DEVICES']!r}); then look: nvidia-smi"
    return "nvidia-smi must show the GPU; start a container with: docker run --gpus all"


def _release(xp: Any, function: str) -> str:
    try:
        number = int(getattr(xp.cuda.runtime, function)())
    except Exception:  # noqa: BLE001 - only a number for the report
        return "unknown"
    if number >= 10_000_000:  # as HIP counts
        return f"{number // 10_000_000}.{number // 100_000 % 100}"
    return f"{number // 1000}.{number % 1000 // 10}"


def _devices(xp: Any, count: int) -> Iterator[Finding]:
    """Each device; of one that is too old, how to choose another."""
    findings = [_device(xp, index) for index in range(count)]
    new_enough = ",".join(str(index) for index, finding in enumerate(findings) if finding.status == WORKS)
    choose = f"export CUDA_VISIBLE_DEVICES={new_enough}" if new_enough else "Use backend 'numpy', or a newer GPU."
    for finding in findings:
        yield replace(finding, remedy=choose) if finding.status == FAILS and not finding.remedy else finding


def _device(xp: Any, index: int) -> Finding:
    """One device; without a remedy if it is too old."""
    name = f"device {index}"
    try:
        with xp.cuda.Device(index) as device:
            capability = str(device.compute_capability)
            free, total = xp.cuda.runtime.memGetInfo()
        title = xp.cuda.runtime.getDeviceProperties(index)["name"]
    except Exception as error:  # noqa: BLE001 - see `found`
        return Finding(GPU, name, FAILS, one_line(error), "nvidia-smi")
    generation = (int(capability[:-1]), int(capability[-1]))
    says = (
        f"{title.decode(errors='replace') if isinstance(title, bytes) else title}, compute capability "
        f"{generation[0]}.{generation[1]}, {free / 2**30:.1f} of {total / 2**30:.1f} GiB free"
    )
    if generation < availability.MINIMUM_CAPABILITY:
        return Finding(GPU, name, FAILS, f"{says}; too old, gpunet needs 7.5 (Turing)")
    return Finding(GPU, name, WORKS, says)


def _compiler(xp: Any) -> Iterator[Finding]:
    """NVRTC by itself."""
    try:
        version = ".".join(str(part) for part in xp.cuda.nvrtc.getVersion())
    except Exception as error:  # noqa: BLE001 - see `found`
        yield Finding(GPU, "NVRTC", FAILS, one_line(error), _toolkit())
    else:
        yield Finding(GPU, "NVRTC", WORKS, version)


def _libraries(xp: Any, refusal: str) -> Iterator[Finding]:
    """What CuPy compiles itself, which needs CUDA's headers, and cuBLAS."""
    if refusal:
        return  # said already; these would fail for the same reason
    for name, attempt in (("headers", _adds), ("cuBLAS", _multiplies)):
        try:
            right = attempt(xp)
        except Exception as error:  # noqa: BLE001 - see `found`
            yield Finding(GPU, name, FAILS, one_line(error)[:300], _toolkit())
            continue
        if right:
            yield Finding(GPU, name, WORKS, "computes")
        else:
            yield Finding(GPU, name, FAILS, "gives wrong results", _toolkit())


def _adds(xp: Any) -> bool:
    """By a kernel that CuPy writes and compiles itself."""
    return bool((xp.arange(3, dtype="float16") + 1).sum() == 6)


def _multiplies(xp: Any) -> bool:
    ones = xp.ones((2, 2), "float32")
    return bool((ones @ ones == 2).all())


def _toolkit() -> str:
    """The command that installs the CUDA libraries and headers that belong to the wheel."""
    wheel = next(iter(availability.installed_wheels()), "")
    if "rocm" in wheel:
        return "gpunet emulate -- gpunet doctor"
    name = wheel if re.fullmatch(r"cupy-cuda\d+x", wheel) else f"cupy-{_extra()}"
    return f"{PIP} install '{name}[ctk]'"


def _extra() -> str:
    """The extra for this machine's driver: every driver runs what was made for an older CUDA."""
    return "cuda13x" if (_offered() or 0) >= 13 else "cuda12x"


def _offered() -> int | None:
    """The major version of CUDA that the driver offers, as nvidia-smi says; None if that says nothing."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    try:
        done = subprocess.run(  # noqa: S603 - the driver's own program
            [program], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    version = re.search(r"CUDA Version:\s*(\d+)", done.stdout)
    return int(version[1]) if version else None


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "of unknown version"
