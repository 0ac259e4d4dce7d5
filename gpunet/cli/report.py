"""Make a page of a trained model: report.html, which needs nothing but itself, and its pictures beside it.

It shows learning curves, the confusion matrix, precision and recall, the worst mistakes, where the model looks
(Grad-CAM), its first filters, the activations and gradients of its layers, and how long each takes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from gpunet.cli import stored_run
from gpunet.cli.building import build_loss
from gpunet.cli.parser import number_of_at_least
from gpunet.cli.settings import Settings, say
from gpunet.report import make_report
from gpunet.training.drawing import require_matplotlib
from gpunet.training.run_directory import RunDirectory

HELP = "a page of curves, mistakes, Grad-CAM, layers and times"
EXAMPLE = "gpunet report runs/lenet-digits"

_DETAILS = ("eps", "div_factor", "final_div_factor")


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    stored_run.add_options(parser)
    parser.add_argument("--data", metavar="NAME|FOLDER", help="other data with the same classes")
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="where to write (default RUN/report)")
    parser.add_argument("--mistakes", type=number_of_at_least(0), default=24, help="how many to show (default 24)")
    parser.add_argument("--batch-size", type=number_of_at_least(1), help="images at a time")


def run(arguments: argparse.Namespace) -> int:
    """Write the report; the last line is where it lies."""
    require_matplotlib("report")
    stored = stored_run.read_run(arguments)
    history = RunDirectory(arguments.run_dir).read_metrics()
    test = stored_run.images_to_test(stored, arguments.data)
    name = Path(arguments.data or stored.settings["data"]).absolute().name  # of a folder its name, not the way to it
    say(f"{stored.settings['model']} on {name}: measuring with {len(test):,} images on {stored.net.backend.name}")
    page = make_report(
        stored.net,
        build_loss(stored.settings),
        test,
        arguments.output or Path(arguments.run_dir) / "report",
        history=history,
        title=f"{stored.settings['model']} on {name}",
        facts=_facts(stored, arguments),
        batch_size=arguments.batch_size or stored.settings["batch_size"],
        mistakes=arguments.mistakes,
    )
    print(page)
    return 0


def _facts(stored: stored_run.StoredRun, arguments: argparse.Namespace) -> list[tuple[str, str]]:
    settings = stored.settings
    channels, rows, columns = stored.sample_shape
    parameters = sum(parameter.value.size for parameter in stored.net.parameters())
    return [
        ("run", Path(arguments.run_dir).resolve().name),
        ("weights", f"{arguments.checkpoint}, after {stored.epoch} of {settings['epochs']} epochs"),
        ("parameters", f"{parameters:,}"),
        ("images", f"{channels} x {rows} x {columns}"),
        ("optimizer", _shown(settings, "optimizer")),
        ("schedule", _shown(settings, "schedule")),
        ("batch", f"{settings['batch_size']}"),
        ("augmentation", settings["augment"]),
        ("label smoothing", f"{settings['label_smoothing']:g}"),
        ("seed", f"{settings['seed']}"),
        ("measured on", stored.net.backend.name),
    ]


def _shown(settings: Settings, table: str) -> str:
    """Such as "sgd, lr 0.05, momentum 0.9": the values that do something, without what nobody changes."""
    values = dict(settings[table])
    words = [values.pop("name")]
    for key, value in values.items():
        if value is True:
            words.append(key)
        elif isinstance(value, int | float) and value and key not in _DETAILS:
            words.append(f"{key} {value:g}")
    return ", ".join(words)
