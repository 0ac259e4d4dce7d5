"""The settings of a run: which keys there are, where they come from, and which win.

Defaults are overridden by a settings file (a ready recipe, or one given by ``--config``), and that by options.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gpunet.backends.select import NAMES as BACKENDS
from gpunet.cli.fields import Field, checked_table, nearest_to, with_defaults
from gpunet.errors import DataError
from gpunet.layers.module import PRECISIONS
from gpunet.resources import folder
from gpunet.training.toml_file import read_toml

Settings = dict[str, Any]

_DECAY = {
    "weight_decay": Field("number", 0.0, minimum=0),
    "decay": Field("text", "weights", choices=("weights", "all")),
}
_BETAS = {"betas": Field("numbers", [0.9, 0.999], minimum=0), "eps": Field("number", 1e-8, minimum=0)}

OPTIMIZERS: dict[str, dict[str, Field]] = {
    "sgd": {
        "lr": Field("number", 0.05, minimum=0),
        "momentum": Field("number", 0.9, minimum=0),
        "dampening": Field("number", 0.0, minimum=0),
        "nesterov": Field("flag", default=False),
        **_DECAY,
    },
    "adam": {"lr": Field("number", 1e-3, minimum=0), **_BETAS, **_DECAY},
    "adamw": {
        "lr": Field("number", 1e-3, minimum=0),
        **_BETAS,
        **_DECAY,
        "weight_decay": Field("number", 1e-2, minimum=0),
    },
    "rmsprop": {
        "lr": Field("number", 1e-3, minimum=0),
        "alpha": Field("number", 0.99, minimum=0, maximum=1),
        "eps": Field("number", 1e-8, minimum=0),
        "momentum": Field("number", 0.0, minimum=0),
        "centered": Field("flag", default=False),
        **_DECAY,
    },
}

_EPOCH = Field("text", "epoch", choices=("epoch", "batch"))
_BATCH = Field("text", "batch", choices=("epoch", "batch"))
_WARMUP = {"warmup": Field("number", 0.0, minimum=0)}  # epochs in which the rate first rises

SCHEDULES: dict[str, dict[str, Field]] = {
    "none": {},
    "step": {
        "every": _EPOCH,
        "step_size": Field("integer", 10, minimum=1),
        "gamma": Field("number", 0.1, minimum=0),
        **_WARMUP,
    },
    "multistep": {
        "every": _EPOCH,
        "milestones": Field("integers", [], minimum=0),
        "gamma": Field("number", 0.1, minimum=0),
        **_WARMUP,
    },
    "linear": {"every": _BATCH, "end_factor": Field("number", 0.0, minimum=0, maximum=1), **_WARMUP},
    "cosine": {"every": _BATCH, "eta_min": Field("number", 0.0, minimum=0), **_WARMUP},
    "onecycle": {
        "pct_start": Field("number", 0.3, minimum=0, maximum=1),
        "anneal_strategy": Field("text", "cos", choices=("cos", "linear")),
        "div_factor": Field("number", 25.0, minimum=0, above=True),
        "final_div_factor": Field("number", 1e4, minimum=0, above=True),
        "cycle_momentum": Field("flag", default=False),
    },
}
# These end with the training, so that a longer training would have been another from its first batch on.
FITTED_TO_LENGTH = ("linear", "cosine", "onecycle")

TOP: dict[str, Field] = {
    "model": Field("text", "lenet"),
    "data": Field("text", "digits"),
    "epochs": Field("integer", 10, minimum=1),
    "batch_size": Field("integer", 64, minimum=1),
    "drop_last": Field("flag", default=False),
    "augment": Field("text", "none"),
    "label_smoothing": Field("number", 0.0, minimum=0, maximum=1),
    "max_grad_norm": Field("number", 0.0, minimum=0),
    "early_stopping": Field("integer", 0, minimum=0),
    "seed": Field("integer", 0),
    "backend": Field("text", "auto", choices=BACKENDS),
    "precision": Field("text", "fast", choices=PRECISIONS),
    "checkpoint_every": Field("integer", 0, minimum=0),
    "weights": Field("text"),
}
TABLES: dict[str, dict[str, Field]] = {
    "data_options": {
        "path": Field("text"),
        "image_size": Field("size", minimum=1),
        "channels": Field("integer", minimum=1),
    },
}
_NAMED_TABLES = {"optimizer": (OPTIMIZERS, "sgd"), "schedule": (SCHEDULES, "cosine")}


def checked(values: Mapping[str, Any], source: str) -> Settings:
    """Settings as read from a file, each checked; absent keys stay absent.

    Args:
        values: tables and values. A table ``versions``, which runs add to their own, is dropped.
        source: the file, for messages.

    Raises:
        DataError: naming file and key.
    """
    known = {**TOP, **dict.fromkeys(("model_options", *TABLES, *_NAMED_TABLES, "versions"), Field("table"))}
    result = checked_table(values, known, source)
    result.pop("versions", None)
    for name, fields in TABLES.items():
        if name in result:
            result[name] = checked_table(result[name], fields, f"{source}: [{name}]")
    for name, (kinds, default) in _NAMED_TABLES.items():
        if name in result:
            result[name] = _checked_named(result[name], kinds, default, f"{source}: [{name}]")
    return result


def _checked_named(
    table: Mapping[str, Any], kinds: Mapping[str, Mapping[str, Field]], default: str, where: str
) -> Settings:
    name_field = Field("text", choices=tuple(kinds))
    name = name_field.checked(table.get("name", default), f"{where}: name")
    return checked_table(table, {"name": name_field, **kinds[name]}, where)


def completed(values: Settings) -> Settings:
    """Checked settings with the defaults of all absent keys, so that they mean the same under other defaults too."""
    result = with_defaults(values, TOP)
    if values.get("model_options"):
        result["model_options"] = values["model_options"]
    for name in TABLES:
        if values.get(name):
            result[name] = values[name]
    for name, (kinds, default) in _NAMED_TABLES.items():
        table = values.get(name, {})
        kind = table.get("name", default)
        result[name] = {"name": kind, **with_defaults(table, kinds[kind])}
    return result


def overridden(below: Settings, above: Settings) -> Settings:
    """``below`` with every key of ``above`` put over it.

    Where an optimizer or schedule of another name comes, what was said of the one below goes with it.
    """
    result = dict(below)
    for key, value in above.items():
        if not isinstance(value, Mapping):
            result[key] = value
            continue
        table = dict(result.get(key, {}))
        if key in _NAMED_TABLES and "name" in value and value["name"] != table.get("name", _NAMED_TABLES[key][1]):
            table = {}
        result[key] = {**table, **value}
    return result


def recipes() -> list[str]:
    """Names of the ready recipes."""
    return sorted(path.stem for path in folder("recipes").glob("*.toml"))


def recipe_for(model: str, data: str) -> Settings:
    """The ready recipe for a model on a data set, or nothing."""
    name = f"{model}_{data}".replace("-", "_").lower()
    return read_settings(name) if name in recipes() else {}


def read_settings(name_or_path: str) -> Settings:
    """A settings file, or the ready recipe of that name, checked.

    Raises:
        DataError: there is none, it is no TOML, or a key is wrong.
    """
    path = Path(name_or_path)
    if path.suffix != ".toml" and not path.is_file():
        known = recipes()
        name = name_or_path.replace("-", "_")
        if name not in known:
            raise DataError(
                f"--config {name_or_path}: is neither a file nor a ready recipe.{nearest_to(name, known)} "
                f"Ready ones: {', '.join(known)}."
            )
        path = folder("recipes") / f"{name}.toml"
    return checked(read_toml(path), str(path))


def say(message: str) -> None:
    """Write a line to standard error, where all goes that is not a result."""
    print(message, file=sys.stderr, flush=True)
