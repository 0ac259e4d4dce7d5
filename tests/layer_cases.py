"""Every layer and container in several settings, with an input shape that fits: what the tests walk through."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import gpunet as gn


@dataclass(frozen=True)
class LayerCase:
    """A layer in one setting.

    Attributes:
        name: for pytest.
        make: builds it.
        shape: of one input, without the batch.
    """

    name: str
    make: Callable[[], gn.Module]
    shape: tuple[int, ...]

    def __str__(self) -> str:
        return self.name

    def layer(self, dtype: str = "float64", seed: int = 0) -> gn.Module:
        """The layer with random parameters and, if it tracks any, with running statistics that are not 0 and 1."""
        with gn.random.seeded(seed):
            layer = self.make()
        stream = gn.random.Stream(seed, "layer case")
        for index, parameter in enumerate(layer.parameters()):
            parameter.value = parameter.value + stream.at(0, index).uniform(parameter.shape, -0.3, 0.3)
        layer.astype("float64")
        if list(layer.named_buffers()):
            layer.forward(self.input(8, seed=seed + 1), training=True)
        return layer.astype(dtype)

    def input(self, batch: int, dtype: str = "float64", seed: int = 0) -> np.ndarray:
        """Normal numbers."""
        return gn.random.Stream(seed, "input").normal((batch, *self.shape)).astype(dtype)


IMAGE = (4, 7, 6)

_LAYERS: dict[str, tuple[Callable[[], gn.Module], tuple[int, ...]]] = {
    # Convolution and products.
    "Conv2d": (lambda: gn.Conv2d(4, 5, 3), IMAGE),
    "Conv2d same": (lambda: gn.Conv2d(4, 6, (3, 2), padding="same", dilation=2, groups=2), IMAGE),
    "Conv2d depthwise": (lambda: gn.Conv2d(4, 8, 3, stride=(2, 1), padding=1, groups=4, bias=False), IMAGE),
    "Conv2d uneven": (lambda: gn.Conv2d(4, 3, (2, 5), stride=3, padding=((0, 2), (1, 3))), IMAGE),
    "Conv2d pointwise": (lambda: gn.Conv2d(4, 3, 1), IMAGE),
    "ConvTranspose2d": (lambda: gn.ConvTranspose2d(4, 5, 3), IMAGE),
    "ConvTranspose2d doubling": (lambda: gn.ConvTranspose2d(4, 6, 3, 2, 1, 1, groups=2), IMAGE),
    "ConvTranspose2d dilated": (
        lambda: gn.ConvTranspose2d(4, 4, (2, 3), (1, 2), (1, 0), (2, 1), 4, bias=False, dilation=3),
        IMAGE,
    ),
    "Linear": (lambda: gn.Linear(6, 5), (6,)),
    "Linear over axes": (lambda: gn.Linear(6, 3, bias=False), IMAGE),
    # Pooling.
    "MaxPool2d": (lambda: gn.MaxPool2d(2), IMAGE),
    "MaxPool2d overlapping": (lambda: gn.MaxPool2d((3, 2), (2, 1), (1, 1)), IMAGE),
    "MaxPool2d ceil dilated": (lambda: gn.MaxPool2d(2, 3, 0, 2, ceil_mode=True), IMAGE),
    "AvgPool2d": (lambda: gn.AvgPool2d(2), IMAGE),
    "AvgPool2d padded": (lambda: gn.AvgPool2d(3, 2, 1, count_include_pad=False), IMAGE),
    "AvgPool2d ceil": (lambda: gn.AvgPool2d((3, 2), (3, 4), (1, 1), ceil_mode=True), IMAGE),
    "AdaptiveAvgPool2d to one": (lambda: gn.AdaptiveAvgPool2d(1), IMAGE),
    "AdaptiveAvgPool2d": (lambda: gn.AdaptiveAvgPool2d((3, None)), IMAGE),
    "AdaptiveAvgPool2d enlarging": (lambda: gn.AdaptiveAvgPool2d((9, 4)), IMAGE),
    "GlobalMaxPool2d": (gn.GlobalMaxPool2d, IMAGE),
    # Normalisation.
    "BatchNorm1d": (lambda: gn.BatchNorm1d(6), (6,)),
    "BatchNorm1d length": (lambda: gn.BatchNorm1d(4, eps=0.1, momentum=None), (4, 5)),
    "BatchNorm2d": (lambda: gn.BatchNorm2d(4), IMAGE),
    "BatchNorm2d plain": (lambda: gn.BatchNorm2d(4, affine=False, momentum=0.5), IMAGE),
    "BatchNorm2d without statistics": (lambda: gn.BatchNorm2d(4, track_running_stats=False), IMAGE),
    "GroupNorm": (lambda: gn.GroupNorm(2, 4), IMAGE),
    "GroupNorm plain": (lambda: gn.GroupNorm(4, 4, eps=0.1, affine=False), (4, 5)),
    "LayerNorm": (lambda: gn.LayerNorm(6), IMAGE),
    "LayerNorm over axes": (lambda: gn.LayerNorm((7, 6), eps=0.1, bias=False), IMAGE),
    "LayerNorm plain": (lambda: gn.LayerNorm(IMAGE, elementwise_affine=False), IMAGE),
    "LocalResponseNorm": (lambda: gn.LocalResponseNorm(3, alpha=0.5), IMAGE),
    "LocalResponseNorm even": (lambda: gn.LocalResponseNorm(4, alpha=0.3, beta=0.5, k=2.0), IMAGE),
    "LocalResponseNorm wide": (lambda: gn.LocalResponseNorm(11, alpha=0.3), (4, 3)),
    "Dropout": (gn.Dropout, IMAGE),
    "Dropout of everything": (lambda: gn.Dropout(1.0), (6,)),
    "Dropout of nothing": (lambda: gn.Dropout(0.0), (6,)),
    # Activations.
    "ReLU": (gn.ReLU, IMAGE),
    "LeakyReLU": (lambda: gn.LeakyReLU(0.2), IMAGE),
    "PReLU": (gn.PReLU, IMAGE),
    "PReLU by channel": (lambda: gn.PReLU(4, init=0.1), IMAGE),
    "PReLU of features": (lambda: gn.PReLU(6), (6,)),
    "ELU": (lambda: gn.ELU(1.5), IMAGE),
    "GELU": (gn.GELU, IMAGE),
    "GELU tanh": (lambda: gn.GELU("tanh"), IMAGE),
    "SiLU": (gn.SiLU, IMAGE),
    "Hardswish": (gn.Hardswish, IMAGE),
    "Hardtanh": (lambda: gn.Hardtanh(-0.7, 1.2), IMAGE),
    "ReLU6": (gn.ReLU6, IMAGE),
    "Sigmoid": (gn.Sigmoid, IMAGE),
    "Tanh": (gn.Tanh, IMAGE),
    "Softmax": (gn.Softmax, IMAGE),
    "Softmax last": (lambda: gn.Softmax(dim=-1), IMAGE),
    "LogSoftmax": (gn.LogSoftmax, (6,)),
    "LogSoftmax rows": (lambda: gn.LogSoftmax(2), IMAGE),
    # Shapes.
    "Flatten": (gn.Flatten, IMAGE),
    "Flatten some": (lambda: gn.Flatten(2, 3), (3, 2, 4, 5)),
    "Upsample nearest": (lambda: gn.Upsample(scale_factor=2), IMAGE),
    "Upsample nearest uneven": (lambda: gn.Upsample(size=(10, 4)), IMAGE),
    "Upsample bilinear": (lambda: gn.Upsample(scale_factor=(1.7, 2), mode="bilinear"), IMAGE),
    "Upsample bilinear smaller": (lambda: gn.Upsample(size=(3, 13), mode="bilinear"), IMAGE),
    "Upsample aligned": (lambda: gn.Upsample(size=(9, 1), mode="bilinear", align_corners=True), IMAGE),
}


def _graph() -> gn.Graph:
    """A value used twice, and neighbours that are computed together."""
    nodes = [
        gn.GraphNode("conv", gn.Conv2d(4, 4, 3, padding=1), ("x",), ("a",)),
        gn.GraphNode("norm", gn.BatchNorm2d(4), ("a",), ("b",)),
        gn.GraphNode("relu", gn.ReLU(), ("b",), ("c",)),
        gn.GraphNode("both", gn.Add(gn.Identity(), gn.Tanh()), ("c",), ("d",)),
        gn.GraphNode("flat", gn.Flatten(), ("d",), ("e",)),
    ]
    return gn.Graph(["x"], nodes, ["e"])


_CONTAINERS: dict[str, tuple[Callable[[], gn.Module], tuple[int, ...]]] = {
    "Identity": (gn.Identity, IMAGE),
    "Sequential": (
        lambda: gn.Sequential(gn.Conv2d(4, 3, 3), gn.BatchNorm2d(3), gn.ReLU(), gn.Flatten(), gn.Linear(60, 2)),
        IMAGE,
    ),
    "Sequential empty": (gn.Sequential, (6,)),
    "Add": (
        lambda: gn.Add(gn.Sequential(gn.Conv2d(4, 4, 3, padding=1), gn.Dropout(0.3), gn.Tanh()), gn.Identity()),
        IMAGE,
    ),
    "Concat": (lambda: gn.Concat({"wide": gn.Conv2d(4, 3, 3, padding=1), "self": gn.Identity()}), IMAGE),
    "Graph": (_graph, IMAGE),
    "Concat of sums": (
        lambda: gn.Concat(gn.Add(gn.Linear(6, 3), gn.Linear(6, 3), gn.Linear(6, 3)), gn.Sequential(gn.Sigmoid())),
        (6,),
    ),
}

LAYERS = [LayerCase(name, make, shape) for name, (make, shape) in _LAYERS.items()]
CONTAINERS = [LayerCase(name, make, shape) for name, (make, shape) in _CONTAINERS.items()]
EVERYTHING = LAYERS + CONTAINERS
