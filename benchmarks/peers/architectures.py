"""The nets that are timed, as plain data, from which every framework builds the same thing.

A net is a tuple of layers; channels and sizes follow from the images. This file needs nothing but Python.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Conv:
    """A convolution to ``channels``; padding on all sides."""

    channels: int
    kernel: int
    stride: int = 1
    padding: int = 0
    bias: bool = True


@dataclass(frozen=True)
class BatchNorm:
    """Batch normalisation with weight and bias, eps 1e-5, running statistics kept with momentum 0.1."""


@dataclass(frozen=True)
class ReLU:
    """The larger of x and 0."""


@dataclass(frozen=True)
class MaxPool:
    """Max pooling; padding never wins."""

    kernel: int
    stride: int
    padding: int = 0


@dataclass(frozen=True)
class AveragePool:
    """The mean of each channel: images to vectors."""


@dataclass(frozen=True)
class Flatten:
    """Images to vectors."""


@dataclass(frozen=True)
class Linear:
    """A product with a matrix, and a bias."""

    features: int


@dataclass(frozen=True)
class Residual:
    """y = relu(body(x) + shortcut(x)).

    Attributes:
        body: layers of the main branch.
        shortcut: layers of the other one; empty for x itself, `SUBSAMPLE` for every second row and column with
            channels of zeros, half of them before and half after (He et al. 2016, option A).
    """

    body: tuple[Layer, ...]
    shortcut: tuple[Layer, ...] | str = ()


SUBSAMPLE = "subsample"

Layer = Conv | BatchNorm | ReLU | MaxPool | AveragePool | Flatten | Linear | Residual
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Net:
    """A net and the images it is trained on.

    Attributes:
        name: by which it is asked for.
        title: as tables call it.
        image: (C, H, W).
        classes: number of outputs.
        layers: in order.
    """

    name: str
    title: str
    image: Shape
    classes: int
    layers: tuple[Layer, ...]


def _convolution(channels: int, kernel: int, stride: int = 1) -> Conv:
    return Conv(channels, kernel, stride, kernel // 2, bias=False)


def _basic_block(channels: int, stride: int, shortcut: tuple[Layer, ...] | str) -> Residual:
    body = (
        _convolution(channels, 3, stride),
        BatchNorm(),
        ReLU(),
        _convolution(channels, 3),
        BatchNorm(),
    )
    return Residual(body, shortcut)


def _lenet() -> tuple[Layer, ...]:
    pool = MaxPool(2, 2)
    features = (Conv(6, 5, padding=2), ReLU(), pool, Conv(16, 5), ReLU(), pool)
    return (*features, Flatten(), Linear(120), ReLU(), Linear(84), ReLU(), Linear(10))


def _vgg(widths: Shape = (64, 128, 256)) -> tuple[Layer, ...]:
    layers: list[Layer] = []
    for width in widths:
        layers += [Conv(width, 3, padding=1), ReLU(), Conv(width, 3, padding=1), ReLU(), MaxPool(2, 2)]
    return (*layers, Flatten(), Linear(10))


def _resnet20() -> tuple[Layer, ...]:
    layers: list[Layer] = [_convolution(16, 3), BatchNorm(), ReLU()]
    for width in (16, 32, 64):
        for number in range(3):
            shrinks = number == 0 and width > 16
            layers.append(_basic_block(width, 2 if shrinks else 1, SUBSAMPLE if shrinks else ()))
    return (*layers, AveragePool(), Linear(10))


def _resnet18() -> tuple[Layer, ...]:
    layers: list[Layer] = [_convolution(64, 7, 2), BatchNorm(), ReLU(), MaxPool(3, 2, 1)]
    for width in (64, 128, 256, 512):
        for number in range(2):
            shrinks = number == 0 and width > 64
            shortcut = (_convolution(width, 1, 2), BatchNorm()) if shrinks else ()
            layers.append(_basic_block(width, 2 if shrinks else 1, shortcut))
    return (*layers, AveragePool(), Linear(1000))


def _stack(channels: int, side: int, depth: int) -> Net:
    layers = (Conv(channels, 3, padding=1), ReLU()) * depth
    title = f"{depth} convolutions of {channels} channels on {side}x{side}"
    return Net(stack_name(channels, side, depth), title, (3, side, side), 10, (*layers, AveragePool(), Linear(10)))


def stack_name(channels: int, side: int, depth: int) -> str:
    """The name of a net of equal 3x3 convolutions, whose sizes can be varied one by one."""
    return f"stack-{channels}-{side}-{depth}"


def find(name: str) -> Net:
    """The net of that name: one of `NETS`, or what `stack_name` gave."""
    kind, *numbers = name.split("-")
    return _stack(*map(int, numbers)) if kind == "stack" else NETS[name]


NETS = {
    net.name: net
    for net in (
        Net("lenet", "LeNet, 1x28x28", (1, 28, 28), 10, _lenet()),
        Net("vgg", "VGG, 3x32x32", (3, 32, 32), 10, _vgg()),
        Net("resnet20", "ResNet-20, 3x32x32", (3, 32, 32), 10, _resnet20()),
        Net("resnet18", "ResNet-18, 3x224x224", (3, 224, 224), 1000, _resnet18()),
    )
}


def output_shape(layer: Layer, shape: Shape) -> Shape:
    """Shape behind a layer, of what has ``shape`` before it; both without the batch."""
    if isinstance(layer, (Conv, MaxPool)):
        size = [(length + 2 * layer.padding - layer.kernel) // layer.stride + 1 for length in shape[1:]]
        return (layer.channels if isinstance(layer, Conv) else shape[0], *size)
    if isinstance(layer, AveragePool):
        return shape[:1]
    if isinstance(layer, Flatten):
        product = 1
        for length in shape:
            product *= length
        return (product,)
    if isinstance(layer, Linear):
        return (layer.features,)
    if isinstance(layer, Residual):
        return shape_behind(layer.body, shape)
    return shape


def shape_behind(layers: tuple[Layer, ...], shape: Shape) -> Shape:
    """Shape behind all of ``layers``."""
    for layer in layers:
        shape = output_shape(layer, shape)
    return shape


def parameters(layers: tuple[Layer, ...], shape: Shape) -> int:
    """How many numbers are learned; running statistics are not."""
    count = 0
    for layer in layers:
        if isinstance(layer, Conv):
            count += layer.channels * shape[0] * layer.kernel**2 + (layer.channels if layer.bias else 0)
        elif isinstance(layer, BatchNorm):
            count += 2 * shape[0]
        elif isinstance(layer, Linear):
            count += layer.features * (shape[0] + 1)
        elif isinstance(layer, Residual):
            count += parameters(layer.body, shape)
            if layer.shortcut != SUBSAMPLE:
                count += parameters(layer.shortcut, shape)
        shape = output_shape(layer, shape)
    return count
