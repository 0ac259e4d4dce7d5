"""Count the work of one training step on the NumPy backend, and hold it against a budget: no clock is asked.

    python -m benchmarks.step_work                   the counts; exit status 1 if one is over its budget
    python -m benchmarks.step_work --update-budgets  write step_budgets.toml anew, and show what changed

What is counted does not depend on the machine or on what else it does: calls of NumPy's functions and of methods of
arrays, the bytes that the functions write, and the peak of allocated memory. Operators such as ``a + b`` are not seen
as calls; their results are in the peak. One thread computes, so that every run counts the same.
"""

from __future__ import annotations

import argparse
import difflib
import json
import math
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

from benchmarks.workers import Worker, WorkerError

BUDGETS = Path(__file__).resolve().with_name("step_budgets.toml")
COUNTED = ("lenet", "vgg", "resnet20")
BATCH_SIZE = 32
FIGURES = {
    "numpy_calls": "calls of NumPy's functions in a step",
    "array_methods": "calls of methods of arrays in a step",
    "written_bytes": "bytes that those functions wrote",
    "peak_bytes": "most memory allocated at once, from making the net to its third step",
    "fresh_bytes": "most memory that a fourth step allocates beyond what the third left",
}
# Versions of Python and NumPy may differ by a few calls; a real regression costs more.
MARGIN = 1.1
_HEADER = """\
# What one training step may cost on the NumPy backend, batch {batch}, one thread: what was counted, and a tenth more.
# `python -m benchmarks.step_work` fails when one costs more; its --update-budgets writes this file.
"""


def count(net: str, batch_size: int = BATCH_SIZE) -> dict[str, int]:
    """The figures of a net's step, counted in a fresh process.

    Raises:
        WorkerError: the step failed.
    """
    with Worker(sys.executable, 1, "benchmarks.step_work_child") as worker:
        return worker.ask("count", net=net, batch_size=batch_size)


def faults(counted: dict[str, dict[str, int]], budgets: dict[str, dict[str, int]]) -> list[str]:
    """One line for each figure that is over its budget or has none."""
    found = []
    for net, figures in counted.items():
        for name, value in figures.items():
            budget = budgets.get(net, {}).get(name)
            if budget is None:
                found.append(f"{net} has no budget of {name}: run python -m benchmarks.step_work --update-budgets")
            elif value > budget:
                found.append(f"{net}: {name} is {value:,}, budget {budget:,} ({FIGURES[name]})")
    return found


def read(path: Path = BUDGETS) -> dict[str, dict[str, int]]:
    """Net to figure to budget."""
    return tomllib.loads(path.read_text(encoding="utf-8"))


def text(counted: dict[str, dict[str, int]]) -> str:
    """The file of budgets that these counts need."""
    lines = [_HEADER.format(batch=BATCH_SIZE), *(f"#   {name:14} {meaning}" for name, meaning in FIGURES.items())]
    for net, figures in counted.items():
        lines += ["", f"[{net}]", *(f"{name} = {_rounded_up(MARGIN * figures[name]):_}" for name in FIGURES)]
    return "\n".join(lines).replace("\n\n#   ", "\n#   ", 1) + "\n"


def _rounded_up(value: float) -> int:
    """To two significant digits."""
    if value < 10:
        return math.ceil(value)
    unit = 10 ** (int(math.log10(value)) - 1)
    return math.ceil(value / unit) * unit


def main(arguments: Sequence[str] | None = None) -> int:
    """The command.

    Returns:
        0 if every budget is kept, 1 if not.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.step_work", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--update-budgets", action="store_true", help="write the budgets anew and show the difference")
    parser.add_argument("--budgets", type=Path, default=BUDGETS, help="default: step_budgets.toml beside this file")
    parser.add_argument("--json", action="store_true", help="print the counts for machines")
    options = parser.parse_args(arguments)
    try:
        counted = {net: count(net) for net in COUNTED}
    except WorkerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(json.dumps(counted, indent=1) if options.json else _table(counted))
    if options.update_budgets:
        before = options.budgets.read_text(encoding="utf-8") if options.budgets.exists() else ""
        after = text(counted)
        options.budgets.write_text(after, encoding="utf-8")
        print("\n".join(difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=1)))
        return 0
    found = faults(counted, read(options.budgets))
    for fault in found:
        print(f"FAULT {fault}")
    return 1 if found else 0


def _table(counted: dict[str, dict[str, int]]) -> str:
    lines = [f"{'':10}" + "".join(f"{name:>16}" for name in FIGURES)]
    lines += [f"{net:10}" + "".join(f"{figures[name]:16,}" for name in FIGURES) for net, figures in counted.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
