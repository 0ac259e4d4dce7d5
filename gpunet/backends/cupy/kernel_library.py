"""Finds, compiles, checks and launches the kernels of ``kernels/``; nothing else reads that folder."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from gpunet import resources
from gpunet.backends.cupy.arguments import Arguments, Converter
from gpunet.backends.cupy.options import Options
from gpunet.backends.cupy.signature import Source, parse
from gpunet.errors import BackendError

HEADER = "common.cuh"
MAXIMUM_BLOCKS = 2**31 - 1  # of a grid, along x
MAXIMUM_BLOCK_SIZE = 1024

# What REAL and ACCUMULATOR stand for; a type narrower than float would be summed in float.
_C_TYPES = {"float32": ("float", "float"), "float64": ("double", "double")}
_NUMPY_TYPES: dict[str, np.dtype[Any]] = {"float": np.dtype("float32"), "double": np.dtype("float64")}

DTYPES = tuple(_C_TYPES)  # that kernels are compiled for


@cache
def files() -> tuple[str, ...]:
    """The kernel files, without ``.cu``."""
    return tuple(sorted(path.stem for path in resources.folder("kernels").glob("*.cu")))


@cache
def source_text(file: str) -> str:
    """What is compiled for a kernel file: the common header, then the file, each under its own name and line numbers.

    The header is part of the text because CuPy's cache of compiled kernels knows a kernel by its text alone.

    Raises:
        BackendError: there is no such file.
    """
    if file not in files():
        raise BackendError(f"there is no kernel file {file!r}: choose one of {', '.join(files())}.")
    parts = []
    for name in (HEADER, f"{file}.cu"):
        text = (resources.folder("kernels") / name).read_text(encoding="utf-8")
        parts.append(f'#line 1 "{name}"\n{text}')
    return "\n".join(parts)


@cache
def declarations(file: str) -> Source:
    """The kernels and structures that a kernel file declares."""
    return parse(source_text(file))


def compile_options(dtype: Any, constants: Mapping[str, int] | None = None) -> tuple[str, ...]:
    """What the compiler is told for one dtype.

    Raises:
        BackendError: kernels are not compiled for this dtype.
    """
    name = np.dtype(dtype).name
    if name not in _C_TYPES:
        raise BackendError(f"got arrays of {name}, wanted {' or '.join(DTYPES)}. Convert them with astype.")
    real, accumulator = _C_TYPES[name]
    defines = {"REAL": real, "ACCUMULATOR": accumulator, **(constants or {})}
    return ("-std=c++17", *(f"-D{define}={value}" for define, value in defines.items()))


def accumulator_type(dtype: Any) -> np.dtype[Any]:
    """The dtype in which kernels hold sums of elements of ``dtype``."""
    return _NUMPY_TYPES[_C_TYPES[np.dtype(dtype).name][1]]


@dataclass(frozen=True)
class Geometry:
    """Limits that replace the launches' own; for tests of kernels under odd ones."""

    block_size: int | None = None
    max_blocks: int = MAXIMUM_BLOCKS


@dataclass(frozen=True)
class _Kernel:
    """A compiled kernel, and how each of its arguments is converted."""

    function: Any
    names: tuple[str, ...]
    converters: tuple[Converter, ...]

    def convert(self, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(arguments) != len(self.names):
            raise BackendError(f"got {len(arguments)} arguments, wanted {len(self.names)}: {', '.join(self.names)}.")
        return tuple(
            _named(f"argument {name!r}", convert, argument)
            for name, convert, argument in zip(self.names, self.converters, arguments, strict=True)
        )


class KernelLibrary:
    """The kernels of ``kernels/``, compiled when they are first launched and kept.

    Args:
        xp: the cupy module.

    Attributes:
        options: what the user has set; primitives get it with the library.
    """

    def __init__(self, xp: Any) -> None:
        self.xp = xp
        self.options = Options()
        self._kernels: dict[Any, _Kernel] = {}
        self._modules: dict[Any, Any] = {}
        self._lock = threading.RLock()
        self._geometry = Geometry()

    def launch(
        self,
        file: str,
        kernel: str,
        dtype: Any,
        *arguments: Any,
        threads: int | None = None,
        blocks: int | None = None,
        block_size: int = 256,
        constants: Mapping[str, int] | None = None,
        shared_bytes: int = 0,
    ) -> None:
        """Run a kernel on CuPy's current stream.

        Args:
            file: of ``kernels/``, without ``.cu``.
            kernel: its name in the file.
            dtype: what ``real`` stands for: float32 or float64.
            arguments: as `Arguments.converter` takes them, in the order of the kernel's parameters.
            threads: number of work items, one a thread; nothing is launched for 0.
            blocks: instead of threads, number of work items that take a block each; nothing is launched for 0.
            block_size: threads of a block. A grid has no more blocks than the hardware allows: kernels loop.
            constants: names that the compiler is to know as numbers.
            shared_bytes: dynamic shared memory of each block.

        Raises:
            BackendError: an argument is not what the kernel declares, or the kernel does not compile; says which.
        """
        compiled = self._kernel(file, kernel, np.dtype(dtype), constants)
        converted = _named(f"kernel {kernel!r} of {file}.cu", compiled.convert, arguments)
        if (threads is None) == (blocks is None):
            raise BackendError(f"kernel {kernel!r} of {file}.cu: give either threads or blocks.")
        size = self._geometry.block_size or block_size
        if not 1 <= size <= MAXIMUM_BLOCK_SIZE:
            raise BackendError(f"kernel {kernel!r} of {file}.cu: block_size must be in [1, 1024], got {size}.")
        wanted = blocks if threads is None else -(-threads // size)
        if wanted:
            grid = min(wanted, self._geometry.max_blocks)
            compiled.function((grid,), (size,), converted, shared_mem=shared_bytes)

    @contextmanager
    def geometry(self, block_size: int | None = None, max_blocks: int = MAXIMUM_BLOCKS) -> Iterator[None]:
        """Launch everything inside with this block size and at most so many blocks: results must not depend on it."""
        before = self._geometry
        self._geometry = Geometry(block_size, max_blocks)
        try:
            yield
        finally:
            self._geometry = before

    def compile(self, file: str, dtype: Any, constants: Mapping[str, int] | None = None) -> None:
        """Compile a file for a dtype, unless that is done; `launch` does it by itself.

        Raises:
            BackendError: the compiler refuses; with its log.
        """
        for kernel in declarations(file).kernels:
            self._kernel(file, kernel, np.dtype(dtype), constants)

    def _kernel(self, file: str, kernel: str, dtype: np.dtype[Any], constants: Mapping[str, int] | None) -> _Kernel:
        key = (file, kernel, dtype, tuple(constants.items()) if constants else ())
        found = self._kernels.get(key)
        if found is None:
            with self._lock:
                found = self._kernels[key] = self._prepare(file, kernel, dtype, constants)
        return found

    def _prepare(self, file: str, kernel: str, dtype: np.dtype[Any], constants: Mapping[str, int] | None) -> _Kernel:
        declared = declarations(file)
        if kernel not in declared.kernels:
            raise BackendError(f"{file}.cu has no kernel {kernel!r}: it has {', '.join(declared.kernels)}.")
        options = compile_options(dtype, constants)
        real, accumulator = (_NUMPY_TYPES[name] for name in _C_TYPES[dtype.name])
        arguments = Arguments(self.xp, {"real": real, "accumulator": accumulator}, declared.structures)
        parameters = declared.kernels[kernel]
        converters = tuple(_named(f"kernel {kernel!r} of {file}.cu", arguments.converter, each) for each in parameters)
        if (file, options) not in self._modules:
            self._modules[file, options] = self.xp.RawModule(code=source_text(file), options=options, backend="nvrtc")
        try:
            function = self._modules[file, options].get_function(kernel)
        except self.xp.cuda.compiler.CompileException as error:
            raise BackendError(
                f"{file}.cu does not compile with {' '.join(options)}; the compiler says:\n{str(error).strip()}\n"
                "If you did not change it, `gpunet doctor` checks the installation."
            ) from None
        return _Kernel(function, tuple(each.name for each in parameters), converters)


def _named(name: str, function: Callable[[Any], Any], argument: Any) -> Any:
    """``function(argument)``, with ``name`` before the message of a `BackendError`."""
    try:
        return function(argument)
    except BackendError as error:
        raise BackendError(f"{name}: {error}") from None
