"""Compile every kernel for seven generations of GPUs, without one, and hold what it costs against its budget.

    python -m benchmarks.static_kernels                    the table; exit status 1 if a budget is exceeded
    python -m benchmarks.static_kernels --json costs.json  all numbers, too
    python -m benchmarks.static_kernels --update-budgets   write static_budgets.toml anew, and show what changed

NVRTC comes with `pip install 'gpunet[static]'`. Registers, shared memory and local memory are the compiler's word;
occupancy follows from them and NVIDIA's limits (benchmarks/occupancy.py). Sectors and bytes are counted by the tracer
of the emulator, where that is installed (`pip install 'gpunet[emulator]'` and g++): a model, no measurement.
"""

from __future__ import annotations

import argparse
import difflib
import json
import os
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from itertools import groupby
from pathlib import Path

from benchmarks import static_budgets
from benchmarks.kernel_costs import Costs, Row, collect
from benchmarks.kernel_workloads import Launch, recorded_launches
from benchmarks.nvrtc import Nvrtc, NvrtcError
from benchmarks.occupancy import LIMITS
from benchmarks.traced_run import TracedRun, no_emulator
from benchmarks.traces import TraceError, Traffic
from gpunet.backends.cupy import kernel_library

BUDGETS = Path(__file__).resolve().with_name("static_budgets.toml")
_TRACED_DTYPE = "float32"  # of float64 the same accesses are twice as wide, and as well or badly placed


class UnusableError(Exception):
    """The check cannot run; the message says why and what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command.

    Returns:
        0 if everything compiles and keeps its budget, 1 if not, 2 if the check cannot run.
    """
    options = _parse(arguments)
    try:
        return _run(options)
    except (UnusableError, NvrtcError, TraceError, static_budgets.BudgetError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.static_kernels",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--architectures", nargs="+", type=int, choices=LIMITS, default=list(LIMITS), metavar="75")
    parser.add_argument("--files", nargs="+", choices=kernel_library.files(), default=list(kernel_library.files()))
    parser.add_argument("--budgets", type=Path, default=BUDGETS, help="default: static_budgets.toml beside this file")
    parser.add_argument("--update-budgets", action="store_true", help="write the budgets anew and show the difference")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers to a file")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="compilations at once")
    trace = parser.add_mutually_exclusive_group()
    trace.add_argument("--no-trace", action="store_true", help="do not run the emulator's tracer")
    trace.add_argument("--require-trace", action="store_true", help="fail if the tracer cannot run")
    return parser.parse_args(arguments)


def _run(options: argparse.Namespace) -> int:
    start = time.monotonic()
    if options.update_budgets and set(options.architectures) != set(LIMITS):
        raise UnusableError("--update-budgets needs every architecture: leave out --architectures")
    nvrtc = Nvrtc()
    if missing := set(options.architectures) - set(nvrtc.architectures()):
        raise UnusableError(
            f"NVRTC {_version(nvrtc)} does not compile for sm_{', sm_'.join(map(str, sorted(missing)))}"
        )
    budgets = static_budgets.read(options.budgets)
    launches = [launch for dtype in kernel_library.DTYPES for launch in recorded_launches(dtype)]
    run, absent = _traced_run(options, launches)
    with run or nullcontext():
        costs = collect(nvrtc, launches, options.files, options.architectures, options.jobs)
        if run:
            add_traffic(costs.rows, run.traffic(kernel_library.files()))
    print_resources(costs.rows, options.architectures)
    print_traffic(costs.rows, budgets)
    print(f"\nNVRTC {_version(nvrtc)}, {len(costs.rows)} launches, {time.monotonic() - start:.0f} s")
    if absent:
        print(f"no sectors and bytes: {absent}")
    if options.update_budgets:
        _update(options.budgets, budgets, costs)
        budgets = static_budgets.read(options.budgets)
    faults = all_faults(costs, budgets)
    if options.json:
        _write_json(options.json, nvrtc, costs, faults)
    for fault in faults:
        print(f"FAULT {fault}")
    print(f"{len(faults)} faults" if faults else "every kernel compiles and keeps its budget")
    return 1 if faults else 0


def all_faults(costs: Costs, budgets: static_budgets.Budgets) -> list[str]:
    """What did not compile, what exceeds its budget, and budgets of kernels that do not exist; one line each."""
    stale = [f"{kernel} has a budget and does not exist" for kernel in budgets.stale(_all_kernels())]
    return costs.faults + budgets.faults(costs.figures()) + stale


def _all_kernels() -> list[str]:
    return [f"{file}.{name}" for file in kernel_library.files() for name in kernel_library.declarations(file).kernels]


def _traced_run(options: argparse.Namespace, launches: Sequence[Launch]) -> tuple[TracedRun | None, str]:
    """The run of all workloads that launch what is checked; or why there is none."""
    reason = "left out by --no-trace" if options.no_trace else no_emulator()
    if reason and options.require_trace:
        raise UnusableError(f"--require-trace: {reason}")
    if reason:
        return None, reason
    names = dict.fromkeys(launch.workload for launch in launches if launch.file in options.files)
    return TracedRun(names, _TRACED_DTYPE), ""


def add_traffic(rows: Sequence[Row], traced: Sequence[tuple[Launch, Traffic]]) -> None:
    """Put what the tracer counted beside the rows of the traced dtype.

    Raises:
        TraceError: a row was not launched by the traced run.
    """
    sums: dict[tuple[object, ...], Traffic] = {}
    for launch, traffic in traced:
        key = (launch.file, launch.dtype, launch.constants, launch.kernel, launch.block_size)
        sums[key] = sums.get(key, Traffic()) + traffic
    for row in rows:
        if row.module.dtype != _TRACED_DTYPE:
            continue
        key = (row.module.file, row.module.dtype, row.module.constants, row.kernel, row.block_size)
        if key not in sums:
            raise TraceError(f"the emulated run did not launch {row.name} ({row.module.label}); the recorded one did")
        row.traffic = sums[key]


# --------------------------------------------------------------------------------------------------------------- output


def print_resources(rows: Sequence[Row], architectures: Sequence[int]) -> None:
    """One line for each kernel, dtype, constants and block size; one column for each generation."""
    names, labels = _widths(rows)
    print(
        "Of each generation: registers of a thread, and blocks and warps that one multiprocessor holds of the kernel."
    )
    print("block: threads. shared: bytes of a block. local: bytes of a thread, for its stack and what registers spill.")
    for file, group in groupby(rows, lambda row: row.module.file):
        cells = "".join(f"{f'sm_{each} ({LIMITS[each].warps})':>13}" for each in architectures)
        print(f"\n{f'{file}.cu':{names + labels}}{'block':>6}{'shared':>7}{'local':>6}{cells}")
        for row in sorted(group, key=lambda row: (row.kernel, row.module, row.block_size)):
            local = max((each.stack_bytes + each.spill_store_bytes for each in row.resources.values()), default=0)
            line = f"{row.kernel:{names}}{row.module.label:{labels}}{row.block_size:6}{row.shared_bytes:7}{local:6}"
            print(line + "".join(f"{_cell(row, architecture):>13}" for architecture in architectures))


def print_traffic(rows: Sequence[Row], budgets: static_budgets.Budgets) -> None:
    """One line for each kernel, dtype and constants that was traced, with the reason where it is beyond the limit."""
    traced = [row for row in rows if row.traffic is not None]
    if not traced:
        return
    names, labels = _widths(traced)
    print("\nGlobal memory, traced. sectors: of 32 bytes, of one request of a warp; ideal: that its bytes would fill.")
    print("moved: KB asked of the first-level caches; floor: distinct KB in them. Caches serve much of the difference.")
    for file, group in groupby(traced, lambda row: row.module.file):
        print(f"\n{f'{file}.cu':{names + labels}}{'sectors':>8}{'ideal':>8}{'':8}{'moved':>9}{'floor':>9}")
        for row in sorted(group, key=lambda row: (row.kernel, row.module, row.block_size)):
            traffic = row.traffic
            assert traffic is not None
            ratio, again = traffic.sectors_over_ideal, traffic.traffic_over_floor
            line = f"{row.kernel:{names}}{row.module.label:{labels}}{traffic.sectors / traffic.requests:8.2f}"
            line += f"{traffic.ideal_sectors / traffic.requests:8.2f}{f'x{ratio:.2f}':>8}"
            line += f"{traffic.bytes_moved / 1e3:9.0f}{traffic.bytes_floor / 1e3:9.0f}{f'x{again:.2f}':>8}"
            beyond = ratio > budgets.limits.get("sectors_over_ideal", float("inf"))
            print(line + (f"  {budgets.reasons.get(row.name, '')}" if beyond else ""))


def _widths(rows: Sequence[Row]) -> tuple[int, int]:
    names, labels = [len(row.kernel) for row in rows], [len(row.module.label) for row in rows]
    return max(names, default=0) + 2, max(labels, default=0) + 1


def _cell(row: Row, architecture: int) -> str:
    if architecture not in row.resources:
        return "fails"
    held = row.occupancy(architecture)
    return f"{row.resources[architecture].registers}r {held.blocks}b {held.warps}w"


def _update(path: Path, budgets: static_budgets.Budgets, costs: Costs) -> None:
    before, after = path.read_text(encoding="utf-8"), budgets.updated(costs.figures(), _all_kernels()).text()
    names = {"fromfile": f"{path.name} before", "tofile": f"{path.name} now"}
    difference = list(difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=2, **names))
    print("\n".join(["", *difference]) if difference else f"\n{path.name} stays as it is")
    path.write_text(after, encoding="utf-8")


def _write_json(path: Path, nvrtc: Nvrtc, costs: Costs, faults: list[str]) -> None:
    content = {"nvrtc": _version(nvrtc), "kernels": [row.as_json() for row in costs.rows], "faults": faults}
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _version(nvrtc: Nvrtc) -> str:
    return ".".join(map(str, nvrtc.version))


if __name__ == "__main__":
    sys.exit(main())
