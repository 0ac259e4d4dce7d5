"""Run a CuPy program where there is no GPU: the real CuPy, and every kernel compiled by g++ for the CPU."""

from __future__ import annotations

import argparse
from pathlib import Path

from gpunet.cli.parser import number_of_at_least
from gpunet.emulator.checks import CHECKS
from gpunet.emulator.launcher import Options, emulate
from gpunet.emulator.sizes import number_of_bytes

HELP = "run any CuPy program with no GPU, and check its kernels"
EXAMPLE = "gpunet emulate -- python script.py"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    checks = "; ".join(f"{check.name}: {check.summary}" for check in CHECKS.values())
    parser.add_argument("--check", choices=list(CHECKS), help=f"look for mistakes in kernels. {checks}")
    parser.add_argument("--report", type=Path, metavar="FILE", help="keep what a check finds, one line of JSON each")
    parser.add_argument("--schedule", type=number_of_at_least(0), default=0, metavar="N",
                        help="order of threads and blocks: 0 forward, 1 backward, from 2 on a seed to shuffle by "
                        "(default 0)")  # fmt: skip
    parser.add_argument("--workers", type=number_of_at_least(1), metavar="N",
                        help="cores that share the blocks of a kernel (default: all)")  # fmt: skip
    parser.add_argument("--blocks", choices=["all", "ends"], default="all",
                        help="of each launch run all blocks, or the first and the last only, to try the ends of arrays "
                        "that are too large to fill (default all)")  # fmt: skip
    parser.add_argument("--memory", type=size, metavar="SIZE",
                        help="device memory, such as 512M (default: three quarters of the machine's)")  # fmt: skip
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="-- COMMAND", help="the program and its arguments")


def size(text: str) -> int:
    """An option's type: a number of bytes."""
    try:
        return number_of_bytes(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def run(arguments: argparse.Namespace) -> int:
    """Become the command."""
    words = arguments.words[1:] if arguments.words[:1] == ["--"] else arguments.words
    if not words:
        arguments.parser.error("wanted a command: gpunet emulate -- python script.py")
    if arguments.report is not None and arguments.check is None:
        arguments.parser.error("--report keeps what a check finds: give --check too")
    options = Options(
        check=arguments.check,
        report=arguments.report,
        schedule=arguments.schedule,
        workers=arguments.workers,
        memory=arguments.memory,
        blocks=arguments.blocks,
    )
    return emulate(words, options)
