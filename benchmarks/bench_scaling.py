"""How the cost of a training step grows: with the batch, the image, the channels and the depth; memory likewise.

The batch grows for real nets; image, channels and depth, one by one, for a stack of equal 3x3 convolutions. The sizes
of a sweep take turns, each in a process of its own. Start-up is timed in fresh processes: importing the framework, and
making LeNet and training its first step.
"""

from __future__ import annotations

import argparse
import math
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from benchmarks import results, timing
from benchmarks.contenders import ENTRANTS, available
from benchmarks.machine import command_line, in_words, run_record
from benchmarks.options import add_field_options, positive
from benchmarks.peers.architectures import NETS, stack_name
from benchmarks.results import counted, digits, markdown_table, milliseconds
from benchmarks.steps_in_turns import open_worker, row_of, settings, time_steps
from benchmarks.workers import Worker, WorkerError, environment

NAME = "scaling"
EXAMPLE = "gpunet bench scaling --sweeps batch startup --contenders gpunet-numpy torch"
# The stack's sizes where they are not varied, and the sizes of each sweep.
CHANNELS, SIDE, DEPTH, BATCH = 32, 32, 4, 32
SIZES = {
    "batch": (1, 4, 16, 64, 256, 512),
    "image": (8, 16, 32, 64, 128),
    "channels": (4, 8, 16, 32, 64, 128, 256),
    "depth": (1, 2, 4, 8, 16),
}
UNITS = {"batch": "images", "image": "pixels a side", "channels": "channels", "depth": "convolutions"}
STARTUP = "startup"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this benchmark."""
    parser.add_argument("--sweeps", nargs="+", choices=[*SIZES, STARTUP], default=[*SIZES, STARTUP],
                        help="default: all")  # fmt: skip
    parser.add_argument("--nets", nargs="+", choices=list(NETS), default=["lenet", "vgg", "resnet20"],
                        help="whose batch grows (default: lenet vgg resnet20)")  # fmt: skip
    parser.add_argument("--threads", type=positive, default=min(2, os.cpu_count() or 1), help="default: 2")
    parser.add_argument("--largest", type=positive, default=None, metavar="N", help="leave out larger sizes")
    add_field_options(parser, NAME, ["gpunet-numpy"])


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
    field = available(tuple(dict.fromkeys(options.contenders)), dict(options.python))
    record: dict[str, Any] = {
        "benchmark": NAME,
        "title": "How the cost of a training step grows",
        "run": run_record(command),
        "settings": settings(options),
        "absent": field.absent,
        "contenders": {},
        "rows": [],
        "startup": [],
    }
    print(in_words(record["run"]["machine"]))
    for name, reason in field.absent.items():
        print(f"without {ENTRANTS[name].title}: {reason}")
    for sweep in options.sweeps:
        if sweep == STARTUP:
            record["startup"] = startup(field.pythons, options)
            continue
        for contender in field.pythons:
            for rows in sweep_rows(sweep, contender, options):
                time_steps(rows, field.pythons, options, record["contenders"])
                record["rows"] += rows
                print(f"\n{markdown({**record, 'rows': rows, 'startup': []}, notes=False)}", flush=True)
    measured = any("summary" in row for row in record["rows"] + record["startup"])
    path = options.output or results.default_path(NAME)
    drawn = any("summary" in row for row in record["rows"])
    results.write(record, path, markdown(record), plot if drawn else None)
    return 0 if measured else 1


def sweep_rows(sweep: str, contender: str, options: argparse.Namespace) -> list[list[dict[str, Any]]]:
    """The rows of a sweep, still to be measured; one list for each net."""
    sizes = [size for size in SIZES[sweep] if options.largest is None or size <= options.largest]
    if sweep == "batch":
        points = [[(net, size, size) for size in sizes] for net in options.nets]
    else:
        fixed = {"channels": CHANNELS, "side": SIDE, "depth": DEPTH}
        name = {"image": "side"}.get(sweep, sweep)
        points = [[(stack_name(**{**fixed, name: size}), BATCH, size) for size in sizes]]
    return [
        [
            {"sweep": sweep, "size": size, **row_of(contender, net, batch_size, options.threads)}
            for net, batch_size, size in several
        ]
        for several in points
    ]


def startup(pythons: dict[str, Path], options: argparse.Namespace) -> list[dict[str, Any]]:
    """Seconds until a fresh process has imported the framework, and until it has trained LeNet's first step."""
    moments: dict[str, dict[str, list[timing.Sample]]] = {name: {"import": [], "step": []} for name in pythons}
    bare: list[timing.Sample] = []
    errors: dict[str, str] = {}
    for _ in range(options.rounds):
        bare.append(_bare_interpreter())
        for name, python in pythons.items():
            if name in errors:
                continue
            try:
                imported, stepped = _first_step(name, python, options.threads)
            except WorkerError as error:
                errors[name] = str(error)
                continue
            moments[name]["import"].append(imported)
            moments[name]["step"].append(stepped)
    rows: list[dict[str, Any]] = [{"contender": None, "until": "Python starts", **_measured(bare)}]
    for name, until in moments.items():
        if name in errors:
            rows.append({"contender": name, "error": errors[name]})
            continue
        rows.append({"contender": name, "until": "imported", **_measured(until["import"])})
        rows.append({"contender": name, "until": "first step of LeNet", **_measured(until["step"])})
    return rows


def _first_step(name: str, python: Path, threads: int) -> tuple[timing.Sample, timing.Sample]:
    row = row_of(name, "lenet", 64, threads)
    cores = timing.processors()
    busy, own, start = timing.busy_seconds(cores), time.process_time(), time.perf_counter()
    with Worker(python, threads) as worker:
        open_worker(worker, row)
        imported = time.perf_counter() - start
        worker.ask("build")
        answer = worker.ask("first step")
        stepped, busy_after = time.perf_counter() - start, timing.busy_seconds(cores)
    others = None
    if busy is not None and busy_after is not None:
        used = answer["cpu_seconds"] + time.process_time() - own
        others = timing.others_share(busy_after - busy, used, stepped, len(cores))
    return timing.Sample(imported, 1, others), timing.Sample(stepped, 1, others)


def _bare_interpreter() -> timing.Sample:
    command = [sys.executable, "-c", "pass"]
    start = time.perf_counter()
    subprocess.run(command, check=True, env=environment(1, sys.executable))
    return timing.Sample(time.perf_counter() - start, 1, None)


def _measured(samples: list[timing.Sample]) -> dict[str, Any]:
    return {"summary": timing.summary(samples), "samples": [sample.as_json() for sample in samples]}


def markdown(record: dict[str, Any], notes: bool = True) -> str:
    """One table for each sweep, net and contender, and one of the start."""
    parts = []
    for (sweep, net, contender), group in groupby(record["rows"], _group):
        rows = list(group)
        parts.append(f"## {sweep}: {ENTRANTS[contender].title}, {net}, {_others_fixed(sweep, rows[0])}")
        parts.append(_table(sweep, rows))
        parts += [f"{row['size']} failed: {row['error']}" for row in rows if "error" in row]
    if record["startup"]:
        parts += ["## start-up, in fresh processes", _startup_table(record["startup"])]
        parts += [
            f"{ENTRANTS[row['contender']].title} failed: {row['error']}" for row in record["startup"] if "error" in row
        ]
    if notes:
        parts.append(
            f"Medians over samples during which others had at most {timing.QUIET_SHARE:.0%} of the processors, where "
            f"there were at least {timing.FEWEST_QUIET} of them; otherwise, marked (!), over all. Growth: the power of "
            "the size by which the cost grew from the row above; the definition says 1 for batch and depth, 2 for the "
            "image's side, and between 1 and 2 for channels. Files are in the system's cache when a start is timed; "
            "its time includes Python's own start."
        )
    return "\n\n".join(parts)


def _group(row: dict[str, Any]) -> tuple[str, str, str]:
    return row["sweep"], row["net"] if row["sweep"] == "batch" else "stack of 3x3 convolutions", row["contender"]


def _others_fixed(sweep: str, row: dict[str, Any]) -> str:
    if sweep == "batch":
        return counted(row["threads"])
    fixed = {"image": f"{SIDE}x{SIDE} pixels", "channels": f"{CHANNELS} channels", "depth": f"{DEPTH} convolutions"}
    fixed.pop(sweep)
    return f"batch {row['batch_size']}, {', '.join(fixed.values())}, {counted(row['threads'])}"


def _table(sweep: str, rows: list[dict[str, Any]]) -> str:
    done = [row for row in rows if "summary" in row]
    lines = []
    for smaller, row in zip([None, *done], done, strict=False):
        seconds, found = timing.best_median(row["summary"]), row.get("memory", {})
        lines.append([
            str(row["size"]),
            milliseconds(seconds) + ("" if row["summary"]["quiet"] else " (!)"),
            "" if smaller is None else f"{growth(smaller, row):.2f}",
            digits(row["images_per_second"]),
            digits(found["peak_bytes"] / 1e6) if "peak_bytes" in found else "",
        ])  # fmt: skip
    return markdown_table((UNITS[sweep], "ms a step", "growth", "images/s", "peak MB"), lines, left=0)


def growth(smaller: dict[str, Any], larger: dict[str, Any]) -> float:
    """The power of the size by which the cost grew: 1 if it doubled with the size."""
    cost = timing.best_median(larger["summary"]) / timing.best_median(smaller["summary"])
    return math.log(cost) / math.log(larger["size"] / smaller["size"])


def _startup_table(rows: list[dict[str, Any]]) -> str:
    lines = [
        [
            "" if row["contender"] is None else ENTRANTS[row["contender"]].title,
            row["until"],
            milliseconds(timing.best_median(row["summary"])),
        ]
        for row in rows
        if "summary" in row
    ]
    return markdown_table(("contender", "until", "ms"), lines, left=2)


def plot(figure: Any, record: dict[str, Any]) -> None:
    """For each sweep, seconds and peak memory over the size, doubly logarithmic: a line for each net and contender."""
    done = [row for row in record["rows"] if "summary" in row]
    sweeps = list(dict.fromkeys(row["sweep"] for row in done))
    figure.set_size_inches(10, 3.2 * len(sweeps))
    for axes, sweep in zip(figure.subplots(len(sweeps), 2, squeeze=False), sweeps, strict=True):
        for (_, net, contender), group in groupby((row for row in done if row["sweep"] == sweep), _group):
            rows = list(group)
            label = f"{ENTRANTS[contender].title}, {net}"
            seconds = [1e3 * timing.best_median(row["summary"]) for row in rows]
            axes[0].loglog([row["size"] for row in rows], seconds, "o-", label=label)
            known = [row for row in rows if "peak_bytes" in row.get("memory", {})]
            memory = [max(row["memory"]["peak_bytes"], 1) / 1e6 for row in known]
            axes[1].loglog([row["size"] for row in known], memory, "o-", label=label)
        for ax, unit in zip(axes, ("ms a step", "peak MB"), strict=True):
            ax.set_xlabel(UNITS[sweep])
            ax.set_ylabel(unit)
        axes[0].legend(fontsize="x-small")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
