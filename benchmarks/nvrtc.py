"""CUDA's compiler as a library, without a GPU, a driver or CuPy: what a kernel costs on each generation of GPUs.

NVRTC comes with the wheel nvidia-cuda-nvrtc (``pip install 'gpunet[static]'``), which can stand beside any CuPy. Its
assembler reports registers, shared memory, stack and spills of every kernel when it is asked to (``-v``); the same
report that ``nvcc -Xptxas -v`` prints.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import re
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

WHEEL = "nvidia-cuda-nvrtc"

# What CuPy adds to the options of a RawModule, in cupy/cuda/compiler.py (14.2): _compile_module_with_cache and
# _compile_using_nvrtc_no_warning. It also adds folders of headers, which kernels that include nothing do not need.
CUPY_OPTIONS = ("-ftz=true", "--device-as-default-execution-space")

_LIBRARY = re.compile(r"libnvrtc\.so(\.\d+)*|nvrtc64_\d+_\d+\.dll")
_ENTRY = re.compile(r"Compiling entry function '(\w+)' for 'sm_(\d+)a?'")
_FRAME = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
_USED = re.compile(r"Used (\d+) registers(.*)")


class NvrtcError(Exception):
    """NVRTC is not installed, or refuses; the message says why."""


@dataclass(frozen=True)
class Resources:
    """What one kernel takes on one generation.

    Attributes:
        registers: of a thread.
        shared_bytes: static shared memory of a block.
        stack_bytes: local memory of a thread, functions that it calls included: arrays indexed at run time, and spills.
        spill_store_bytes, spill_load_bytes: written and read per thread because registers ran out.
        barriers: of a block.
    """

    registers: int
    shared_bytes: int = 0
    stack_bytes: int = 0
    spill_store_bytes: int = 0
    spill_load_bytes: int = 0
    barriers: int = 0


@dataclass(frozen=True)
class Compilation:
    """Resources of each kernel by name, the compiler's warnings, and the machine code (an ELF file, "cubin")."""

    kernels: dict[str, Resources]
    warnings: str
    code: bytes


def find_library() -> Path:
    """The file of NVRTC in the installed wheel.

    Raises:
        NvrtcError: the wheel is not installed, or holds no library.
    """
    try:
        files = metadata.distribution(WHEEL).files or []
    except metadata.PackageNotFoundError:
        raise NvrtcError(f"{WHEEL} is not installed. Try: pip install 'gpunet[static]'") from None
    for file in files:
        if _LIBRARY.fullmatch(file.name):
            return Path(str(file.locate()))
    raise NvrtcError(f"{WHEEL} is installed without its library. Try: pip install --force-reinstall {WHEEL}")


class Nvrtc:
    """NVRTC, loaded.

    Args:
        path: of the library; by default the installed wheel's.

    Attributes:
        path: of the library.

    Raises:
        NvrtcError: it is not there or cannot be loaded.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or find_library()
        try:
            self._library = ctypes.CDLL(str(self.path))
        except OSError as error:
            raise NvrtcError(f"{self.path} cannot be loaded: {error}") from None
        self._library.nvrtcGetErrorString.restype = ctypes.c_char_p

    @property
    def version(self) -> tuple[int, int]:
        """Major and minor version of CUDA."""
        major, minor = ctypes.c_int(), ctypes.c_int()
        self._call("nvrtcVersion", ctypes.byref(major), ctypes.byref(minor))
        return major.value, minor.value

    def architectures(self) -> tuple[int, ...]:
        """Compute capabilities that it compiles for, as 75 or 120."""
        count = ctypes.c_int()
        self._call("nvrtcGetNumSupportedArchs", ctypes.byref(count))
        numbers = (ctypes.c_int * count.value)()
        self._call("nvrtcGetSupportedArchs", numbers)
        return tuple(numbers)

    def compile(self, text: str, name: str, options: Sequence[str], architecture: int) -> Compilation:
        """Compile to machine code as CuPy does.

        Args:
            text: the source.
            name: what messages call it.
            options: those that the product gives; CuPy's own are added.
            architecture: 75 for sm_75.

        Raises:
            NvrtcError: the source does not compile; with the log.
        """
        all_options = [*options, *CUPY_OPTIONS, f"-arch=sm_{architecture}", "--ptxas-options=-v"]
        log, code = self._compiled(text, name, all_options)
        report = [line for line in log.splitlines() if line.startswith(("ptxas info", "ptxas         ."))]
        warnings = "\n".join(line for line in log.splitlines() if line not in report).strip("\n\0 ")
        return Compilation(parse_report("\n".join(report)), warnings, code)

    def _compiled(self, text: str, name: str, options: list[str]) -> tuple[str, bytes]:
        program = ctypes.c_void_p()
        self._call("nvrtcCreateProgram", ctypes.byref(program), text.encode(), name.encode(), 0, None, None)
        try:
            arguments = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
            status = self._library.nvrtcCompileProgram(program, len(options), arguments)
            log = self._bytes_of(program, "ProgramLog").rstrip(b"\0").decode(errors="replace")
            if status:
                raise NvrtcError(f"{self._reason(status)}\n{log.strip()}")
            return log, self._bytes_of(program, "CUBIN")
        finally:
            self._call("nvrtcDestroyProgram", ctypes.byref(program))

    def _bytes_of(self, program: ctypes.c_void_p, what: str) -> bytes:
        size = ctypes.c_size_t()
        self._call(f"nvrtcGet{what}Size", program, ctypes.byref(size))
        buffer = ctypes.create_string_buffer(size.value)
        self._call(f"nvrtcGet{what}", program, buffer)
        return buffer.raw

    def _call(self, function: str, *arguments: object) -> None:
        status = getattr(self._library, function)(*arguments)
        if status:
            raise NvrtcError(f"{function}: {self._reason(status)}")

    def _reason(self, status: int) -> str:
        return str(self._library.nvrtcGetErrorString(status).decode())


@dataclass(frozen=True)
class Job:
    """The arguments of one `Nvrtc.compile`."""

    text: str
    name: str
    options: tuple[str, ...]
    architecture: int


def compile_all(nvrtc: Nvrtc, jobs: Sequence[Job], processes: int) -> list[Compilation | NvrtcError]:
    """Compile many sources; in processes, because NVRTC compiles one at a time in each, whatever the threads."""
    if processes == 1:
        return [_compile(nvrtc.path, job) for job in jobs]
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        return list(pool.map(_compile, [nvrtc.path] * len(jobs), jobs, chunksize=4))


def _compile(path: Path, job: Job) -> Compilation | NvrtcError:
    try:
        return _loaded(path).compile(job.text, job.name, job.options, job.architecture)
    except NvrtcError as error:
        return error


@cache
def _loaded(path: Path) -> Nvrtc:
    return Nvrtc(path)


def parse_report(report: str) -> dict[str, Resources]:
    """Read what the assembler says with ``-v``.

    Every kernel has a line that names it, one with its stack frame and one with its registers; functions that were not
    inlined have frames of their own in between, which the kernel's cumulative stack size includes.

    Raises:
        NvrtcError: a kernel lacks one of its lines: the report is of a form that this reader does not know.
    """
    kernels: dict[str, Resources] = {}
    for part in re.split(r"(?=Compiling entry function)", report)[1:]:
        entry = _ENTRY.match(part)
        name = entry.group(1) if entry else part.splitlines()[0]
        frame = re.search(rf"Function properties for {name}\n.*?{_FRAME.pattern}", part)
        used = _USED.search(part)
        if frame is None or used is None:
            raise NvrtcError(f"the assembler's report on {name} cannot be read:\n{part}")
        stack, stores, loads = map(int, frame.groups())
        kernels[name] = Resources(
            registers=int(used.group(1)),
            shared_bytes=_number(r"(\d+) bytes smem", used.group(2)),
            stack_bytes=max(stack, _number(r"(\d+) bytes cumulative stack size", used.group(2))),
            spill_store_bytes=stores,
            spill_load_bytes=loads,
            barriers=_number(r"used (\d+) barriers", used.group(2)),
        )
    return kernels


def _number(pattern: str, text: str) -> int:
    found = re.search(pattern, text)
    return int(found.group(1)) if found else 0
