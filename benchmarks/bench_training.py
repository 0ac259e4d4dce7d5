"""Time whole training steps: gpunet beside PyTorch, TensorFlow, JAX, Chainer and NumPy as tutorials write it.

A step zeroes the gradients, runs forward, loss, backward and SGD with momentum, and reads the loss as a number. All
contenders build the same net (peers/architectures.py), run in processes of their own, and take turns within one run;
only one computes at a time. All are in memory at once, so give large batches few contenders. Who is not installed is
named, with the command that installs it.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any

from benchmarks import results
from benchmarks.contenders import ENTRANTS, available
from benchmarks.machine import command_line, in_words, run_record
from benchmarks.options import add_field_options, positive
from benchmarks.peers.architectures import NETS, find
from benchmarks.steps_in_turns import row_of, settings, time_steps
from benchmarks.training_tables import markdown, plot

NAME = "training"
EXAMPLE = "gpunet bench training --nets lenet vgg --threads 2 --contenders gpunet-numpy torch torch-cl"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this benchmark."""
    parser.add_argument("--nets", nargs="+", choices=list(NETS), default=["lenet", "vgg", "resnet20"],
                        help="default: lenet vgg resnet20; resnet18 takes minutes on a CPU")  # fmt: skip
    parser.add_argument("--batch-sizes", nargs="+", type=positive, default=[64], metavar="N", help="default: 64")
    parser.add_argument("--threads", nargs="+", type=positive, default=[min(2, os.cpu_count() or 1)], metavar="N",
                        help="processors of each contender; with fewer than there are, it is pinned "
                        "(default: 2)")  # fmt: skip
    add_field_options(parser, NAME, list(ENTRANTS))


def main(arguments: Sequence[str] | None = None) -> int:
    """The command.

    Returns:
        0; or 1 if no contender finished.
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
        "title": "A whole training step",
        "run": run_record(command),
        "settings": settings(options),
        "absent": field.absent,
        "contenders": {},
        "rows": [],
    }
    print(in_words(record["run"]["machine"]))
    for name, reason in field.absent.items():
        print(f"without {ENTRANTS[name].title}: {reason}")
    for net in map(find, options.nets):
        for batch_size in options.batch_sizes:
            for threads in options.threads:
                rows = [row_of(name, net.name, batch_size, threads) for name in field.pythons]
                time_steps(rows, field.pythons, options, record["contenders"])
                record["rows"] += rows
                print(f"\n{markdown({**record, 'rows': rows}, notes=False)}\n", flush=True)
    measured = any("summary" in row for row in record["rows"])
    path = options.output or results.default_path(NAME)
    results.write(record, path, markdown(record), plot if measured else None)
    return 0 if measured else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
