"""Say what is on pictures: the class and its probability.

A picture is brought to the size and the channels that the model was trained on, and nothing else is changed: a model of
light digits on a dark ground wants such pictures.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from gpunet.cli import stored_run
from gpunet.cli.parser import number_of_at_least
from gpunet.data import read_image
from gpunet.metrics import softmax
from gpunet.training.evaluation import predict

HELP = "class and probability of pictures"
EXAMPLE = "gpunet predict runs/lenet-digits three.png four.png --top 3"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    stored_run.add_options(parser)
    parser.add_argument("images", nargs="+", type=Path, metavar="IMAGE", help="a picture, in any format Pillow reads")
    parser.add_argument("--top", type=number_of_at_least(1), default=1, help="how many classes to name (default 1)")


def run(arguments: argparse.Namespace) -> int:
    """Predict; one line for each picture and class."""
    stored = stored_run.read_run(arguments)
    channels, rows, columns = stored.sample_shape
    images = np.stack([read_image(path, (rows, columns), channels) for path in arguments.images])
    outputs = predict(stored.net, images, stored.mean, stored.std, stored.settings["batch_size"])
    for path, probabilities in zip(arguments.images, softmax(outputs), strict=True):
        ranked = np.argsort(-probabilities, kind="stable")[: arguments.top]
        for label in ranked:
            print(f"{path}: {stored.class_names[label]} {100 * float(probabilities[label]):.1f} %")
    return 0
