"""The command line: one command a file."""

from gpunet.cli.main import build_parser, main

__all__ = ["build_parser", "main"]
