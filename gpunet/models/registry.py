"""Models by name, for the command line and for configuration files."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

from gpunet.errors import DataError
from gpunet.geometry import as_int, as_pair
from gpunet.layers.module import Module
from gpunet.models.compact import compact_resnet
from gpunet.models.lenet import lenet
from gpunet.models.resnet import resnet18, resnet34, resnet50
from gpunet.models.resnet_cifar import resnet20, resnet32, resnet56
from gpunet.models.seed_network import seed_network
from gpunet.models.vgg import vgg11, vgg13, vgg16, vgg19, vgg_cifar

_BUILDERS: dict[str, Callable[..., Module]] = {
    "seed_network": seed_network,
    "lenet": lenet,
    "compact_resnet": compact_resnet,
    "vgg_cifar": vgg_cifar,
    "vgg11": vgg11,
    "vgg11_bn": partial(vgg11, batch_norm=True),
    "vgg13": vgg13,
    "vgg13_bn": partial(vgg13, batch_norm=True),
    "vgg16": vgg16,
    "vgg16_bn": partial(vgg16, batch_norm=True),
    "vgg19": vgg19,
    "vgg19_bn": partial(vgg19, batch_norm=True),
    "resnet20": resnet20,
    "resnet32": resnet32,
    "resnet56": resnet56,
    "resnet18": resnet18,
    "resnet34": resnet34,
    "resnet50": resnet50,
}


def names() -> list[str]:
    """The names that `create` knows."""
    return list(_BUILDERS)


def create(name: str, *, image_size: int | tuple[int, int] | None = None, **settings: Any) -> Module:
    """A model by its name.

    Args:
        name: one of `names`.
        image_size: rows and columns of the images. Models whose layers depend on it are built for it; of the others,
            which take any size, it is checked that they take this one.
        settings: of the model's own function, such as num_classes, in_channels and seed.

    Raises:
        DataError: the name or a setting is unknown.
        ShapeError: the images are too small for the model.
    """
    if name not in _BUILDERS:
        raise DataError(f"model {name!r} is unknown.{_nearest(name, names())} There are {', '.join(names())}.")
    builder = _BUILDERS[name]
    known = inspect.signature(builder).parameters
    for setting in settings:
        if setting not in known:
            raise DataError(
                f"model {name!r} has no setting {setting!r}.{_nearest(setting, list(known))} It has {', '.join(known)}."
            )
    if image_size is not None and "image_size" in known:
        settings["image_size"] = image_size
    net = builder(**settings)
    if image_size is not None:
        channels = as_int(settings.get("in_channels", known["in_channels"].default), "in_channels", 1)
        net.output_shape((channels, *as_pair(image_size, "image_size", 1)))
    return net


def _nearest(word: str, candidates: list[str]) -> str:
    found = difflib.get_close_matches(str(word), candidates, n=1)
    return f" Did you mean {found[0]!r}?" if found else ""
