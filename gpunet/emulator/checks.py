"""The checks of ``gpunet emulate --check``: how kernels are compiled and run so that their mistakes are seen.

    bounds   AddressSanitizer: accesses outside of arrays in device memory and in static and dynamic shared memory
             (g++ guards no static arrays of templates and inline functions)
    races    ThreadSanitizer, which sees every CUDA thread as a thread of its own: accesses that no barrier and no
             atomic operation orders, within a block and between blocks
    memory   loads of bytes that nobody has written, and such bytes that reach the host
    trace    no check of mistakes: it counts the 32-byte sectors that each warp's accesses touch

The device library writes what it finds as lines of JSON into the report file: see ``device/findings.cpp`` and
``device/sector_trace.cpp``. Only kernels are instrumented, so nothing else in the process can raise a false alarm.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gpunet.errors import BackendError

_ADDR_NO_RANDOMIZE = 0x0040000  # <sys/personality.h>
_TIMEOUT = 60  # seconds for the compiler to say where a library lies

# Line tables that binutils reads rightly also where `#line` names another file; optimised, but so that lines are told.
_DEBUGGABLE = ("-O1", "-g", "-gdwarf-4", "-fno-omit-frame-pointer", "-DGPUNET_EMULATOR_CHECKED")

# g++ puts a call before every load and store; the device library receives it in ThreadSanitizer's place, which
# therefore must not be linked: -nodefaultlibs, and by name what else belongs to C++. Calls of the C library's functions
# are not instrumented: the linker leads them to the device library too, and the compiler may not make up new ones.
_OBSERVED = (
    "-fsanitize=thread",
    "-nodefaultlibs",
    "-Wl,--no-as-needed",
    "-lstdc++",
    "-lm",
    "-lc",
    "-lgcc_s",
    "-Wl,--wrap=memset,--wrap=memcpy,--wrap=memmove",
    "-fno-tree-loop-distribute-patterns",
)


@dataclass(frozen=True)
class Check:
    """How to run a program under one check.

    Args:
        name: as the command line and GPUNET_EMULATOR_CHECK have it.
        summary: what it finds, for the help.
        compile_flags: for kernels. None holds a space.
        library_flags: for the device library.
        sanitizer: the compiler's library to preload, or None.
        listener: the device library is preloaded before the sanitizer, which then tells it each finding.
        options: a sanitizer's variable and its settings.
        fixed_addresses: the sanitizer may fail where the system loads programs at random addresses.
    """

    name: str
    summary: str
    compile_flags: tuple[str, ...]
    library_flags: tuple[str, ...] = ()
    sanitizer: str | None = None
    listener: bool = False
    options: tuple[str, tuple[str, ...]] | None = None
    fixed_addresses: bool = False

    def environment(
        self, environment: Mapping[str, str], compiler: str, device_library: Path, report: Path
    ) -> dict[str, str]:
        """A copy of the environment in which the program's kernels are checked.

        Args:
            environment: that runs the program without a check.
            compiler: the path of the g++ that compiles kernels.
            device_library: built with ``library_flags``.
            report: the file for findings; what a sanitizer prints itself goes into files beside it, with its name, a
                dot, ``sanitizer``, and the process's number.

        Raises:
            BackendError: the compiler comes without the sanitizer.
        """
        result = dict(environment)
        result["GPUNET_EMULATOR_CHECK"] = self.name
        result["GPUNET_EMULATOR_FLAGS"] = " ".join(self.compile_flags)
        result["GPUNET_EMULATOR_REPORT"] = str(report)
        result["GPUNET_EMULATOR_WORKERS"] = "1"
        result["GPUNET_HELPERS"] = "threads"  # NumPy's helper processes would start under the sanitizer, for nothing
        preloaded = self._preloaded(compiler, device_library)
        if preloaded:
            own = environment.get("LD_PRELOAD")
            result["LD_PRELOAD"] = ":".join([*preloaded, own] if own else preloaded)
        if self.options is not None:
            variable, settings = self.options
            own = environment.get(variable)
            log = f"log_path={report}.sanitizer"
            result[variable] = ":".join([*settings, log, own] if own else [*settings, log])
        return result

    def prepare_process(self) -> None:
        """Call in the new process, before it becomes the program."""
        if self.fixed_addresses:
            # Refused in some containers. The sanitizer then says itself, before anything runs, if it cannot work so.
            ctypes.CDLL(None).personality(_ADDR_NO_RANDOMIZE)

    def _preloaded(self, compiler: str, device_library: Path) -> list[str]:
        if self.sanitizer is None:
            return []
        listener = [str(device_library)] if self.listener else []
        # A sanitizer looks for C++'s exceptions when it starts, and fails at the first one if they came later.
        return [*listener, library_of(compiler, self.sanitizer), library_of(compiler, "libstdc++.so.6")]


def library_of(compiler: str, name: str) -> str:
    """The path of a library that belongs to a g++.

    Raises:
        BackendError: it has none of this name.
    """
    environment = {variable: value for variable, value in os.environ.items() if variable != "LD_PRELOAD"}
    try:
        done = subprocess.run(  # noqa: S603  (the user's own compiler)
            [compiler, f"-print-file-name={name}"],
            env=environment, capture_output=True, text=True, timeout=_TIMEOUT, check=False,
        )  # fmt: skip
        path = Path(done.stdout.strip())
    except (OSError, subprocess.TimeoutExpired):
        path = Path(name)
    if not path.is_absolute() or not path.exists():
        package = name.partition(".")[0]
        raise BackendError(
            f"{compiler} comes without {name}, which this check needs. "
            f"On Debian and Ubuntu it is part of g++ (apt install --reinstall g++); on Fedora: dnf install {package}"
        )
    return str(path.resolve())


_BOUNDS = Check(
    name="bounds",
    summary="accesses outside of arrays, in device and in shared memory",
    compile_flags=(
        *_DEBUGGABLE,
        "-fsanitize=address",
        "-fsanitize-recover=address",
        "-fsanitize-sections=gpunet_shared_*",  # else static shared memory would get no guarded bytes behind it
    ),
    sanitizer="libasan.so",
    options=(
        "ASAN_OPTIONS",
        # The program goes on after a finding. What the interpreter leaks or mixes is not the kernels' matter, and
        # several kernels may define one name.
        (
            "halt_on_error=0",
            "exitcode=66",
            "detect_leaks=0",
            "alloc_dealloc_mismatch=0",
            "detect_odr_violation=0",
            "allocator_may_return_null=1",
            "detect_stack_use_after_return=0",
            "verify_asan_link_order=0",
        ),
    ),
)

_RACES = Check(
    name="races",
    summary="accesses of two threads that nothing orders, within a block and between blocks",
    compile_flags=(*_DEBUGGABLE, "-fsanitize=thread", "-DGPUNET_EMULATOR_RACES"),
    sanitizer="libtsan.so",
    listener=True,
    options=(
        "TSAN_OPTIONS",
        (
            "exitcode=0",  # the report decides; so a signal must not be made into an exit
            "handle_segv=0",
            "handle_sigbus=0",
            "handle_sigfpe=0",
            "handle_abort=0",
            "report_thread_leaks=0",
            "report_signal_unsafe=0",
            "history_size=3",
        ),
    ),
    fixed_addresses=True,
)

_MEMORY = Check(
    name="memory",
    summary="loads of memory that was never written, and such memory copied to the host",
    compile_flags=(*_DEBUGGABLE, *_OBSERVED),
    library_flags=("-DGPUNET_EMULATOR_OBSERVED",),
)

_TRACE = Check(
    name="trace",
    summary="no mistakes: counts memory sectors for each launch, as lines of JSON in the report",
    # Optimised as without a check: the trace counts the accesses that remain. But a structure that is copied as a
    # whole, float4 say, stays one access, as it is on a GPU: g++ would take it apart first.
    compile_flags=("-g1", "-gdwarf-4", "-fno-tree-sra", *_OBSERVED),
    library_flags=("-DGPUNET_EMULATOR_OBSERVED",),
)

CHECKS: dict[str, Check] = {check.name: check for check in (_BOUNDS, _RACES, _MEMORY, _TRACE)}
