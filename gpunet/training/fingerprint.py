"""Whether a training that goes on is the one that stopped."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from gpunet.data.dataset import Dataset
from gpunet.data.loader import DataLoader
from gpunet.layers.module import Module

if TYPE_CHECKING:
    from gpunet.training.trainer import Trainer


_IMAGES_HASHED = 2048


def described(trainer: Trainer) -> dict[str, Any]:
    """The settings of a trainer that decide its numbers, fit for JSON."""
    return {
        "net": type(trainer.net).__name__,
        "dtype": str(trainer.net.dtype),
        "precision": trainer.net.precision,
        "optimizer": _without_parameters(trainer.optimizer.state_dict()["settings"]),
        "loss": _shown(trainer.loss),
        "schedule": None if trainer.schedule is None else _schedule(trainer.schedule),
        "schedule_every": trainer.schedule_every,
        "seed": trainer.seed,
        "max_grad_norm": trainer.max_grad_norm,
        "early_stopping": trainer.early_stopping,
    }


def described_layers(net: Module) -> dict[str, str]:
    """Kind and settings of each module by its path; the weights' shapes do not tell a ReLU from a Tanh."""
    return {path: f"{type(module).__name__}({module.describe()})" for path, module in net.named_modules()}


def described_data(loader: DataLoader) -> dict[str, Any]:
    """What of the training data decides the numbers, fit for JSON."""
    dataset = loader.dataset
    return {
        "name": dataset.name,
        "samples": len(dataset),
        "digest": _digest(dataset),
        "sample_shape": list(dataset.sample_shape),
        "batch_size": loader.batch_size,
        "shuffle": loader.shuffle,
        "seed": loader.seed,
        "drop_last": loader.drop_last,
        "normalize": loader.normalize,
        "augment": None if loader.augment is None else _shown(loader.augment),
    }


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """What two descriptions differ in, as "batch_size was 64 and is 32, ..."; empty if in nothing."""
    flat_before, flat_now = dict(_flat(before)), dict(_flat(now))
    names = [*flat_before, *(name for name in flat_now if name not in flat_before)]
    return ", ".join(
        f"{name} was {flat_before.get(name, 'not set')} and is {flat_now.get(name, 'not set')}"
        for name in names
        if flat_before.get(name) != flat_now.get(name)
    )


def _digest(dataset: Dataset) -> str:
    """A hash of all labels and of images spread evenly over the set, so that it takes no time on a large one."""
    chosen = np.unique(np.linspace(0, max(len(dataset) - 1, 0), min(len(dataset), _IMAGES_HASHED)).astype(np.int64))
    digest = hashlib.sha256(dataset.labels.tobytes())
    for index in chosen:
        digest.update(dataset.images[index].tobytes())
    return digest.hexdigest()[:16]


def _flat(values: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(values, Mapping):
        for key, value in values.items():
            yield from _flat(value, f"{name}.{key}" if name else str(key))
    elif isinstance(values, list | tuple) and any(isinstance(value, Mapping | list | tuple) for value in values):
        for index, value in enumerate(values):
            yield from _flat(value, f"{name}.{index}")
    else:
        yield name, list(values) if isinstance(values, tuple) else values


def _without_parameters(settings: Any) -> Any:
    groups = [
        {name: value for name, value in group.items() if name != "params"} | {"parameters": len(group["params"])}
        for group in settings["param_groups"]
    ]
    return {**settings, "param_groups": groups}


def _schedule(schedule: Any) -> dict[str, Any]:
    return {"name": type(schedule).__name__, **schedule.state_dict()}


def _shown(thing: Any) -> str:
    """The ``repr``, unless it tells nothing but an address, which the next process would not have."""
    text = repr(thing)
    if re.search(r" at 0x[0-9a-f]+", text):
        return str(getattr(thing, "__qualname__", type(thing).__qualname__))
    return text
