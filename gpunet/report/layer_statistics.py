"""What each layer puts out and what gradient reaches it, and what is wrong with that, in words."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from gpunet.errors import DataError, ShapeError
from gpunet.layers.module import Module
from gpunet.layers.observation import Event
from gpunet.state import Array
from gpunet.training.kept_state import left_as_it_was

Loss = Callable[[Array, Array], tuple[Array, Array]]

VANISHING = 1e-3  # of the gradient at the net's output: below it a layer learns a thousandth as fast
EXPLODING = 1e3

_ELEMENTS_AT_ONCE = 1 << 21  # are widened to float64, so that a large layer's output is not copied as a whole


@dataclass(frozen=True, slots=True)
class LayerStatistics:
    """One layer over a set of images, in inference mode.

    Attributes:
        name: path in the net; empty for the net itself.
        kind: class of the layer.
        output_shape: without the batch.
        mean, std, largest: of the outputs' elements; ``largest`` is a magnitude. NaN and infinity come through.
        zeros: share of the outputs' elements that are exactly 0.
        units: channels of feature maps, or elements of a vector.
        dead: how many units of a rectifier are 0 in every place of every image, so that nothing before them can learn
            from these images; None for a layer that does not cut off what is negative.
        gradient: the gradient of one image's loss by this layer's output: its Euclidean norm, root mean square over the
            images. None where no gradient came.
        relative_gradient: the same divided by that at the net's output.
        weight: Euclidean norm of the layer's own parameters; None without any.
        weight_gradient: that of the gradient of the mean loss by them; None where none came.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...]
    mean: float
    std: float
    largest: float
    zeros: float
    units: int
    dead: int | None
    gradient: float | None
    relative_gradient: float | None
    weight: float | None
    weight_gradient: float | None

    @property
    def label(self) -> str:
        """Name and kind."""
        return f"{self.name} {self.kind}".strip()

    @property
    def vanishing(self) -> bool:
        """Whether the gradient is less than `VANISHING` of that at the net's output."""
        return self.relative_gradient is not None and self.relative_gradient < VANISHING

    @property
    def exploding(self) -> bool:
        """Whether the gradient is more than `EXPLODING` times that at the net's output, or not finite."""
        return self.relative_gradient is not None and not self.relative_gradient <= EXPLODING

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong, one sentence each; empty if nothing is."""
        found = []
        if not math.isfinite(self.largest):
            found.append("Its output holds NaN or infinity.")
        if self.dead:
            what = "channels" if len(self.output_shape) == 3 else "units"
            found.append(f"Dead: {self.dead} of {self.units} {what} are 0 for every image.")
        if self.vanishing and self.relative_gradient == 0:
            found.append("No gradient at all reaches it.")
        elif self.vanishing:
            found.append(f"Vanishing gradient: {self.relative_gradient:.1e} of that at the net's output.")
        elif self.exploding and not math.isfinite(self.relative_gradient or 0.0):
            found.append("The gradient that reaches it is NaN or infinite.")
        elif self.exploding:
            found.append(f"Exploding gradient: {self.relative_gradient:.1e} times that at the net's output.")
        return tuple(found)


def layer_statistics(
    net: Module, loss: Loss, images: Array, labels: Array, batch_size: int = 64
) -> tuple[LayerStatistics, ...]:
    """Send images through a net and their loss's gradient back, and look at every layer.

    In inference mode: without dropout, and with batch norm's running statistics. The net is afterwards as it was.

    Args:
        net: on any backend.
        loss: ``value, gradient = loss(outputs, labels)``, a mean over the samples.
        images: (N, ...) of the net's backend, normalised as in training.
        labels: (N, ...) of the net's backend.
        batch_size: images at a time.

    Returns:
        the layers without layers inside, in the order in which they computed.

    Raises:
        DataError: there is no image, or ``batch_size`` is below 1.
        ShapeError: not as many labels as images.
    """
    if len(images) == 0 or batch_size < 1:
        raise DataError(
            f"layer_statistics: got {len(images)} images and batch_size={batch_size}, wanted at least 1 of each."
        )
    if len(labels) != len(images):
        raise ShapeError(f"layer_statistics: got {len(labels)} labels for {len(images)} images.")
    sums = _Sums(net, len(images))
    with left_as_it_was(net), net.observe(sums.observe):
        for start in range(0, len(images), batch_size):
            part = slice(start, start + batch_size)
            outputs = net.forward(images[part], keep=True)
            _, grad = loss(outputs, labels[part])
            net.backward(grad * (len(outputs) / len(images)), inputs=False)  # parts of the mean over all images
        return sums.results()


@dataclass
class _LayerSums:
    """What is added up of one layer. Numbers that would each wait for the device stay on it until the end."""

    module: Module
    shape: tuple[int, ...]
    elements: int = 0
    sum: Any = 0.0
    squares: Any = 0.0
    largest: Any = 0.0
    zeros: Any = 0
    alive: Any = None  # (units,) whether one was ever other than 0
    cuts: Any = False  # whether something negative came out as 0
    gradient: Any = None


@dataclass
class _Sums:
    """Adds up what passes through each layer."""

    net: Module
    images: int
    layers: dict[str, _LayerSums] = field(default_factory=dict)
    at_output: Any = 0.0

    def observe(self, event: Event) -> None:
        if event.name == "" and (event.direction, event.stage) == ("backward", "before"):
            self.at_output = self.at_output + self._squares(event.inputs[0])
        if any(True for _ in event.module.children()):
            return
        if (event.direction, event.stage) == ("forward", "after"):
            self._output(event)
        elif (event.direction, event.stage) == ("backward", "before") and event.name in self.layers:
            layer, squares = self.layers[event.name], self._squares(event.inputs[0])
            layer.gradient = squares if layer.gradient is None else layer.gradient + squares

    def _squares(self, array: Array) -> Any:
        return sum((wide * wide).sum() for wide in _widened(array))

    def _output(self, event: Event) -> None:
        xp = self.net.backend.xp
        x, y = event.inputs[0], event.outputs[0]
        layer = self.layers.setdefault(event.name, _LayerSums(event.module, tuple(y.shape[1:])))
        layer.elements += y.size
        for wide in _widened(y):
            layer.sum = layer.sum + wide.sum()
            layer.squares = layer.squares + (wide * wide).sum()
            layer.largest = xp.maximum(layer.largest, xp.abs(wide).max())
        layer.zeros = layer.zeros + (y == 0).sum()
        if x.shape == y.shape and y.ndim > 1 and not event.module.parameters():
            other = tuple(axis for axis in range(y.ndim) if axis != 1)
            alive = (y != 0).any(axis=other)
            layer.alive = alive if layer.alive is None else layer.alive | alive
            layer.cuts = layer.cuts | ((y == 0) & (x < 0)).any()

    def results(self) -> tuple[LayerStatistics, ...]:
        at_output = math.sqrt(float(self.at_output))
        return tuple(self._result(name, layer, at_output) for name, layer in self.layers.items())

    def _result(self, name: str, layer: _LayerSums, at_output: float) -> LayerStatistics:
        mean = float(layer.sum) / max(layer.elements, 1)
        variance = float(layer.squares) / max(layer.elements, 1) - mean * mean
        norm = None if layer.gradient is None else math.sqrt(float(layer.gradient))
        units = layer.shape[0] if layer.shape else 1
        parameters = layer.module.parameters()
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        return LayerStatistics(
            name=name,
            kind=type(layer.module).__name__,
            output_shape=layer.shape,
            mean=mean,
            std=math.nan if math.isnan(variance) else math.sqrt(max(variance, 0.0)),
            largest=float(layer.largest),
            zeros=int(layer.zeros) / max(layer.elements, 1),
            units=units,
            dead=units - int(layer.alive.sum()) if layer.alive is not None and bool(layer.cuts) else None,
            # A gradient of the mean loss holds 1 / images of each image's own.
            gradient=None if norm is None else norm * math.sqrt(self.images),
            relative_gradient=None if norm is None or at_output == 0 else norm / at_output,
            weight=self._norm([parameter.value for parameter in parameters]) if parameters else None,
            weight_gradient=self._norm(gradients) if gradients else None,
        )

    def _norm(self, arrays: list[Array]) -> float:
        return math.sqrt(sum(float(self._squares(array)) for array in arrays))


def _widened(array: Array) -> Iterator[Array]:
    """The array in float64, whose sums neither overflow nor lose what is small, a part at a time."""
    if array.size == 0:
        return
    if array.ndim == 0:
        yield array.astype("float64")
        return
    rows = max(1, _ELEMENTS_AT_ONCE * len(array) // array.size)
    for start in range(0, len(array), rows):
        yield array[start : start + rows].astype("float64")
