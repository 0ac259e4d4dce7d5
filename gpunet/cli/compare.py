"""Run one batch forward and backward on two backends and in float64, and compare them layer by layer.

Each layer is given the same on both backends and in float64, and what differs by more than rounding is flagged, with
exit status 1. Without --data the images are normal numbers in the size that the model was made for.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gpunet import models
from gpunet.backends.select import NAMES
from gpunet.cli import stored_run
from gpunet.cli.building import build_data, build_loss, build_net
from gpunet.cli.fields import nearest_to
from gpunet.cli.parser import assignment, model_name, number_of_at_least
from gpunet.cli.sample_shapes import sample_shape
from gpunet.cli.settings import Settings, completed, say
from gpunet.data import DataLoader, Dataset
from gpunet.layers.module import Module
from gpunet.random import Stream
from gpunet.verify import compare

HELP = "two backends, layer by layer, forward and backward"
EXAMPLE = "gpunet compare --model resnet20 --backends numpy,cupy --batch-size 8"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument("run_dir", metavar="RUN", nargs="?",
                        help="folder of a run: its weights and its data, instead of --model")  # fmt: skip
    parser.add_argument("--model", type=model_name, metavar="NAME", help="with its first weights (default lenet)")
    parser.add_argument("--set", type=assignment, action="append", default=[], metavar="KEY=VALUE", dest="assignments",
                        help="an option of the model")  # fmt: skip
    parser.add_argument("--data", metavar="NAME|FOLDER", help="take the batch from this data set")
    parser.add_argument("--batch-size", type=number_of_at_least(1), default=8, help="samples (default 8)")
    parser.add_argument("--seed", type=int, default=0, help="of weights, batch and dropout (default 0)")
    parser.add_argument("--backends", type=_two_backends, default=("numpy", "cupy"), metavar="FIRST,SECOND",
                        help="two of numpy, cupy and auto (default numpy,cupy)")  # fmt: skip
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32",
                        help="that both backends compute in (default float32)")  # fmt: skip


@dataclass(frozen=True)
class _Subject:
    """A net and a batch for it."""

    label: str
    net: Module
    images: Any
    labels: Any
    loss: Any


def run(arguments: argparse.Namespace) -> int:
    """Show the table; the last line says whether all layers agree."""
    if arguments.run_dir is not None and (arguments.model is not None or arguments.assignments):
        arguments.parser.error("RUN has a model of its own; leave out --model and --set")
    subject = _new(arguments) if arguments.run_dir is None else _stored(arguments)
    result = compare(
        subject.net,
        subject.images,
        backends=arguments.backends,
        dtype=arguments.dtype,
        loss=subject.loss,
        targets=subject.labels,
        seed=arguments.seed,
    )
    print(replace(result, label=subject.label))
    if result.ok:
        return 0
    say(f"gpunet compare: error: {result.verdict}")
    return 1


def _new(arguments: argparse.Namespace) -> _Subject:
    """A model with its first weights."""
    model = arguments.model or "lenet"
    given: Settings = {"model": model, "seed": arguments.seed, "backend": "numpy"}
    if arguments.assignments:
        given["model_options"] = dict(arguments.assignments)
    if arguments.data is None:
        settings = completed(given)
        shape, classes = sample_shape(model)
        stream = Stream(arguments.seed, "compare: images")
        images = stream.normal((arguments.batch_size, *shape)).astype("float32")
        labels = Stream(arguments.seed, "compare: labels").bits(arguments.batch_size).astype(np.int64) % classes
    else:
        settings = completed({**given, "data": arguments.data})
        train, _ = build_data(settings)
        shape, classes = train.sample_shape, train.num_classes
        images, labels = _batch(train, arguments)
    net = build_net(settings, shape, classes)
    if not models.classifies(model):
        return _Subject(model, net, images, None, None)
    return _Subject(model, net, images, labels, build_loss(settings))


def _stored(arguments: argparse.Namespace) -> _Subject:
    """A trained net and a batch of its test set."""
    where = argparse.Namespace(run_dir=arguments.run_dir, checkpoint="last", backend="numpy")
    stored = stored_run.read_run(where)
    settings = stored.settings if arguments.data is None else {**stored.settings, "data": arguments.data}
    images, labels = _batch(stored_run.images_to_test(stored, arguments.data), arguments)
    return _Subject(f"{settings['model']} of {arguments.run_dir}", stored.net, images, labels, build_loss(settings))


def _batch(dataset: Dataset, arguments: argparse.Namespace) -> tuple[Any, Any]:
    loader = DataLoader(dataset, batch_size=arguments.batch_size, shuffle=True, seed=arguments.seed)
    images, labels = next(iter(loader))
    return images, labels


def _two_backends(text: str) -> tuple[str, str]:
    """An option's type: two names with a comma between them."""
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in NAMES:
            raise argparse.ArgumentTypeError(
                f"unknown backend {name!r}.{nearest_to(name, NAMES)} Choose from {', '.join(NAMES)}."
            )
    if len(names) != 2:
        raise argparse.ArgumentTypeError(f"wanted two backends such as numpy,cupy, got {text!r}")
    return names[0], names[1]
