"""What gpunet needs wherever it runs: Python, its packages, its own files, a BLAS; and the optional packages."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from importlib import metadata

import numpy as np
from threadpoolctl import threadpool_info

from gpunet import resources
from gpunet._version import __version__
from gpunet.backends.numpy.parallel import HELPERS_VARIABLE, helper_kind
from gpunet.backends.numpy.threads import THREADS_VARIABLE, thread_count
from gpunet.doctor.finding import ABSENT, BASE, EXTRAS, FAILS, WORKS, Finding, one_line
from gpunet.errors import GpunetError
from gpunet.installation import install_command, restore_command

PIP = f"{sys.executable} -m pip"
MINIMUM_PYTHON = (3, 11)

_CORE = ("numpy", "tqdm", "safetensors", "threadpoolctl")
_EXTRAS = {
    "data": ("pooch", "platformdirs", "Pillow"),
    "plot": ("matplotlib",),
    "onnx": ("onnx",),
    "tensorboard": ("tensorboardX",),
}


def check_python() -> Iterator[Finding]:
    """Python, its platform, and this gpunet."""
    version = platform.python_version()
    says = f"{version} at {sys.executable}, {platform.system()} on {platform.machine()}"
    if sys.version_info[:2] < MINIMUM_PYTHON:
        yield Finding(BASE, "Python", FAILS, says, "Install Python 3.11 or newer, and gpunet for it.")
    else:
        yield Finding(BASE, "Python", WORKS, says)
    yield Finding(BASE, "gpunet", WORKS, f"{__version__} at {resources.__file__.rpartition('resources')[0]}")


def check_packages() -> Iterator[Finding]:
    """The packages that gpunet is installed with."""
    missing = [name for name in _CORE if _version(name) is None]
    versions = ", ".join(f"{name} {_version(name)}" for name in _CORE if name not in missing)
    if missing:
        yield Finding(BASE, "packages", FAILS, f"missing: {', '.join(missing)}", f"{PIP} install {' '.join(missing)}")
    else:
        yield Finding(BASE, "packages", WORKS, versions)


def check_files() -> Iterator[Finding]:
    """The folders that belong to gpunet."""
    for name in resources.FOLDERS:
        try:
            folder = resources.folder(name)
            yield Finding(BASE, name, WORKS, f"{sum(1 for _ in folder.iterdir())} files in {folder}")
        except GpunetError as error:
            yield Finding(BASE, name, FAILS, one_line(error), restore_command(name, PIP))


def check_blas() -> Iterator[Finding]:
    """NumPy's BLAS, that it multiplies, and how many cores gpunet computes with."""
    product = np.full((64, 64), 2.0, np.float32) @ np.full((64, 64), 3.0, np.float32)
    remedy = f"{PIP} install --force-reinstall numpy"
    if not np.array_equal(product, np.full((64, 64), 384.0)):
        yield Finding(BASE, "BLAS", FAILS, "a matrix product is wrong", remedy)
    libraries = [library for library in threadpool_info() if library.get("user_api") == "blas"]
    names = {f"{library.get('internal_api')} {library.get('version') or ''}".strip() for library in libraries}
    if names:
        threads = max(int(library.get("num_threads", 1)) for library in libraries)
        yield Finding(BASE, "BLAS", WORKS, f"{', '.join(sorted(names))}, set to {threads} threads")
    else:
        yield Finding(BASE, "BLAS", WORKS, "none that threadpoolctl knows; products work, their threads are unknown")
    try:
        says = f"{thread_count()}, by {helper_kind()}, each with one thread of BLAS ({THREADS_VARIABLE} sets how many)"
        yield Finding(BASE, "cores", WORKS, says)
    except GpunetError as error:
        yield Finding(BASE, "cores", FAILS, one_line(error), f"unset {THREADS_VARIABLE} {HELPERS_VARIABLE}")


def check_extras() -> Iterator[Finding]:
    """Optional packages, by the extra that installs them."""
    for extra, names in _EXTRAS.items():
        versions = {name: _version(name) for name in names}
        missing = [name for name, version in versions.items() if version is None]
        if missing:
            says = f"not installed: {', '.join(missing)}"
            yield Finding(EXTRAS, extra, ABSENT, says, install_command(extra, PIP))
        else:
            yield Finding(EXTRAS, extra, WORKS, ", ".join(f"{name} {version}" for name, version in versions.items()))


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
