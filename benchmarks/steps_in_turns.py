"""Times training steps of several nets or frameworks in turns, each in a process of its own."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks import timing
from benchmarks.contenders import ENTRANTS
from benchmarks.peers.architectures import find, parameters
from benchmarks.workers import Worker, WorkerError

STEPS_OF_MEMORY = 10
TURNS_OF_WARM_UP = 2
# In a pause of this length OpenMP's and XLA's threads stop looking for work and leave the processors to the next.
PAUSE_SECONDS = 0.05

Row = dict[str, Any]


def row_of(contender: str, net: str, batch_size: int, threads: int) -> Row:
    """A row of a result that is still to be measured."""
    return {"net": net, "batch_size": batch_size, "threads": threads, "contender": contender}


def settings(options: argparse.Namespace) -> dict[str, Any]:
    """What a result file says of how long and how quietly was measured."""
    return {
        "rounds": options.rounds,
        "quiet_samples": options.quiet_samples,
        "turn_seconds": options.turn_seconds,
        "quiet_share": timing.QUIET_SHARE,
    }


def time_steps(
    rows: list[Row], pythons: Mapping[str, Path], options: argparse.Namespace, about: dict[str, Any]
) -> None:
    """Write into each row its samples and peak memory, or the error that ended it; the others go on.

    Args:
        rows: as `row_of` makes them; they take turns in this order.
        pythons: contender to interpreter.
        options: rounds, quiet_samples, turn_seconds, memory.
        about: gets what each contender says of itself.
    """
    workers: dict[str, Worker] = {}
    turns: dict[str, Callable[[], timing.Sample]] = {}
    try:
        for number, row in enumerate(rows):
            name = str(number)
            try:
                workers[name] = Worker(pythons[row["contender"]], row["threads"])
                turns[name] = _prepared(workers[name], row, options, about)
            except WorkerError as error:
                row["error"] = str(error)
                if name in workers:
                    workers.pop(name).close()
        found = timing.take_turns(
            turns,
            options.rounds,
            quiet=options.quiet_samples,
            failures=(WorkerError,),
            after_turn=lambda: time.sleep(PAUSE_SECONDS),
        )
    finally:
        for worker in workers.values():
            worker.close()
    for number, samples in found.samples.items():
        row = rows[int(number)]
        if number in found.errors:
            row["error"] = found.errors[number]
            continue
        row["summary"] = timing.summary(samples)
        row["images_per_second"] = row["batch_size"] / timing.best_median(row["summary"])
        row["samples"] = [sample.as_json() for sample in samples]
    for row in rows:
        if options.memory and "summary" in row:
            row["memory"] = memory(pythons[row["contender"]], row)


def open_worker(worker: Worker, row: Row) -> dict[str, Any]:
    """Have the framework imported and the batch made; what the process says of itself."""
    entrant = ENTRANTS[row["contender"]]
    return worker.ask(
        "open",
        module=entrant.module,
        variant=entrant.variant,
        net=row["net"],
        batch_size=row["batch_size"],
        threads=row["threads"],
    )


def require_parameters(count: int, row: Row) -> None:
    """A contender of another size builds another net.

    Raises:
        WorkerError: it does.
    """
    net = find(row["net"])
    wanted = parameters(net.layers, net.image)
    if count != wanted:
        raise WorkerError(f"its net has {count:,} parameters, but the architecture has {wanted:,}")


def memory(python: Path, row: Row) -> dict[str, Any]:
    """Peak memory of ten steps in a fresh process, or the error that ended it."""
    with Worker(python, row["threads"]) as worker:
        try:
            open_worker(worker, row)
            return worker.ask("memory", steps=STEPS_OF_MEMORY)
        except WorkerError as error:
            return {"error": str(error)}


def _prepared(
    worker: Worker, row: Row, options: argparse.Namespace, about: dict[str, Any]
) -> Callable[[], timing.Sample]:
    """Have the net made and warmed up; what makes one sample of it."""
    about[row["contender"]] = open_worker(worker, row)
    row["parameters"] = worker.ask("build")["parameters"]
    require_parameters(row["parameters"], row)
    warm = worker.ask("warm up", seconds=TURNS_OF_WARM_UP * options.turn_seconds)
    row["first_loss"] = warm["loss"]
    steps = timing.steps_a_turn(warm["seconds"], options.turn_seconds)

    def make() -> timing.Sample:
        answer = worker.ask("run", steps=steps)
        answer.pop("quiet")
        return timing.Sample(**answer)

    return make
