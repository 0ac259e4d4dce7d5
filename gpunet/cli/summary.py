"""Show a model: layers, shapes, parameters, operations, and the memory that one training step will need."""

from __future__ import annotations

import argparse

from gpunet import models
from gpunet.cli.parser import assignment, model_name, number_of_at_least, size
from gpunet.cli.sample_shapes import SAMPLE_SHAPES, sample_shape
from gpunet.errors import DataError
from gpunet.training.memory import MemoryEstimate, estimate_memory

HELP = "layers, shapes, parameters and memory of a model"
EXAMPLE = "gpunet summary resnet20 --data cifar10 --batch-size 128"

_REMEMBERED = {"sgd": 1, "adam": 2, "adamw": 2, "rmsprop": 1}  # arrays for each parameter


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument("model", metavar="MODEL", type=model_name, help=", ".join(models.names()))
    parser.add_argument(
        "--data",
        choices=list(SAMPLE_SHAPES),
        help="take shape and classes of this data set (default: what the model was made for)",
    )
    parser.add_argument("--image-size", type=size, help="28, or rows and columns: 28x32")
    parser.add_argument("--channels", type=number_of_at_least(1), help="1 for grey, 3 for colours")
    parser.add_argument("--classes", type=number_of_at_least(1), help="how many classes to tell apart")
    parser.add_argument("--batch-size", type=number_of_at_least(1), default=64, help="for the memory (default 64)")
    parser.add_argument("--optimizer", choices=list(_REMEMBERED), default="sgd", help="for the memory (default sgd)")
    parser.add_argument("--set", type=assignment, action="append", default=[], metavar="KEY=VALUE", dest="assignments",
                        help="an option of the model")  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    """Show the table and the estimate."""
    shape, classes = sample_shape(arguments.model, arguments.data)
    channels = arguments.channels or shape[0]
    rows, columns = arguments.image_size or shape[1:]
    options = {"in_channels": channels, **dict(arguments.assignments)}
    if "num_classes" in models.settings_of(arguments.model):
        options["num_classes"] = arguments.classes or classes
    elif arguments.classes is not None:
        raise DataError(f"{arguments.model} tells no classes apart. Leave out --classes.")
    try:
        net = models.create(arguments.model, image_size=(rows, columns), **options)
    except TypeError as error:  # such as a number where the model wants a list
        raise DataError(f"{arguments.model}: {error}") from None
    input_shape = (channels, rows, columns)
    print(f"{arguments.model} on images of {channels} x {rows} x {columns}\n")
    print(net.summary(input_shape))
    print("\noperations: floating-point operations of one forward pass over one image")
    memory = estimate_memory(net, input_shape, arguments.batch_size, _REMEMBERED[arguments.optimizer])
    print(f"\n{_shown(memory, arguments.batch_size, arguments.optimizer)}")
    return 0


def _shown(memory: MemoryEstimate, batch_size: int, optimizer: str) -> str:
    rows = [
        ("parameters and buffers", memory.parameters),
        ("gradients", memory.gradients),
        (f"remembered by {optimizer}", memory.optimizer),
        ("kept for the backward pass", memory.kept),
        ("gradients on their way", memory.passing),
        ("total", memory.total),
    ]
    lines = [f"memory of one training step with {batch_size} images (an estimate):"]
    lines += [f"  {name:<28} {count / 2**20:>9,.1f} MiB" for name, count in rows]
    return "\n".join(lines)
