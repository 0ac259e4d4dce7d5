"""Builds the libraries of the CPU device: once for each version of sources, wheel and compiler, kept in the cache."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from gpunet.emulator.compiler import Compiler
from gpunet.emulator.elf import read_dynamic_symbols
from gpunet.emulator.stubs import is_gpu_library, is_gpu_symbol, stub_source
from gpunet.emulator.wheel import Wheel
from gpunet.errors import BackendError

SOURCES = Path(__file__).parent / "runtime"
PRELOADED_SOURCES = Path(__file__).parent / "preloaded"
DEVICE_HEADERS = Path(__file__).parent / "device"
RUNTIME = "libamdhip64.so.7"  # everything is in this one; the other names are links to it
PRELOADED = "libgpunet_preloaded.so"  # functions that take the place of some in CuPy's own modules
DEVICE = "libgpunet_device.so"  # what compiled kernels call: scheduler, barriers, reports

_FLAGS = ["-std=c++17", "-O2", "-fPIC", "-pthread", "-fno-strict-aliasing", "-fvisibility=hidden"]
_EXTRA_LIBRARIES = ("libhiprtc.so.7",)  # loaded by name, so no compiled module lists it


@dataclass(frozen=True)
class Runtime:
    """A built runtime.

    libraries: the folder for LD_LIBRARY_PATH. kernels: the folder for compiled kernels. programs: for PATH.
    """

    libraries: Path
    programs: Path
    kernels: Path


def cache_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """$GPUNET_EMULATOR_CACHE, else ``gpunet/emulator`` in the user's cache folder."""
    own = environment.get("GPUNET_EMULATOR_CACHE")
    if own:
        return Path(own).absolute()
    general = environment.get("XDG_CACHE_HOME")
    return (Path(general) if general else Path.home() / ".cache") / "gpunet" / "emulator"


def build_runtime(wheel: Wheel, compiler: Compiler, cache: Path, flags: Iterable[str] = ()) -> Runtime:
    """The runtime for this wheel and compiler, built now or before.

    Args:
        wheel: the CuPy to serve.
        compiler: what builds it, now and later kernels.
        cache: the folder to keep everything in.
        flags: for the device library, of a check.

    Raises:
        BackendError: a source does not compile, or the cache cannot be written.
    """
    flags = list(flags)
    device_key = _hash([compiler.identity, wheel.version, *flags], _sources(DEVICE_HEADERS))
    key = _hash(
        [device_key, str(wheel.site), *_FLAGS], _sources(SOURCES), _sources(PRELOADED_SOURCES), [Path(__file__)]
    )
    folder = cache / "runtime" / key
    runtime = Runtime(folder / "lib", folder / "bin", cache / "compiled" / device_key)
    try:
        runtime.kernels.mkdir(parents=True, exist_ok=True)
        if not folder.is_dir():
            _build_into(folder, wheel, compiler, flags)
        for used in (folder, runtime.kernels):
            os.utime(used)  # what was used last is pruned last
    except OSError as error:
        raise BackendError(
            f"{cache}: the emulator's cache cannot be written ({error}). Name another: GPUNET_EMULATOR_CACHE=FOLDER"
        ) from None
    return runtime


def _build_into(folder: Path, wheel: Wheel, compiler: Compiler, flags: list[str]) -> None:
    """Build beside the folder and rename, so that it is never seen half done, by two processes at once either."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".building-", dir=folder.parent))
    try:
        (work / "lib").mkdir()
        (work / "bin").mkdir()
        _build_libraries(work, wheel, compiler, flags)
        _write_hipcc(work / "bin" / "hipcc")
        for left in (*work.glob("*.o"), *work.glob("*.c"), *work.glob("*.so")):
            left.unlink()
        work.chmod(0o755)
        try:
            work.rename(folder)
        except OSError:
            if not folder.is_dir():  # otherwise another process was quicker
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _build_libraries(work: Path, wheel: Wheel, compiler: Compiler, flags: list[str]) -> None:
    jobs = [(path, [*_FLAGS, *flags, "-fvisibility=default"]) for path in sorted(DEVICE_HEADERS.glob("*.cpp"))]
    jobs += [(path, _FLAGS) for folder in (SOURCES, PRELOADED_SOURCES) for path in sorted(folder.glob("*.cpp"))]

    def compile_one(job: tuple[Path, list[str]]) -> str:
        path, options = job
        made = f"{path.parent.name}-{path.stem}.o"
        compiler.run([*options, "-c", str(path), "-o", made], work)
        return made

    with ThreadPoolExecutor(os.cpu_count()) as threads:
        objects = list(threads.map(compile_one, jobs))
    of_device, of_runtime, of_preloaded = (
        [name for name in objects if name.startswith(f"{folder.name}-")]
        for folder in (DEVICE_HEADERS, SOURCES, PRELOADED_SOURCES)
    )
    shared = ["-shared", "-pthread", *flags]
    compiler.run([*shared, *of_device, "-o", f"lib/{DEVICE}", f"-Wl,-soname,{DEVICE}"], work)

    compiler.run(["-shared", *of_preloaded, "-o", f"lib/{PRELOADED}"], work)

    def link(target: str, extra: list[str]) -> None:
        search = ["-Llib", f"-l:{DEVICE}", "-Wl,-rpath,$ORIGIN", "-ldl"]
        compiler.run([*shared, *of_runtime, *extra, "-o", target, f"-Wl,-soname,{RUNTIME}", *search], work)

    link("implemented.so", [])
    have = read_dynamic_symbols(work / "implemented.so").defined
    wanted, libraries = what_cupy_needs(wheel.shared_objects())
    (work / "stubs.c").write_text(stub_source(wanted - have), encoding="utf-8")
    compiler.run(["-x", "c", "-O1", "-fPIC", "-w", "-c", "stubs.c", "-o", "stubs.o"], work)
    link(f"lib/{RUNTIME}", ["stubs.o"])
    for name in {*libraries, *_EXTRA_LIBRARIES} - {RUNTIME}:
        # The dynamic linker sees that they are one file, and loads it once.
        (work / "lib" / name).symlink_to(RUNTIME)


def what_cupy_needs(shared_objects: Iterable[Path]) -> tuple[set[str], set[str]]:
    """Entry points and libraries of the GPU's runtime that these compiled modules ask for."""
    symbols: set[str] = set()
    libraries: set[str] = set()
    for path in shared_objects:
        found = read_dynamic_symbols(path)
        symbols.update(filter(is_gpu_symbol, found.undefined))
        libraries.update(filter(is_gpu_library, found.needed))
    return symbols, libraries


def _write_hipcc(path: Path) -> None:
    """CuPy asks hipcc where HIP's headers are. It compiles nothing: kernels go through hipRTC."""
    path.write_text(
        "#!/bin/sh\n"
        'case "$*" in\n'
        '"-x hip -E -v /dev/null")\n'
        "    printf '#include <...> search starts here:\\n %s\\nEnd of search list.\\n' "
        f"'{SOURCES / 'include'}' >&2 ;;\n"
        "*)\n"
        "    echo \"gpunet emulate: there is no hipcc. Compile with backend='nvrtc', the default of RawModule.\" >&2\n"
        "    exit 1 ;;\n"
        "esac\n",
        encoding="utf-8",
    )
    path.chmod(0o755)


def _sources(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix in {".cpp", ".h"})


def _hash(texts: Iterable[str], *groups: Iterable[Path]) -> str:
    digest = hashlib.sha256("\0".join(texts).encode())
    for group in groups:
        for path in group:
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:24]
