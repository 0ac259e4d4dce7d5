"""What a measured number depends on: machine, system, versions, BLAS, threads, commit, command and date."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

CPUINFO = Path("/proc/cpuinfo")
_REPOSITORY = Path(__file__).resolve().parents[1]
_PLACES = ("--output", "--python")
_VARIABLES = re.compile(r"^(GPUNET_|OPENBLAS_|OMP_|MKL_|KMP_|GOMP_|BLIS_|TF_(CPP|ENABLE|NUM|XLA)_|XLA_|TORCH|MALLOC_)")


def machine() -> dict[str, Any]:
    """The machine and its system."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else None
    about: dict[str, Any] = {
        "processor": processor(),
        "cores": os.cpu_count(),
        "memory_gib": None if memory is None else round(memory / 2**30, 1),
        "system": platform.platform(),
        "instructions": instructions(),
    }
    if gpus := gpu_names():
        about["gpus"] = gpus
    return about


def run_record(command: list[str]) -> dict[str, Any]:
    """When, by what command and from what commit: the head of a result file."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "command": " ".join(command),
        "commit": commit(),
        "python": platform.python_version(),
        "machine": machine(),
    }


def processor(cpuinfo: Path = CPUINFO) -> str:
    """The processor's name."""
    for line in _lines(cpuinfo):
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def instructions(cpuinfo: Path = CPUINFO) -> list[str]:
    """The vector instructions that decide which kernels a BLAS takes."""
    known = ("avx", "avx2", "fma", "avx512f", "avx512_bf16", "amx_tile", "asimd", "sve")
    for line in _lines(cpuinfo):
        if line.startswith(("flags", "Features")):
            present = set(line.split())
            return [name for name in known if name in present]
    return []


def commit(repository: Path = _REPOSITORY) -> str | None:
    """Hash of the checkout, with a + if files that git knows were changed; None outside a checkout."""
    git = shutil.which("git")
    if git is None or not (repository / ".git").exists():
        return None
    hash_ = _output([git, "-C", str(repository), "rev-parse", "--short=12", "HEAD"])
    changed = _output([git, "-C", str(repository), "status", "--porcelain", "--untracked-files=no"])
    return f"{hash_}+" if hash_ and changed else hash_ or None


def gpu_names() -> list[str]:
    """Names of NVIDIA's GPUs, by nvidia-smi; empty without it."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    return (_output([tool, "--query-gpu=name,driver_version", "--format=csv,noheader"]) or "").splitlines()


def process_record(packages: tuple[str, ...]) -> dict[str, Any]:
    """What a measuring process itself knows: versions, the BLAS it has loaded, and variables that change its speed.

    Args:
        packages: whose versions are told, of those that are installed.
    """
    versions = {"python": platform.python_version()}
    for package in packages:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return {
        "versions": versions,
        "blas": loaded_blas(),
        "processors": sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "environment": {name: value for name, value in sorted(os.environ.items()) if _VARIABLES.match(name)},
    }


def loaded_blas() -> list[dict[str, Any]]:
    """The libraries with threads of their own that this process has loaded: name, version, core type, threads."""
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return []
    kept = ("user_api", "internal_api", "version", "architecture", "threading_layer", "num_threads")
    return [{name: library[name] for name in kept if library.get(name)} for library in threadpool_info()]


def in_words(about: dict[str, Any]) -> str:
    """One line: processor, cores and memory."""
    parts = [about["processor"], f"{about['cores']} cores"]
    if about.get("memory_gib"):
        parts.append(f"{about['memory_gib']:.0f} GiB")
    return ", ".join(parts + about.get("gpus", []))


def command_line(name: str, arguments: list[str]) -> list[str]:
    """The command that repeats a run on any machine, as users type it: without paths of this one."""
    words, kept = list(arguments), []
    while words:
        word = words.pop(0)
        if word in _PLACES:
            words = words[1:]
        elif not word.startswith(tuple(f"{place}=" for place in _PLACES)):
            kept.append(word)
    return ["gpunet", "bench", name, *kept]


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _output(command: list[str]) -> str | None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    return done.stdout.strip() if done.returncode == 0 else None


def python_of(environment: Path) -> Path:
    """The interpreter of a virtual environment."""
    return environment / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
