"""Time whole training steps: gpunet beside PyTorch, TensorFlow, JAX, Chainer and NumPy as tutorials write it.

A step zeroes the gradients, runs forward, loss, backward and SGD with momentum, and reads the loss as a number. All
contenders build the same net (peers/architectures.py), run in processes of their own, and take turns within one run;
only one computes at a time. Who is not installed is named, with the command that installs it.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import results, timing
from benchmarks.contenders import ENTRANTS, FAMILIES, Field, available
from benchmarks.machine import command_line, in_words, run_record
from benchmarks.options import positive
from benchmarks.peers.architectures import NETS, Net, parameters
from benchmarks.training_tables import markdown, plot
from benchmarks.workers import Worker, WorkerError

NAME = "training"
EXAMPLE = "gpunet bench training --nets lenet vgg --threads 2 --contenders gpunet-numpy torch torch-cl"
STEPS_OF_MEMORY = 10
# In a pause of this length OpenMP's and XLA's threads stop looking for work and leave the processors to the next.
PAUSE_SECONDS = 0.05


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this benchmark."""
    parser.add_argument("--nets", nargs="+", choices=list(NETS), default=["lenet", "vgg", "resnet20"],
                        help="default: lenet vgg resnet20; resnet18 takes minutes on a CPU")  # fmt: skip
    parser.add_argument("--batch-sizes", nargs="+", type=positive, default=[64], metavar="N", help="default: 64")
    parser.add_argument("--threads", nargs="+", type=positive, default=[min(2, os.cpu_count() or 1)], metavar="N",
                        help="processors of each contender; with fewer than there are, it is pinned "
                        "(default: 2)")  # fmt: skip
    parser.add_argument("--contenders", nargs="+", choices=list(ENTRANTS), default=list(ENTRANTS), metavar="NAME",
                        help=f"default: all that are installed, of {', '.join(ENTRANTS)}")  # fmt: skip
    parser.add_argument("--python", action="append", type=_family_and_path, default=[], metavar="FAMILY=PATH",
                        help=f"the interpreter of one family ({', '.join(FAMILIES)}); "
                        "default: .venv-peers/FAMILY, else this one")  # fmt: skip
    parser.add_argument("--rounds", type=positive, default=9, help="samples of each contender (default: %(default)s)")
    parser.add_argument("--quiet-samples", type=int, default=5,
                        help="go on, up to three times as long, until each has so many undisturbed samples "
                        "(default: %(default)s)")  # fmt: skip
    parser.add_argument("--turn-seconds", type=float, default=timing.SECONDS_A_TURN,
                        help="length of a sample, if a step is not longer (default: %(default)s)")  # fmt: skip
    parser.add_argument("--memory", action=argparse.BooleanOptionalAction, default=True,
                        help="measure peak memory too, each in a fresh process (default: yes)")  # fmt: skip
    parser.add_argument("--output", type=Path, default=None, metavar="FILE.json",
                        help="results; FILE.md and FILE.png appear beside it (default: benchmarks/results/training.json"
                        " in a checkout, gpunet-bench/training.json elsewhere)")  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """The command.

    Returns:
        0; or 1 if no contender finished.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_training", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    add_options(parser)
    return run(parser.parse_args(arguments), command_line(NAME, list(arguments or ())))


def run(options: argparse.Namespace, command: list[str]) -> int:
    """Measure everything asked for, and write it down."""
    field = available(tuple(dict.fromkeys(options.contenders)), dict(options.python))
    record: dict[str, Any] = {
        "benchmark": NAME,
        "title": "A whole training step",
        "run": run_record(command),
        "settings": {
            "rounds": options.rounds,
            "quiet_samples": options.quiet_samples,
            "turn_seconds": options.turn_seconds,
            "quiet_share": timing.QUIET_SHARE,
        },
        "absent": field.absent,
        "contenders": {},
        "rows": [],
    }
    print(in_words(record["run"]["machine"]))
    for name, reason in field.absent.items():
        print(f"without {ENTRANTS[name].title}: {reason}")
    for net in map(NETS.__getitem__, options.nets):
        for batch_size in options.batch_sizes:
            for threads in options.threads:
                rows = compare(net, batch_size, threads, field, options, record["contenders"])
                record["rows"] += rows
                print(f"\n{markdown({**record, 'rows': rows}, notes=False)}\n", flush=True)
    measured = any("summary" in row for row in record["rows"])
    path = options.output or results.default_path(NAME)
    results.write(record, path, markdown(record), plot if measured else None)
    return 0 if measured else 1


def compare(
    net: Net, batch_size: int, threads: int, field: Field, options: argparse.Namespace, about: dict[str, Any]
) -> list[dict[str, Any]]:
    """All contenders on one net, one batch size, one number of threads.

    Args:
        about: gets what each contender says of itself.

    Returns:
        one row for each contender, with its samples or the error that ended it.
    """
    rows = {
        name: {"net": net.name, "batch_size": batch_size, "threads": threads, "contender": name}
        for name in field.pythons
    }
    workers: dict[str, Worker] = {}
    steps: dict[str, int] = {}
    wanted = parameters(net.layers, net.image)
    try:
        for name, python in field.pythons.items():
            workers[name] = Worker(python, threads)
            try:
                about[name] = open_worker(workers[name], name, rows[name])
                rows[name]["parameters"] = workers[name].ask("build")["parameters"]
                require_parameters(rows[name]["parameters"], wanted)
                warm = workers[name].ask("warm up")
            except WorkerError as error:
                rows[name]["error"] = str(error)
                workers.pop(name).close()
                continue
            rows[name]["first_loss"] = warm["loss"]
            steps[name] = timing.steps_a_turn(warm["seconds"], options.turn_seconds)
        turns = timing.take_turns(
            {name: _turn(worker, steps[name]) for name, worker in workers.items()},
            options.rounds,
            quiet=options.quiet_samples,
            failures=(WorkerError,),
            after_turn=lambda: time.sleep(PAUSE_SECONDS),
        )
    finally:
        for worker in workers.values():
            worker.close()
    for name, samples in turns.samples.items():
        if name in turns.errors:
            rows[name]["error"] = turns.errors[name]
        elif samples:
            _add_samples(rows[name], samples)
    if options.memory:
        for name, row in rows.items():
            if "summary" in row:
                row["memory"] = memory(field.pythons[name], row)
    return list(rows.values())


def open_worker(worker: Worker, name: str, row: dict[str, Any]) -> dict[str, Any]:
    """Have the framework imported and the batch made; what the process says of itself."""
    entrant = ENTRANTS[name]
    return worker.ask(
        "open",
        module=entrant.module,
        variant=entrant.variant,
        net=row["net"],
        batch_size=row["batch_size"],
        threads=row["threads"],
    )


def require_parameters(count: int, wanted: int) -> None:
    """A contender of another size builds another net.

    Raises:
        WorkerError: it does.
    """
    if count != wanted:
        raise WorkerError(f"its net has {count:,} parameters, but the architecture has {wanted:,}")


def memory(python: Path, row: dict[str, Any]) -> dict[str, Any]:
    """Peak memory of ten steps in a fresh process, or the error that ended it."""
    with Worker(python, row["threads"]) as worker:
        try:
            open_worker(worker, row["contender"], row)
            return worker.ask("memory", steps=STEPS_OF_MEMORY)
        except WorkerError as error:
            return {"error": str(error)}


def _turn(worker: Worker, steps: int) -> Any:
    def make() -> timing.Sample:
        answer = worker.ask("run", steps=steps)
        answer.pop("quiet")
        return timing.Sample(**answer)

    return make


def _add_samples(row: dict[str, Any], samples: list[timing.Sample]) -> None:
    row["summary"] = timing.summary(samples)
    row["images_per_second"] = row["batch_size"] / timing.best_median(row["summary"])
    row["samples"] = [sample.as_json() for sample in samples]


def _family_and_path(text: str) -> tuple[str, Path]:
    family, equals, path = text.partition("=")
    if not equals or family not in FAMILIES:
        raise argparse.ArgumentTypeError(f"wanted FAMILY=PATH with one of {', '.join(FAMILIES)}, got {text!r}")
    return family, Path(path)


if __name__ == "__main__":
    import sys

    sys.exit(main(sys.argv[1:]))
