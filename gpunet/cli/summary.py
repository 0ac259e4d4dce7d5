"""Show a model: layers, shapes, parameters, FLOPs, and the memory that one training step will need.

FLOPs are those of one forward pass over one image, where a multiply-add counts as 2. "kept" is what each layer keeps
from the forward for the backward pass of a batch. The memory is that of the NumPy backend with one thread; a step is
gone through without computing, so it takes a moment and no memory.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

from gpunet import models, optimizers
from gpunet.cli.memory_size import mebibytes, memory_size
from gpunet.cli.parser import assignment, model_name, number_of_at_least, size
from gpunet.cli.sample_shapes import SAMPLE_SHAPES, sample_shape
from gpunet.errors import DataError
from gpunet.layers.summary import Summary
from gpunet.training.memory import MakeOptimizer, MemoryEstimate, estimate_memory, largest_batch

HELP = "layers, shapes, parameters, FLOPs and memory of a model"
EXAMPLE = "gpunet summary resnet20 --data cifar10 --batch-size 128 --memory 8GB"

_OPTIMIZERS: dict[str, MakeOptimizer] = {
    "sgd": lambda parameters: optimizers.SGD(parameters, lr=0.1, momentum=0.9),
    "adam": optimizers.Adam,
    "adamw": optimizers.AdamW,
    "rmsprop": optimizers.RMSprop,
}
_MULTIPLY_ADD = "a multiply-add counts as 2"


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
    parser.add_argument("--batch-size", "--batch", type=number_of_at_least(1), default=64,
                        help="of the training step (default 64)")  # fmt: skip
    parser.add_argument("--optimizer", choices=list(_OPTIMIZERS), default="sgd", help="of the step (default sgd)")
    parser.add_argument("--memory", type=memory_size, metavar="SIZE",
                        help="find the largest batch that fits, such as 8GB (10**9 bytes each) or 8GiB")  # fmt: skip
    parser.add_argument("--set", type=assignment, action="append", default=[], metavar="KEY=VALUE", dest="assignments",
                        help="an option of the model")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="for machines; all sizes in bytes")


def run(arguments: argparse.Namespace) -> int:
    """Show the table and the memory."""
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
    summary = net.summary(input_shape)
    optimizer = _OPTIMIZERS[arguments.optimizer]
    memory = estimate_memory(net, input_shape, arguments.batch_size, optimizer)
    largest = None
    if arguments.memory is not None:
        largest = largest_batch(net, input_shape, arguments.memory, optimizer)
    if arguments.json:
        print(json.dumps(_described(arguments, input_shape, summary, memory, largest), indent=2))
    else:
        print(_shown(arguments, input_shape, summary, memory, largest))
    return 0


def _shown(
    arguments: argparse.Namespace,
    input_shape: tuple[int, int, int],
    summary: Summary,
    memory: MemoryEstimate,
    largest: MemoryEstimate | None,
) -> str:
    kept = [mebibytes(memory.kept_by[line.name]) if line.name in memory.kept_by else "" for line in summary.layers]
    rows = [
        ("parameters and buffers", memory.parameters),
        ("gradients", memory.gradients),
        (f"remembered by {arguments.optimizer}", memory.optimizer),
        ("images and labels", memory.batch),
        ("kept for the backward pass", memory.kept),
        ("workspaces of the algorithms", memory.workspaces),
        ("peak of the step", memory.peak),
    ]
    lines = [
        f"{arguments.model} on images of {' x '.join(map(str, input_shape))}\n",
        summary.table(("kept", *kept, mebibytes(memory.kept))),
        f"\nFLOPs: of one forward pass over one image; {_MULTIPLY_ADD}",
        f"kept: for the backward pass of {memory.batch_size} images; of layers computed together, by the first",
        f"\nmemory of one training step with {memory.batch_size} images, on NumPy with one thread:",
        *(f"  {name:<28} {mebibytes(nbytes):>15}" for name, nbytes in rows),
        "The peak is no sum: not all of it lives at once, and gradients on their way and results are in it too.",
    ]
    if largest is not None:
        lines.append(f"\nlargest batch in {mebibytes(arguments.memory)}: {largest.batch_size:,} images, with a peak of "
                     f"{mebibytes(largest.peak)}")  # fmt: skip
    return "\n".join(lines)


def _described(
    arguments: argparse.Namespace,
    input_shape: tuple[int, int, int],
    summary: Summary,
    memory: MemoryEstimate,
    largest: MemoryEstimate | None,
) -> dict[str, Any]:
    layers = [
        {
            "name": line.name,
            "kind": line.kind,
            "output_shape": list(line.output_shape),
            "parameters": line.parameters,
            "flops": line.operations,
            "kept_bytes": memory.kept_by.get(line.name, 0),
        }
        for line in summary.layers
    ]
    described: dict[str, Any] = {
        "model": arguments.model,
        "input_shape": list(input_shape),
        "parameters": summary.parameters,
        "flops": summary.operations,
        "flops_of": f"one forward pass over one image; {_MULTIPLY_ADD}",
        "layers": layers,
        "training_step": {
            "batch_size": memory.batch_size,
            "optimizer": arguments.optimizer,
            "backend": "numpy",
            "threads": 1,
            "parameters_bytes": memory.parameters,
            "gradients_bytes": memory.gradients,
            "optimizer_bytes": memory.optimizer,
            "batch_bytes": memory.batch,
            "kept_bytes": memory.kept,
            "workspaces_bytes": memory.workspaces,
            "peak_bytes": memory.peak,
        },
    }
    if largest is not None:
        described["largest_batch"] = {
            "memory_bytes": arguments.memory,
            "batch_size": largest.batch_size,
            "peak_bytes": largest.peak,
        }
    return described
