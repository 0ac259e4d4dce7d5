"""Options that the benchmarks share."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks import timing
from benchmarks.contenders import ENTRANTS, FAMILIES


def add_field_options(parser: argparse.ArgumentParser, name: str, contenders: list[str]) -> None:
    """Who takes part, how long, and where the results go.

    Args:
        parser: gets the options.
        name: of the benchmark, and so of its result files.
        contenders: the default.
    """
    everyone = "all that are installed" if contenders == list(ENTRANTS) else " ".join(contenders)
    parser.add_argument("--contenders", nargs="+", choices=list(ENTRANTS), default=contenders, metavar="NAME",
                        help=f"of {', '.join(ENTRANTS)} (default: {everyone})")  # fmt: skip
    parser.add_argument("--python", action="append", type=family_and_path, default=[], metavar="FAMILY=PATH",
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
    add_output_option(parser, name)


def add_output_option(parser: argparse.ArgumentParser, name: str) -> None:
    """Where the results go."""
    parser.add_argument("--output", type=Path, default=None, metavar="FILE.json",
                        help=f"results; FILE.md and FILE.png appear beside it (default: benchmarks/results/{name}.json "
                        f"in a checkout, gpunet-bench/{name}.json elsewhere)")  # fmt: skip


def positive(text: str) -> int:
    """A whole number above 0."""
    value = int(text) if text.isdecimal() else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"wanted a whole number above 0, got {text!r}")
    return value


def family_and_path(text: str) -> tuple[str, Path]:
    """Which environment a family of contenders runs in."""
    family, equals, path = text.partition("=")
    if not equals or family not in FAMILIES:
        raise argparse.ArgumentTypeError(f"wanted FAMILY=PATH with one of {', '.join(FAMILIES)}, got {text!r}")
    return family, Path(path)
