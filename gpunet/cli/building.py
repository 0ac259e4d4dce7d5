"""From settings to the objects of a training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from gpunet import models, optimizers
from gpunet.cli.settings import Settings
from gpunet.data import Dataset, load
from gpunet.data.augmentation import from_spec
from gpunet.errors import DataError
from gpunet.layers.module import Module
from gpunet.losses import CrossEntropyLoss
from gpunet.optimizers import Optimizer, no_decay_groups
from gpunet.schedules import CosineAnnealingLR, LinearLR, MultiStepLR, OneCycleLR, SequentialLR, StepLR
from gpunet.training.callbacks import Callback
from gpunet.training.progress import Progress
from gpunet.training.trainer import Trainer

_OPTIMIZERS = {"sgd": "SGD", "adam": "Adam", "adamw": "AdamW", "rmsprop": "RMSprop"}


def build_data(settings: Settings) -> tuple[Dataset, Dataset]:
    """The training and the test set."""
    options = dict(settings.get("data_options", {}))
    if isinstance(options.get("image_size"), list):
        options["image_size"] = tuple(options["image_size"])
    return load(settings["data"], **options)


def build_net(settings: Settings, sample_shape: tuple[int, int, int], num_classes: int) -> Module:
    """The model, with its first weights, on its backend.

    Raises:
        DataError: the model or one of its options is unknown, given already, or of a wrong kind.
        ShapeError: the images are too small for the model.
    """
    channels, rows, columns = sample_shape
    given = {
        "num_classes": num_classes,
        "in_channels": channels,
        "image_size": (rows, columns),
        "seed": settings["seed"],
    }
    if "num_classes" not in models.settings_of(settings["model"]):
        del given["num_classes"]
    options = settings.get("model_options", {})
    for name in options:
        if name in given:
            raise DataError(f"model_options: {name} follows from the data and from seed. Leave it out.")
    try:
        net = models.create(settings["model"], **given, **options)
    except TypeError as error:  # such as a number where the model wants a list
        raise DataError(f"model_options: {options} do not suit {settings['model']}: {error}.") from error
    net.to(settings["backend"])
    net.precision = settings["precision"]
    return net


def build_loss(settings: Settings) -> Any:
    """Cross entropy."""
    return CrossEntropyLoss(label_smoothing=settings["label_smoothing"])


def build_optimizer(settings: Settings, net: Module) -> Optimizer:
    """The optimizer of all parameters, decay on weights alone unless settings say "all"."""
    options = dict(settings["optimizer"])
    kind, decay = options.pop("name"), options.pop("decay")
    if "betas" in options:
        options["betas"] = tuple(options["betas"])
    parameters: Any = net.parameters()
    if decay == "weights":
        parameters = no_decay_groups(net, options["weight_decay"])
    optimizer: Optimizer = getattr(optimizers, _OPTIMIZERS[kind])(parameters, **options)
    return optimizer


def build_schedule(settings: Settings, optimizer: Optimizer, batches: int) -> tuple[Any, str]:
    """The schedule, or None, and whether it steps every "epoch" or "batch".

    Args:
        batches: of an epoch.
    """
    options = dict(settings["schedule"])
    kind, every = options.pop("name"), options.pop("every", "batch")
    if kind == "none":
        return None, "epoch"
    steps = settings["epochs"] * (batches if every == "batch" else 1)
    if kind == "onecycle":
        max_lr = settings["optimizer"]["lr"]
        return OneCycleLR(optimizer, max_lr=max_lr, total_steps=steps, **options), every
    warmup = round(options.pop("warmup") * (batches if every == "batch" else 1))
    if warmup >= steps:
        unit = "batches" if every == "batch" else "epochs"
        raise DataError(f"schedule: {warmup} {unit} of warm-up do not fit a training of {steps}. Lower warmup.")
    parts: list[Any] = []
    if warmup:
        parts.append(LinearLR(optimizer, start_factor=1 / (warmup + 1), total_iters=warmup))
    # Steps that a user gives count from the start of the training, and those of the second part from its own.
    if kind == "step":
        parts.append(StepLR(optimizer, **options))
    elif kind == "multistep":
        milestones = [milestone - warmup for milestone in options.pop("milestones")]
        if any(milestone <= 0 for milestone in milestones):
            raise DataError("schedule: milestones must come after the warm-up. Lower warmup, or move them.")
        parts.append(MultiStepLR(optimizer, milestones=milestones, **options))
    elif kind == "linear":
        parts.append(LinearLR(optimizer, start_factor=1.0, total_iters=steps - warmup, **options))
    else:
        parts.append(CosineAnnealingLR(optimizer, T_max=steps - warmup, **options))
    if warmup:
        return SequentialLR(optimizer, parts, [warmup]), every
    return parts[0], every


def build_trainer(
    settings: Settings,
    train: Dataset,
    net: Module,
    run_dir: Any,
    progress: bool,
    callbacks: Sequence[Callback] = (),
) -> Trainer:
    """Everything together."""
    optimizer = build_optimizer(settings, net)
    size = settings["batch_size"]
    batches = len(train) // size if settings["drop_last"] else math.ceil(len(train) / size)
    schedule, every = build_schedule(settings, optimizer, max(batches, 1))  # that there is none, the loader says
    return Trainer(
        net,
        optimizer,
        build_loss(settings),
        schedule=schedule,
        schedule_every=every,
        run_dir=run_dir,
        batch_size=size,
        seed=settings["seed"],
        augment=None if settings["augment"] in ("", "none") else from_spec(settings["augment"]),
        drop_last=settings["drop_last"],
        max_grad_norm=settings["max_grad_norm"] or None,
        early_stopping=settings["early_stopping"] or None,
        checkpoint_every=settings["checkpoint_every"] or None,
        callbacks=callbacks,
        progress=Progress(progress),
        config=settings,
    )
