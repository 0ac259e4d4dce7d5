"""A run directory, read to be used."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpunet._version import __version__
from gpunet.cli.building import build_data, build_net
from gpunet.cli.settings import Settings, checked, completed
from gpunet.data import Dataset
from gpunet.errors import CheckpointError, DataError, GpunetError
from gpunet.installation import upgrade_command
from gpunet.layers.module import Module
from gpunet.training.checkpoint import Checkpoint, read_checkpoint
from gpunet.training.inputs import like_training
from gpunet.training.run_directory import RunDirectory
from gpunet.training.toml_file import read_toml


@dataclass(frozen=True)
class StoredRun:
    """A trained net and what it was trained with.

    Attributes:
        settings: of the run, complete.
        net: with the weights of the checkpoint.
        mean, std: (C,) normalisation of the images, on the 0..1 scale.
        sample_shape: (C, H, W) of the images.
        class_names: by label.
        epoch: how many epochs the weights were trained for.
    """

    settings: Settings
    net: Module
    mean: list[float]
    std: list[float]
    sample_shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    epoch: int


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options that say which run."""
    parser.add_argument("run_dir", metavar="RUN", help="folder of a run, such as runs/lenet-digits")
    parser.add_argument("--checkpoint", choices=["last", "best"], default="last",
                        help="weights of the end, or of the epoch with the best accuracy (default last)")  # fmt: skip
    parser.add_argument("--backend", help="auto, numpy or cupy (default: that of the run)")


def read_run(arguments: argparse.Namespace) -> StoredRun:
    """The run that the options name.

    Raises:
        CheckpointError: there is none, it is damaged, or of a newer gpunet.
        DataError: its settings cannot be read.
    """
    folder = RunDirectory(arguments.run_dir)
    if not folder.config.exists():
        hint = "there is no such folder" if not folder.path.exists() else "holds no config.toml"
        raise CheckpointError(f"{folder.path}: {hint}, wanted a run of `gpunet train`.")
    values = read_toml(folder.config)
    if "model" not in values:
        raise CheckpointError(
            f"{folder.config}: names no model, as for nets made by a program; use Trainer.evaluate and predict there."
        )
    if arguments.backend is not None:
        values["backend"] = arguments.backend
    with _newer_versions_named(values, folder.config):
        settings = completed(checked(values, str(folder.config)))
        path = folder.last if arguments.checkpoint == "last" else folder.best
        if not path.exists():
            hint = "Train with --resume to the end of an epoch."
            raise CheckpointError(f"{path}: there is no such checkpoint yet. {hint}")
        return _restored(settings, read_checkpoint(path), path)


@contextmanager
def _newer_versions_named(values: Mapping[str, Any], config: Path) -> Iterator[None]:
    """What cannot be read of a run of a newer gpunet is no mistake of the user's: the error says what to do."""
    try:
        yield
    except GpunetError as error:
        versions = values.get("versions")
        version = str(versions.get("gpunet", "")) if isinstance(versions, Mapping) else ""
        if _release(version) <= _release(__version__):
            raise
        raise CheckpointError(
            f"{config}: the run is of gpunet {version}, newer than this {__version__}, which cannot read it ({error}) "
            f"Upgrade: {upgrade_command()}"
        ) from None


def _release(version: str) -> tuple[int, ...]:
    """The numbers at the start of a version."""
    found = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, found[0].split("."))) if found else ()


def images_to_test(stored: StoredRun, data: str | None = None) -> Dataset:
    """The test images of a run, normalised as its training images were.

    Args:
        stored: the run.
        data: name or folder of other data with images of the same shape and the same classes.

    Raises:
        DataError: the data cannot be found, or do not fit the run.
    """
    settings = stored.settings if data is None else {**stored.settings, "data": data}
    _, test = build_data(settings)
    if test.sample_shape != stored.sample_shape or test.num_classes != len(stored.class_names):
        raise DataError(
            f"{settings['data']}: has images {test.sample_shape} of {test.num_classes} classes, "
            f"the run was trained on {stored.sample_shape} of {len(stored.class_names)}."
        )
    return like_training(test, stored.mean, stored.std)


def _restored(settings: Settings, checkpoint: Checkpoint, path: Path) -> StoredRun:
    state: dict[str, Any] = checkpoint.state
    try:
        channels, height, width = (int(length) for length in state["sample_shape"])
        class_names = tuple(str(name) for name in state["class_names"])
        mean, std, epoch = list(state["mean"]), list(state["std"]), int(state["epoch"])
    except (KeyError, TypeError, ValueError):
        raise CheckpointError(f"{path}: holds weights alone, not what a run keeps. Was it copied here?") from None
    net = build_net(settings, (channels, height, width), len(class_names))
    try:
        net.load_state_dict(checkpoint.weights)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from None
    return StoredRun(settings, net, mean, std, (channels, height, width), class_names, epoch)
