"""What every kernel that the CuPy backend launches costs on every generation of GPUs: compiled, not run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from benchmarks.kernel_workloads import Launch
from benchmarks.nvrtc import Compilation, Job, Nvrtc, NvrtcError, Resources, compile_all
from benchmarks.occupancy import Occupancy, occupancy
from benchmarks.static_budgets import Figure
from benchmarks.traces import Traffic
from gpunet.backends.cupy import kernel_library

Constants = tuple[tuple[str, int], ...]


@dataclass(frozen=True, order=True)
class Module:
    """What is compiled as one: a kernel file for one dtype, with constants that the compiler knows."""

    file: str
    dtype: str
    constants: Constants = ()

    @property
    def label(self) -> str:
        """As people write it: "float32, 3x3/2"."""
        return f"{self.dtype}, {constants_label(self.constants)}" if self.constants else self.dtype

    def job(self, architecture: int) -> Job:
        """What the kernel library would have CuPy compile."""
        options = kernel_library.compile_options(self.dtype, dict(self.constants))
        return Job(kernel_library.source_text(self.file), f"{self.file}.cu", options, architecture)


@dataclass
class Row:
    """A kernel as it is launched, and what that costs.

    Attributes:
        module, kernel, block_size: what is launched.
        dynamic_bytes: dynamic shared memory of a block.
        resources: by architecture.
        traffic: what the tracer counted; None if it did not run.
    """

    module: Module
    kernel: str
    block_size: int
    dynamic_bytes: int
    resources: dict[int, Resources] = field(default_factory=dict)
    traffic: Traffic | None = None

    @property
    def name(self) -> str:
        """As "pooling.max_pool2d"."""
        return f"{self.module.file}.{self.kernel}"

    @property
    def shared_bytes(self) -> int:
        """Shared memory of a block, static and dynamic; the most of all generations."""
        return max((each.shared_bytes for each in self.resources.values()), default=0) + self.dynamic_bytes

    def occupancy(self, architecture: int) -> Occupancy:
        """What one multiprocessor holds of it."""
        own = self.resources[architecture]
        return occupancy(
            architecture, self.block_size, own.registers, own.shared_bytes + self.dynamic_bytes, own.barriers
        )

    def figures(self) -> Iterator[Figure]:
        """Every number that may have a budget."""
        constants = constants_label(self.module.constants)
        for architecture, own in self.resources.items():
            where = ", ".join(part for part in (f"sm_{architecture}", constants) if part)
            numbers = {
                "registers": own.registers,
                "shared_bytes": own.shared_bytes + self.dynamic_bytes,
                "occupancy": self.occupancy(architecture).share,
            }
            for name, value in numbers.items():
                yield Figure(self.name, self.module.dtype, name, value, where)
        if self.traffic is not None:
            where = constants or "traced"
            ratios = {
                "sectors_over_ideal": self.traffic.sectors_over_ideal,
                "traffic_over_floor": self.traffic.traffic_over_floor,
            }
            for name, value in ratios.items():
                yield Figure(self.name, self.module.dtype, name, value, where)

    def as_json(self) -> dict[str, Any]:
        """Everything, as plain dictionaries."""
        generations = {}
        for architecture, own in self.resources.items():
            held = self.occupancy(architecture)
            generations[f"sm_{architecture}"] = {**vars(own), **{f"resident_{k}": v for k, v in vars(held).items()}}
        return {
            "file": self.module.file,
            "kernel": self.kernel,
            "dtype": self.module.dtype,
            "constants": dict(self.module.constants),
            "block_size": self.block_size,
            "dynamic_shared_bytes": self.dynamic_bytes,
            "generations": generations,
            "traffic": None if self.traffic is None else self.traffic.as_json(),
        }


@dataclass
class Costs:
    """Rows of all launches, the local memory of all kernels that were compiled, and what went wrong."""

    rows: list[Row]
    local_memory: list[Figure]
    faults: list[str]

    def figures(self) -> list[Figure]:
        """All numbers."""
        return [figure for row in self.rows for figure in row.figures()] + self.local_memory


def constants_label(constants: Constants) -> str:
    """A window's constants as "3x3/2" (and where its padding puts the tiles, unless at 0), others by name."""
    values = dict(constants)
    rows, cols = values.pop("KERNEL_ROWS", 0), values.pop("KERNEL_COLS", 0)
    strides = values.pop("STRIDE_ROWS", 0), values.pop("STRIDE_COLS", 0)
    phases = values.pop("PHASE_ROWS", 0), values.pop("PHASE_COLS", 0)
    parts = [f"{rows}x{cols}/{_pair(strides)}"] if rows else []
    parts += [f"phase {_pair(phases)}"] if any(phases) else []
    return " ".join([*parts, *(f"{name}={value}" for name, value in values.items())])


def _pair(values: tuple[int, int]) -> str:
    return f"{values[0]}" if values[0] == values[1] else f"{values[0]}x{values[1]}"


def modules(launches: Iterable[Launch], files: Sequence[str]) -> list[Module]:
    """What has to be compiled of ``files``: what is launched, and all of it for every dtype without constants."""
    general = {Module(file, dtype) for file in files for dtype in kernel_library.DTYPES}
    return sorted(general | {Module(each.file, each.dtype, each.constants) for each in launches if each.file in files})


def collect(
    nvrtc: Nvrtc, launches: Sequence[Launch], files: Sequence[str], architectures: Sequence[int], processes: int
) -> Costs:
    """Compile ``files`` for every generation, and put what the compiler says beside how they are launched."""
    launches = [launch for launch in launches if launch.file in files]
    work = [(module, architecture) for module in modules(launches, files) for architecture in architectures]
    jobs = [module.job(architecture) for module, architecture in work]
    results = dict(zip(work, compile_all(nvrtc, jobs, processes), strict=True))
    costs = Costs(_rows(launches), [], _never_launched(launches, files))
    for (module, architecture), result in results.items():
        place = f"{module.file}.cu ({module.label}, sm_{architecture})"
        if isinstance(result, NvrtcError):
            costs.faults.append(f"{place} does not compile: {result}")
            continue
        if result.warnings:
            costs.faults.append(f"{place}: the compiler warns: {result.warnings}")
        if unknown := result.kernels.keys() ^ kernel_library.declarations(module.file).kernels.keys():
            costs.faults.append(f"{place}: the compiler and the kernel library disagree about {sorted(unknown)}")
        for kernel, own in result.kernels.items():
            costs.local_memory += _local_memory(module, kernel, architecture, own)
    for row in costs.rows:
        for architecture in architectures:
            result = results[row.module, architecture]
            if isinstance(result, Compilation) and row.kernel in result.kernels:
                row.resources[architecture] = result.kernels[row.kernel]
    return costs


def _rows(launches: Iterable[Launch]) -> list[Row]:
    """One row for each kernel, dtype, constants and block size; of several amounts of shared memory the largest."""

    def key(launch: Launch) -> tuple[Module, str, int]:
        return Module(launch.file, launch.dtype, launch.constants), launch.kernel, launch.block_size

    return [
        Row(module, kernel, block_size, max(each.shared_bytes for each in group))
        for (module, kernel, block_size), group in groupby(sorted(launches, key=key), key)
    ]


def _never_launched(launches: Iterable[Launch], files: Iterable[str]) -> list[str]:
    launched = {(launch.file, launch.kernel, launch.dtype) for launch in launches}
    return [
        f"{file}.cu: kernel {kernel} is launched by no workload for {dtype}: add one to benchmarks/kernel_workloads.py"
        for file in files
        for kernel in kernel_library.declarations(file).kernels
        for dtype in kernel_library.DTYPES
        if (file, kernel, dtype) not in launched
    ]


def _local_memory(module: Module, kernel: str, architecture: int, own: Resources) -> list[Figure]:
    constants = constants_label(module.constants)
    where = ", ".join(part for part in (f"sm_{architecture}", constants) if part)
    numbers = {"stack_bytes": own.stack_bytes, "spill_bytes": own.spill_store_bytes + own.spill_load_bytes}
    return [Figure(f"{module.file}.{kernel}", module.dtype, name, value, where) for name, value in numbers.items()]
