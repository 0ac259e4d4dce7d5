"""Grad-CAM: where in an image a net saw what it says."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpunet.backends import numpy_backend
from gpunet.errors import DataError, ShapeError, StateError
from gpunet.layers import Conv2d, ConvTranspose2d
from gpunet.layers.module import Module
from gpunet.layers.observation import Event, undisturbed
from gpunet.layers.resampling import Resampling
from gpunet.state import Array
from gpunet.training.kept_state import left_as_it_was


@dataclass(frozen=True)
class GradCam:
    """What `grad_cam` found.

    Attributes:
        maps: (N, h, w) on the host, 0 or more: how much each place of the layer's output speaks for the class.
        layer: path of the layer that was looked at.
        classes: (N,) the class that each map is about.
        outputs: (N, K) of the net, on the host.
    """

    maps: NDArray[Any]
    layer: str
    classes: NDArray[np.int64]
    outputs: NDArray[Any]

    def on_images(self, size: tuple[int, int]) -> NDArray[Any]:
        """The maps stretched over the images by bilinear interpolation, each divided by its largest value.

        Args:
            size: rows and columns.

        Returns:
            (N, *size) in 0..1; all 0 where nothing speaks for the class.
        """
        return stretched(self.maps, size)


def grad_cam(net: Module, images: Array, classes: Any = None, layer: str | None = None) -> GradCam:
    """Show which places of each image speak for a class.

    With A the output of a convolutional layer, (K', h, w), and y the score of the class before softmax, the map is

        max(0, sum over k of a_k A_k),  a_k = mean over i, j of dy / dA_kij:

    each feature counts as much as the score would grow if it were everywhere a little stronger, and what speaks against
    the class is cut off. The net computes as in inference, and is afterwards as it was, gradients included.

    Args:
        net: from images to scores of classes (N, K), on any backend; without a softmax at its end, whose gradient
            would mix in the other classes.
        images: (N, C, H, W) of the net's backend, normalised as in training.
        classes: (N,) integers or one for all; by default the class that the net says.
        layer: path of the layer, whose output must be (N, K', h, w); by default what `last_feature_layer` finds.

    Returns:
        the maps, of the size of the layer's output.

    Raises:
        ShapeError: the outputs are no scores of classes, or the layer's output is no feature maps.
        DataError: a class out of range, a layer that there is not, or a net without a convolution.
        StateError: the score does not depend on the layer.

    Source: Selvaraju et al. 2017, "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization",
        arXiv:1610.02391, equations 1 and 2.
    """
    name = _found(net, images) if layer is None else layer
    modules = dict(net.named_modules())
    if name not in modules:
        near = difflib.get_close_matches(name, modules, 1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise DataError(f"grad_cam: the net has no layer {name!r}.{hint} Layers: {', '.join(filter(None, modules))}.")
    target = modules[name]
    seen: dict[str, Array] = {}

    def observe(event: Event) -> None:
        if event.module is target and (event.direction, event.stage) == ("forward", "after"):
            seen["activations"] = event.outputs[0]
        elif event.module is target and (event.direction, event.stage) == ("backward", "before"):
            seen["gradient"] = event.inputs[0]

    with left_as_it_was(net), target.observe(observe):
        outputs = net.forward(images, keep=True)
        if getattr(outputs, "ndim", 0) != 2:
            raise ShapeError(f"grad_cam: the net's outputs are {_shape(outputs)}, wanted scores (N, classes).")
        host = net.backend.to_numpy(outputs)
        chosen = _chosen(classes, host)
        one_hot = np.zeros(host.shape, host.dtype)
        one_hot[np.arange(len(chosen)), chosen] = 1
        net.backward(net.backend.asarray(one_hot), inputs=False)
    if len(seen) < 2:
        raise StateError(f"grad_cam: the score does not depend on layer {name!r}. Choose one that it passes through.")
    activations, gradient = seen["activations"], seen["gradient"]
    if activations.ndim != 4:
        raise ShapeError(
            f"grad_cam: the output of layer {name!r} is {_shape(activations)}, wanted feature maps (N, channels, rows, "
            "columns). Choose a layer before the images are flattened."
        )
    weights = gradient.mean(axis=(2, 3), keepdims=True)
    maps = net.backend.xp.maximum((weights * activations).sum(axis=1), 0)
    return GradCam(net.backend.to_numpy(maps), name, chosen, host)


def last_feature_layer(net: Module, images: Array) -> str | None:
    """The module whose output is the last that has a convolution's maps: where Grad-CAM looks by default.

    It is the last convolution with more than one place in its output, or whatever follows it with an output of the same
    shape, such as its normalisation, its rectifier and the residual block that ends with them.

    Args:
        net: on any backend.
        images: at least one, of the net's backend; the first goes through the net.

    Returns:
        its path, or None where no convolution has such an output.
    """
    found: str | None = None
    shape: tuple[int, ...] = ()

    def observe(event: Event) -> None:
        nonlocal found, shape
        if event.direction != "forward" or event.stage != "after" or (event.name == "" and found is not None):
            return
        output = tuple(event.outputs[0].shape)
        convolution = isinstance(event.module, Conv2d | ConvTranspose2d)
        if convolution and len(output) == 4 and output[2] * output[3] > 1:
            found, shape = event.name, output
        elif found is not None and output == shape:
            found = event.name

    with undisturbed(net), net.observe(observe):
        net.forward(images[:1])
    return found


def stretched(maps: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """(N, h, w) maps as (N, *size) in 0..1; see `GradCam.on_images`. A map that is not finite becomes 0."""
    rows, columns = (
        Resampling.linear(length, wanted, None, align_corners=False)
        for length, wanted in zip(maps.shape[1:], size, strict=True)
    )
    backend = numpy_backend()
    finite = np.isfinite(maps).all(axis=(1, 2), keepdims=True)
    large = columns.apply(backend, rows.apply(backend, np.where(finite, maps, 0), 1), 2)
    largest = large.max(axis=(1, 2), keepdims=True)
    return large / np.where(largest > 0, largest, 1)


def _found(net: Module, images: Array) -> str:
    name = last_feature_layer(net, images)
    if name is None:
        raise DataError(
            "grad_cam: the net has no convolution whose output has rows and columns. Name a layer that has: layer=..."
        )
    return name


def _chosen(classes: Any, outputs: NDArray[Any]) -> NDArray[np.int64]:
    count = len(outputs)
    if classes is None:
        return outputs.argmax(axis=1).astype(np.int64)
    chosen = np.asarray(classes)
    if chosen.dtype.kind not in "iu" or chosen.shape not in {(), (count,)}:
        raise DataError(f"grad_cam: got classes {classes!r}, wanted one integer, or one for each of {count} images.")
    outside = chosen[(chosen < 0) | (chosen >= outputs.shape[1])]
    if outside.size:
        raise DataError(f"grad_cam: got class {int(outside.flat[0])}, wanted 0 to {outputs.shape[1] - 1}.")
    return np.broadcast_to(chosen, (count,)).astype(np.int64)


def _shape(array: Any) -> str:
    return f"of shape {tuple(array.shape)}" if hasattr(array, "shape") else f"a {type(array).__name__}"
