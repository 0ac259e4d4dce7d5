"""A model of gpunet and the same net of PyTorch with equal weights, and how their results are compared."""

from __future__ import annotations

from typing import Any

import numpy as np
import oracles

from gpunet import models

torch = oracles.require("torch")

import torch_models  # noqa: E402 - after the oracle is there

GREY = {"seed_network", "lenet", "denoising_autoencoder"}
VGG = [f"vgg{depth}{norm}" for depth in (11, 13, 16, 19) for norm in ("", "_bn")]
# Settings that leave the structure and take away the size: hidden layers are nine tenths of some.
NARROW: dict[str, dict[str, Any]] = {
    **{name: {"hidden_features": 24} for name in (*VGG, "vgg_cifar", "alexnet")},
    **{name: {"width": 16} for name in ("resnet101", "resnet152")},
    "unet": {"width": 8},
}
# Rows and columns, of others 32. With 64, the deepest batch norms of the large nets have 12 values a channel; of 3, as
# 32 leaves them, they magnify rounding by 1e6. A U-Net meets odd sizes with 44.
SIZES = {
    **dict.fromkeys(GREY, 28),
    **dict.fromkeys(("resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "mobilenet_v2", "alexnet"), 64),
    "unet": 44,
}


def small(name: str) -> dict[str, Any]:
    """Settings of a model that make its tests quick."""
    classes = {"num_classes": 7} if models.classifies(name) else {}
    return {**classes, **NARROW.get(name, {})}


def images_for(name: str, seed: int = 1, batch: int = 3) -> np.ndarray:
    """Normal numbers in the shape that the tests of a model use."""
    size = SIZES.get(name, 32)
    return np.random.default_rng(seed).normal(size=(batch, 1 if name in GREY else 3, size, size))


def equal_pair(ours: Any, theirs: Any) -> tuple[Any, Any]:
    """Both in float64 with the weights of ``theirs``, whose batch norms are made to differ from their first state."""
    theirs = theirs.double()
    with torch.no_grad():
        for module in theirs.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                # Anything but the initial statistics and scales, which hide mistakes.
                module.weight.uniform_(0.5, 1.5)
                module.bias.uniform_(-0.5, 0.5)
                module.running_mean.uniform_(-0.5, 0.5)
                module.running_var.uniform_(0.5, 1.5)
    ours.astype("float64").load_state_dict(theirs.state_dict())
    return ours, theirs


def pair(name: str) -> tuple[Any, Any]:
    """A model, small, and its twin."""
    torch.manual_seed(0)
    theirs = torch_models.MODELS[name](**small(name))
    return equal_pair(models.create(name, image_size=SIZES.get(name, 32), **small(name)), theirs)


def without_dropout(ours: Any, theirs: Any) -> None:
    """Random numbers are each library's own."""
    for module in [*theirs.modules(), *(module for _, module in ours.named_modules())]:
        if type(module).__name__ == "Dropout":
            module.p = 0.0


def error(ours: Any, theirs: Any, scale: float = 0.0) -> float:
    """The largest difference, relative to the largest number or to ``scale``, whichever is larger."""
    wanted = theirs.detach().numpy()
    assert ours.shape == wanted.shape
    return float(np.abs(ours - wanted).max() / max(np.abs(wanted).max(), scale, 1e-300))


def errors_of_a_pass(ours: Any, theirs: Any, images: np.ndarray, training: bool) -> dict[str, float]:
    """Forward and backward through both.

    Returns:
        the `error` of the outputs ("outputs"), of the images' gradient ("images") and of each parameter's.
    """
    theirs.train(training)
    for net in (ours, theirs):
        net.zero_grad()
    x = torch.tensor(images, requires_grad=True)
    wanted = theirs(x)
    grad_y = np.random.default_rng(2).normal(size=tuple(wanted.shape)).astype(images.dtype)
    wanted.backward(torch.tensor(grad_y))
    errors = {"outputs": error(ours.forward(images, training=training, keep=True), wanted)}
    errors["images"] = error(ours.backward(grad_y), x.grad)
    by_name = dict(theirs.named_parameters())
    assert [key for key, _ in ours.named_parameters()] == list(by_name)
    for key, parameter in ours.named_parameters():
        # Where a batch norm comes later it takes off what a bias adds, so that the gradient is 0, and what is computed
        # is the rounding of sums like those of the gradient of the weight beside it.
        beside = by_name[key.replace("bias", "weight")].grad.abs().max().item() if key.endswith("bias") else 0.0
        errors[key] = error(parameter.grad, by_name[key].grad, beside)
    return errors
