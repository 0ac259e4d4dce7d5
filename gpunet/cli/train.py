"""Train a model on a data set.

Without an option: LeNet on the bundled handwritten digits. Each model and data set starts from a recipe of its own if
there is one; --config names another, or a file; options win over both.

The run directory holds config.toml, metrics.jsonl, last.safetensors, best.safetensors and curves.png. Ctrl-C ends the
training after the batch under way and keeps all of it; --resume goes on bit for bit.

--tensorboard writes events beside them, in the folder tensorboard; --profile shows first where the time goes.
"""

from __future__ import annotations

import argparse
import contextlib
import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gpunet import data, models
from gpunet.cli.building import build_data, build_net, build_trainer
from gpunet.cli.first_weights import load_first_weights
from gpunet.cli.parser import assignment, model_name, number_of_at_least
from gpunet.cli.settings import (
    FITTED_TO_LENGTH,
    OPTIMIZERS,
    SCHEDULES,
    Settings,
    checked,
    completed,
    overridden,
    read_settings,
    recipe_for,
    say,
)
from gpunet.errors import CheckpointError, DataError
from gpunet.layers.module import Module
from gpunet.training.callbacks import Callback
from gpunet.training.fingerprint import differences
from gpunet.training.interruption import TrainingInterrupted
from gpunet.training.layer_profile import LayerProfile
from gpunet.training.run_directory import RunDirectory
from gpunet.training.tensorboard import TensorBoard
from gpunet.training.toml_file import read_toml

HELP = "train a model and keep the run in a folder"
EXAMPLE = "gpunet train --model lenet --data fashion-mnist --epochs 10 --run-dir runs/fashion"

# A resumed run may differ from its beginning in these: they do not decide its numbers.
_FREE = ("checkpoint_every", "backend")


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this command. None has a default here: what is not given must not win over a recipe."""
    parser.add_argument("--model", type=model_name, help="what to train (default lenet)")
    parser.add_argument("--data", metavar="NAME|FOLDER", help=f"{', '.join(data.names())} or a folder (default digits)")
    parser.add_argument("--weights", metavar="FILE", help="start from the weights in a safetensors file, PyTorch's too")
    parser.add_argument("--config", metavar="FILE|RECIPE", help="settings from a TOML file or a ready recipe")
    parser.add_argument("--set", type=assignment, action="append", default=[], metavar="KEY=VALUE", dest="assignments",
                        help="any key of a settings file, such as optimizer.nesterov=true")  # fmt: skip
    parser.add_argument("--epochs", type=number_of_at_least(1), help="how often to go through the data")
    parser.add_argument("--batch-size", type=number_of_at_least(1), help="images a step")
    parser.add_argument("--lr", type=float, help="learning rate")
    parser.add_argument("--optimizer", choices=list(OPTIMIZERS))
    parser.add_argument("--weight-decay", type=float, help="of weights; biases and norms have none")
    parser.add_argument("--schedule", choices=list(SCHEDULES), help="how the learning rate moves")
    parser.add_argument("--augment", metavar="STEPS", help="random changes of the images, such as crop:2,flip; or none")
    parser.add_argument("--label-smoothing", type=float, help="share of the target spread over all classes")
    parser.add_argument("--max-grad-norm", type=float, help="shrink longer gradients to this length; 0: never")
    parser.add_argument("--early-stopping", type=number_of_at_least(0), metavar="EPOCHS",
                        help="stop after so many without a new best; 0: never")  # fmt: skip
    parser.add_argument("--checkpoint-every", type=number_of_at_least(0), metavar="STEPS",
                        help="save within epochs too; 0: only after each")  # fmt: skip
    parser.add_argument("--seed", type=int, help="of first weights, order, augmentation and dropout")
    parser.add_argument("--backend", help="auto, numpy or cupy")
    parser.add_argument("--precision", help="fast or strict")
    parser.add_argument("--run-dir", metavar="FOLDER", help="where to keep the run (default runs/MODEL-DATA, numbered)")
    parser.add_argument("--resume", action="store_true", help="continue the run in --run-dir")
    parser.add_argument(
        "--profile", action="store_true", help="first show the time of each layer, forward and backward"
    )
    parser.add_argument("--tensorboard", action="store_true",
                        help="write events for TensorBoard into the run directory")  # fmt: skip
    parser.add_argument("--quiet", action="store_true", help="show no progress")


def run(arguments: argparse.Namespace) -> int:
    """Train; the last line on standard output is the test accuracy."""
    callbacks: list[Callback] = [LayerProfile(show=say)] if arguments.profile else []
    if arguments.tensorboard:
        callbacks.append(TensorBoard())  # before anything is done: it may not be installed
    given = _given(arguments)
    if arguments.resume and arguments.run_dir is None:
        arguments.parser.error("--resume needs --run-dir, the run to continue")
    stored = RunDirectory(arguments.run_dir or ".").config
    resuming = arguments.resume and stored.exists()
    settings = _resumed(arguments, given, stored) if resuming else _fresh(arguments, given)
    if arguments.run_dir is not None and not arguments.resume and RunDirectory(arguments.run_dir).used:
        raise CheckpointError(f"{arguments.run_dir}: holds a run already. Add --resume, or choose another --run-dir.")

    if not models.classifies(settings["model"]):
        raise DataError(
            f"{settings['model']} makes an image of an image, and gpunet train trains models that give an image a "
            f"class. Write the loop, as docs/models.md shows, or choose another --model."
        )
    train_set, test_set = build_data(settings)
    net = build_net(settings, train_set.sample_shape, train_set.num_classes)
    net.output_shape(train_set.sample_shape)  # before a folder is made for what cannot run
    if "weights" in settings and not (resuming and RunDirectory(arguments.run_dir).last.exists()):
        say(load_first_weights(net, settings["weights"]))
    if arguments.run_dir is not None:
        return _train(arguments, settings, train_set, test_set, net, Path(arguments.run_dir), callbacks)
    run_dir = _new_folder(settings)
    try:
        return _train(arguments, settings, train_set, test_set, net, run_dir, callbacks)
    finally:
        with contextlib.suppress(OSError):
            run_dir.rmdir()  # which an empty folder alone allows: nothing came of this run


def _train(
    arguments: argparse.Namespace,
    settings: Settings,
    train_set: data.Dataset,
    test_set: data.Dataset,
    net: Module,
    run_dir: Path,
    callbacks: Sequence[Callback],
) -> int:
    trainer = build_trainer(settings, train_set, net, run_dir, progress=not arguments.quiet, callbacks=callbacks)
    parameters = sum(parameter.value.size for parameter in net.parameters())
    say(
        f"{settings['model']} on {settings['data']}: {len(train_set):,} images to train, {len(test_set):,} to test, "
        f"{parameters:,} parameters; run directory {run_dir}"
    )
    start = time.perf_counter()
    try:
        history = trainer.fit(train_set, settings["epochs"], validation=test_set, resume=arguments.resume)
    except TrainingInterrupted as stop:
        words = shlex.join(["gpunet", "train", "--run-dir", str(run_dir), "--resume"])
        say(f"gpunet train: {str(stop).partition(';')[0]}; continue with: {words}")
        return 128 + stop.signal_number
    _report(history, settings, trainer, time.perf_counter() - start)
    return 0


def _report(history: Any, settings: Settings, trainer: Any, seconds: float) -> None:
    done, best = len(history), trainer.position.best
    early = f", stopped early: no new best in {settings['early_stopping']} epochs" if done < settings["epochs"] else ""
    say(f"finished: {done} of {settings['epochs']} epochs{early}; {seconds:.1f} s of training in this run")
    if best["measure"] == "validation_accuracy":
        say(f"best epoch {best['epoch']}: {100 * best['value']:.2f} % (best.safetensors)")
    print(f"test accuracy {100 * history.last['validation_accuracy']:.1f} %")


def _given(arguments: argparse.Namespace) -> Settings:
    """What the options say, in the form of a settings file."""
    top = ("model", "data", "weights", "epochs", "batch_size", "augment", "label_smoothing", "max_grad_norm",
           "early_stopping", "checkpoint_every", "seed", "backend", "precision")  # fmt: skip
    values: Settings = {key: getattr(arguments, key) for key in top if getattr(arguments, key) is not None}
    optimizer = {"name": arguments.optimizer, "lr": arguments.lr, "weight_decay": arguments.weight_decay}
    tables: dict[str, dict[str, Any]] = {"optimizer": optimizer, "schedule": {"name": arguments.schedule}}
    for name, table in tables.items():
        table = {key: value for key, value in table.items() if value is not None}
        if table:
            values[name] = table
    for key, value in arguments.assignments:
        table_name, dot, name = key.partition(".")
        if dot:
            values.setdefault(table_name, {})
            if not isinstance(values[table_name], dict):
                raise DataError(f"--set {key}: {table_name!r} is no table.")
            values[table_name][name] = value
        else:
            values[key] = value
    return values


def _over(below: Settings, given: Settings) -> Settings:
    """``given`` put over ``below`` and checked: what an option means may depend on the optimizer named below."""
    named = {
        key: {"name": below[key]["name"], **table}
        if key in ("optimizer", "schedule") and "name" in below.get(key, {}) and isinstance(table, dict)
        else table
        for key, table in given.items()
    }
    return overridden(below, checked(named, "the options"))


def _fresh(arguments: argparse.Namespace, given: Settings) -> Settings:
    if arguments.config is not None:
        below = read_settings(arguments.config)
    else:
        names = completed(checked({key: given[key] for key in ("model", "data") if key in given}, "the options"))
        below = recipe_for(names["model"], names["data"])
    return _located(completed(_over(below, given)))


def _located(settings: Settings) -> Settings:
    """``settings`` with absolute paths: a run must find its data from any folder."""
    place = Path(settings["data"])
    if settings["data"] not in data.names() and place.exists():
        settings["data"] = str(place.resolve())
    if "weights" in settings:
        settings["weights"] = str(Path(settings["weights"]).expanduser().resolve())
    options = settings.get("data_options", {})
    if "path" in options:
        settings["data_options"] = {**options, "path": str(Path(options["path"]).expanduser().resolve())}
    return settings


def _resumed(arguments: argparse.Namespace, given: Settings, stored: Path) -> Settings:
    """The settings of the run that goes on; what was given now must not contradict them."""
    before = _located(completed(checked(read_toml(stored), str(stored))))
    above = read_settings(arguments.config) if arguments.config is not None else {}
    now = _located(completed(_over(overridden(before, above), given)))
    free = [*_FREE]
    if before["schedule"]["name"] not in FITTED_TO_LENGTH:
        free.append("epochs")
    fixed_before, fixed_now = ({k: v for k, v in values.items() if k not in free} for values in (before, now))
    other = differences(fixed_before, fixed_now)
    if other:
        reason = ""
        if before["epochs"] != now["epochs"]:
            reason = f" Its {before['schedule']['name']} schedule was made for {before['epochs']} epochs."
        raise CheckpointError(
            f"{stored}: the run has other settings: {other}.{reason} Leave these out, or choose another --run-dir."
        )
    return now


def _new_folder(settings: Settings) -> Path:
    """runs/MODEL-DATA, or the first of runs/MODEL-DATA-2, -3, ... that is free; made at once, to be nobody else's."""
    stem = f"{settings['model']}-{Path(settings['data']).name}"
    number = 1
    while True:
        path = Path("runs") / (stem if number == 1 else f"{stem}-{number}")
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            number += 1
        else:
            return path
