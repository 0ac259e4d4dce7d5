"""Where the command line begins: which command, and what becomes of errors."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from gpunet._version import __version__
from gpunet.cli import bench, compare, doctor, emulate, evaluate, export, import_, predict, report, summary, train
from gpunet.cli.parser import Parser, add_command
from gpunet.cli.settings import say
from gpunet.errors import GpunetError

COMMANDS = {
    "train": train,
    "evaluate": evaluate,
    "predict": predict,
    "report": report,
    "export": export,
    "import": import_,
    "summary": summary,
    "compare": compare,
    "bench": bench,
    "doctor": doctor,
    "emulate": emulate,
}

FAILED, INTERRUPTED = 1, 130


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = Parser(
        prog="gpunet",
        description="Train convolutional networks, measure them and look into them.",
        epilog="Exit status: 0 success, 1 a failure, said in one line, 2 wrong usage, 130 stopped by Ctrl-C, 143 by "
        "SIGTERM. `gpunet COMMAND --help` shows the options and an example.",
    )
    parser.add_argument("--version", action="version", version=f"gpunet {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, module in COMMANDS.items():
        add_command(commands, name, module)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: the words after ``gpunet``; those of this process by default.

    Returns:
        the exit status: 0 success, 1 a failure, 2 wrong usage, 130 after Ctrl-C, 143 after SIGTERM.
    """
    try:
        return _run(build_parser().parse_args(argv))
    except SystemExit as error:  # after --help, --version or wrong usage, which argparse has printed
        return error.code if isinstance(error.code, int) else FAILED


def _run(arguments: argparse.Namespace) -> int:
    try:
        status: int = COMMANDS[arguments.command].run(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        say("gpunet: interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output, such as `head`, has gone; the interpreter must not try to flush it at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except (GpunetError, OSError, MemoryError) as error:
        if arguments.debug:
            raise
        say(f"gpunet {arguments.command}: error: {' '.join(str(error).split()) or type(error).__name__}")
        return FAILED
    return status
