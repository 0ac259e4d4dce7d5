"""Measure a trained model on the test set of its data: loss, accuracy and a table of the classes."""

from __future__ import annotations

import argparse

from gpunet.cli import stored_run
from gpunet.cli.building import build_loss
from gpunet.cli.parser import number_of_at_least
from gpunet.training.evaluation import Evaluation, evaluate

HELP = "accuracy, loss and a table of the classes"
EXAMPLE = "gpunet evaluate runs/lenet-digits --confusion"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    stored_run.add_options(parser)
    parser.add_argument("--data", metavar="NAME|FOLDER", help="other data with the same classes")
    parser.add_argument("--batch-size", type=number_of_at_least(1), help="images at a time")
    parser.add_argument("--confusion", action="store_true", help="print the confusion matrix too")


def run(arguments: argparse.Namespace) -> int:
    """Evaluate; the last line is the test accuracy."""
    stored = stored_run.read_run(arguments)
    settings = stored.settings if arguments.data is None else {**stored.settings, "data": arguments.data}
    result = evaluate(
        stored.net,
        build_loss(settings),
        stored_run.images_to_test(stored, arguments.data),
        arguments.batch_size or settings["batch_size"],
    )
    assert result.accuracy is not None
    print(f"{settings['model']} after {stored.epoch} epochs, on {settings['data']}: {result}")
    print(f"\n{result.table}\n")
    if arguments.confusion:
        print(f"{_matrix(result)}\n")
    print(f"test accuracy {100 * result.accuracy:.1f} %")
    return 0


def _matrix(result: Evaluation) -> str:
    """The confusion matrix: a row for each true class, a column for each predicted one."""
    confusion = result.confusion
    names = result.class_names
    rows = max(len(name) for name in names)
    width = max(len(str(confusion.max())), len(str(len(names) - 1))) + 1
    lines = [f"{'true class':<{rows + 5}} " + "".join(f"{column:>{width}}" for column in range(len(names)))]
    for row, name in enumerate(names):
        lines.append(f"{row:>4} {name:<{rows}} " + "".join(f"{count:>{width}}" for count in confusion[row]))
    return "\n".join(lines)
