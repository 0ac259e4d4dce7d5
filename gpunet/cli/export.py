"""Write the model of a run as an ONNX file."""

from __future__ import annotations

import argparse
from pathlib import Path

from gpunet.cli import stored_run
from gpunet.interop import onnx

HELP = "the model of a run as an ONNX file"
EXAMPLE = "gpunet export runs/lenet-digits lenet.onnx"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    stored_run.add_options(parser)
    parser.add_argument("file", metavar="FILE.onnx", type=Path, help="where to write")


def run(arguments: argparse.Namespace) -> int:
    """Write the file; say what it takes and gives."""
    stored = stored_run.read_run(arguments)
    onnx.save(stored.net, arguments.file, stored.sample_shape)
    channels, rows, columns = stored.sample_shape
    mean, std = (", ".join(f"{number:.4g}" for number in numbers) for numbers in (stored.mean, stored.std))
    print(f"{arguments.file}: {stored.settings['model']} after {stored.epoch} epochs")
    print(
        f"input: batches of images {channels} x {rows} x {columns} on the scale 0 to 1, less {mean}, divided by {std}"
    )
    print(f"output: a score for each of {len(stored.class_names)} classes: {', '.join(stored.class_names)}")
    return 0
