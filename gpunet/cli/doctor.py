"""Look at the installation: what works, what is missing, and the command that mends it.

The exit status is 0 if everything is there that computing with NumPy needs; a GPU and the emulator are reported beside
it. With --warmup it is 1 too if no GPU works or a kernel does not compile.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import Any

from gpunet.backends.select import cupy_backend
from gpunet.cli.settings import say
from gpunet.doctor import Compiled, Report, examine, warm_up

HELP = "what is installed, what works, and how to mend what does not"
EXAMPLE = "gpunet doctor --warmup"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument(
        "--warmup",
        action="store_true",
        help="compile every kernel, so that training does not wait for it, and say how long each file took",
    )
    parser.add_argument("--json", action="store_true", help="print it for machines")


def run(arguments: argparse.Namespace) -> int:
    """Print the report."""
    report = examine()
    status = 0 if report.base_works else 1
    if not arguments.json:
        print(report)
    compiled: list[Compiled] = []
    if arguments.warmup:
        compiled = _compiled(report, shown=not arguments.json)
        if not compiled or any(each.error for each in compiled):
            status = 1
    if arguments.json:
        values: dict[str, Any] = report.as_dict()
        if arguments.warmup:
            values["warmup"] = [asdict(each) for each in compiled]
        print(json.dumps(values, indent=2))
    return status


def _compiled(report: Report, shown: bool) -> list[Compiled]:
    """Compile all; nothing without a GPU."""
    if not report.gpu_works:
        say("gpunet doctor: error: --warmup needs a GPU that works; see above what is wrong")
        return []
    if shown:
        print(f"\n{'kernel file':<36}dtype     kernels   seconds")
    results = []
    for each in warm_up(cupy_backend()):
        results.append(each)
        if shown:
            print(f"{each!s:<36}{each.dtype:<10}{each.kernels:>7}{each.seconds:>10.2f}", flush=True)
        if each.error:
            say(f"gpunet doctor: error: {each.error}")
    if shown:
        print(f"{'total':<46}{sum(each.kernels for each in results):>7}{sum(each.seconds for each in results):>10.2f}")
    return results
