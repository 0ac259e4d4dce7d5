"""Time every primitive of a backend, forward and backward, as the layers of real nets call it.

A training step of each net runs; each distinct call in it (primitive, sizes, order in memory) is repeated where it
stands. Bytes and operations are counted from the definition of the primitive (primitive_costs.py); the rates achieved
are given as shares of what the same threads, or the same GPU, copy and multiply at best, measured in between. On a GPU
the calls are timed by CUDA events, after compilation, and sums over overlapping windows both gathered and atomic.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from benchmarks import results, timing
from benchmarks.machine import command_line, in_words, run_record
from benchmarks.options import add_output_option, positive
from benchmarks.peers.architectures import NETS
from benchmarks.results import counted, digits, markdown_table
from benchmarks.workers import Worker, WorkerError

NAME = "kernels"
EXAMPLE = "gpunet bench kernels --nets vgg resnet20 --backends numpy --threads 1 2"
OTHERS = "others"  # of kernel_child.py, which only the measuring process imports
TIMEOUT = 1800.0


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this benchmark."""
    nets = [*NETS, OTHERS]
    parser.add_argument("--nets", nargs="+", choices=nets, default=["lenet", "vgg", "resnet20", OTHERS],
                        help="whose layers; 'others': every primitive once (default: all but resnet18)")  # fmt: skip
    parser.add_argument("--batch-sizes", nargs="+", type=positive, default=[64], metavar="N", help="default: 64")
    parser.add_argument("--threads", nargs="+", type=positive, default=[min(2, os.cpu_count() or 1)], metavar="N",
                        help="of the NumPy backend (default: 2)")  # fmt: skip
    parser.add_argument("--backends", nargs="+", choices=["numpy", "cupy"], default=["numpy"], help="default: numpy")
    parser.add_argument("--samples", type=positive, default=7, help="of each call (default: %(default)s)")
    parser.add_argument("--sample-seconds", type=float, default=0.1, help="of each sample (default: %(default)s)")
    add_output_option(parser, NAME)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command.

    Returns:
        0; or 1 if nothing could be measured.
    """
    parser = argparse.ArgumentParser(prog=f"gpunet bench {NAME}", description=__doc__,
                                     epilog=f"example:\n  {EXAMPLE}", allow_abbrev=False,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    add_options(parser)
    return run(parser.parse_args(arguments), command_line(NAME, list(arguments or ())))


def run(options: argparse.Namespace, command: list[str]) -> int:
    """Measure everything asked for, and write it down."""
    record: dict[str, Any] = {
        "benchmark": NAME,
        "title": "Every primitive, as the layers of real nets call it",
        "run": run_record(command),
        "settings": {"samples": options.samples, "sample_seconds": options.sample_seconds},
        "groups": [],
    }
    print(in_words(record["run"]["machine"]))
    for backend in options.backends:
        for net in options.nets:
            for batch_size in options.batch_sizes:
                for threads in options.threads if backend == "numpy" else [1]:
                    group = measure(net, batch_size, backend, threads, options)
                    record["groups"].append(group)
                    print(f"\n{markdown({'groups': [group]}, notes=False)}\n", flush=True)
    measured = any("rows" in group for group in record["groups"])
    path = options.output or results.default_path(NAME)
    results.write(record, path, markdown(record), plot if measured else None)
    return 0 if measured else 1


def measure(net: str, batch_size: int, backend: str, threads: int, options: argparse.Namespace) -> dict[str, Any]:
    """One net on one backend, in a process of its own: its rows and ceilings, or the error that ended it."""
    group = {"net": net, "batch_size": batch_size, "backend": backend, "threads": threads}
    with Worker(sys.executable, threads, "benchmarks.kernel_child") as worker:
        try:
            return group | worker.ask(
                "measure", timeout=TIMEOUT, samples=options.samples, seconds=options.sample_seconds, **group
            )
        except WorkerError as error:
            return group | {"error": str(error)}


def markdown(record: dict[str, Any], notes: bool = True) -> str:
    """One table for each net, batch size, backend and number of threads."""
    parts = []
    for group in record["groups"]:
        title = NETS[group["net"]].title if group["net"] in NETS else "Every primitive once"
        where = counted(group["threads"]) if group["backend"] == "numpy" else "GPU"
        parts.append(f"## {title}, batch {group['batch_size']}, {group['backend']}, {where}")
        if "error" in group:
            parts.append(f"failed: {group['error']}")
            continue
        best = group["ceilings"]
        parts.append(f"Ceilings: copy {best['bandwidth'] / 1e9:.1f} GB/s, product {best['product'] / 1e9:.0f} GFLOP/s.")
        parts.append(_table(group["rows"]))
    if notes:
        parts.append(
            "GB/s and GFLOP/s count what the definition needs, not what an algorithm does; so Winograd's algorithm may "
            "exceed the product, and what stays in a cache may exceed the copy. Roof: the time that the slower of the "
            "two ceilings allows, of the time taken. Calls: how often a training step makes this one."
        )
    return "\n\n".join(parts)


def _table(rows: list[dict[str, Any]]) -> str:
    lines = []
    for row in rows:
        for name, variant in row["variants"].items():
            seconds = timing.best_median(variant["summary"])
            lines.append([
                f"{row['primitive']}{f' ({name})' if name else ''}",
                row["detail"],
                str(row["count"]),
                digits(1e6 * seconds),
                digits(variant["bytes_per_second"] / 1e9),
                digits(variant["operations_per_second"] / 1e9),
                f"{variant['share_of_bandwidth']:.0%}",
                f"{variant['share_of_product']:.0%}",
                f"{variant['share_of_roof']:.0%}",
            ])  # fmt: skip
    titles = ("primitive", "sizes of a sample", "calls", "µs", "GB/s", "GFLOP/s", "of copy", "of product", "of roof")
    return markdown_table(titles, lines, left=2)


def plot(figure: Any, record: dict[str, Any]) -> None:
    """The roofline: rate over operations a byte, one pair of axes for each backend and number of threads."""
    groups = [group for group in record["groups"] if "rows" in group]

    def place(group: dict[str, Any]) -> tuple[str, int]:
        return group["backend"], group["threads"]

    drawn = [(key, list(several)) for key, several in groupby(sorted(groups, key=place), place)]
    figure.set_size_inches(9, 1 + 4.5 * len(drawn))
    for ax, ((backend, threads), several) in zip(
        figure.subplots(len(drawn), 1, squeeze=False)[:, 0], drawn, strict=True
    ):
        bandwidth = max(group["ceilings"]["bandwidth"] for group in several)
        product = max(group["ceilings"]["product"] for group in several)
        reach = sorted([2.0**-5, product / bandwidth, 2.0**10])
        ax.loglog(reach, [min(product, bandwidth * each) / 1e9 for each in reach], color="black", label="roof")
        rows = [row for group in several for row in group["rows"] if row["operations"]]
        for primitive in sorted({row["primitive"] for row in rows}):
            own = [row for row in rows if row["primitive"] == primitive]
            rates = [next(iter(row["variants"].values()))["operations_per_second"] / 1e9 for row in own]
            dense = [row["operations"] / row["bytes"] for row in own]
            ax.loglog(dense, rates, ".", label=primitive)
        ax.set_title(f"{backend}, {counted(threads)}" if backend == "numpy" else backend, loc="left", fontsize="medium")
        ax.set_xlabel("operations a byte")
        ax.set_ylabel("GFLOP/s")
        ax.legend(fontsize="x-small", ncols=2)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
