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
from gpunet.models.alexnet import alexnet
from gpunet.models.autoencoder import denoising_autoencoder
from gpunet.models.compact import compact_resnet
from gpunet.models.lenet import lenet
from gpunet.models.mobilenet import mobilenet_v2
from gpunet.models.resnet import resnet18, resnet34, resnet50, resnet101, resnet152
from gpunet.models.resnet_cifar import resnet20, resnet32, resnet44, resnet56, resnet110
from gpunet.models.seed_network import seed_network
from gpunet.models.squeezenet import squeezenet1_0, squeezenet1_1
from gpunet.models.unet import unet
from gpunet.models.vgg import vgg11, vgg13, vgg16, vgg19, vgg_cifar

_BUILDERS: dict[str, Callable[..., Module]] = {
    "seed_network": seed_network,
    "lenet": lenet,
    "compact_resnet": compact_resnet,
    "alexnet": alexnet,
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
    "resnet44": resnet44,
    "resnet56": resnet56,
    "resnet110": resnet110,
    "resnet18": resnet18,
    "resnet34": resnet34,
    "resnet50": resnet50,
    "resnet101": resnet101,
    "resnet152": resnet152,
    "squeezenet1_0": squeezenet1_0,
    "squeezenet1_1": squeezenet1_1,
    "mobilenet_v2": mobilenet_v2,
    "unet": unet,
    "denoising_autoencoder": denoising_autoencoder,
}
# Their output is an image; that of all others one score a class.
_FROM_IMAGE_TO_IMAGE = {"unet", "denoising_autoencoder"}


def names() -> list[str]:
    """The names that `create` knows."""
    return list(_BUILDERS)


def classifies(name: str) -> bool:
    """Whether the model gives an image one score a class, and not an image."""
    return name not in _FROM_IMAGE_TO_IMAGE


def settings_of(name: str) -> list[str]:
    """What `create` takes for a model, beside its name; image_size it takes for each."""
    return list(inspect.signature(_builder(name)).parameters)


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
    builder = _builder(name)
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


def _builder(name: str) -> Callable[..., Module]:
    if name not in _BUILDERS:
        raise DataError(f"model {name!r} is unknown.{_nearest(name, names())} There are {', '.join(names())}.")
    return _BUILDERS[name]


def _nearest(word: str, candidates: list[str]) -> str:
    found = difflib.get_close_matches(str(word), candidates, n=1)
    return f" Did you mean {found[0]!r}?" if found else ""
