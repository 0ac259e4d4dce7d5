"""Random changes of whole batches on the host, each a function of the batch and a random `Stream`.

They take (N, C, H, W) images, uint8 or floating, before normalisation, when 0 is black. Every sample draws its own
numbers. The input is never written to.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from gpunet.data.checks import as_integer
from gpunet.data.dataset import checked_statistics
from gpunet.data.preprocessing import prepare_images
from gpunet.errors import DataError
from gpunet.random import Stream

_PADDING_MODES = {"zero": "constant", "edge": "edge", "reflect": "reflect"}


class RandomCrop:
    """Pad every image on all sides, then cut its own size out at a random place.

    Args:
        padding: pixels on each side.
        mode: "zero" pads with black, "edge" repeats the last pixel, "reflect" mirrors the image without it.
    """

    def __init__(self, padding: int, mode: str = "zero") -> None:
        self.padding = as_integer(padding, "RandomCrop: padding", 0)
        if mode not in _PADDING_MODES:
            raise DataError(f"RandomCrop: mode must be one of {', '.join(_PADDING_MODES)}, got {mode!r}.")
        self.mode = mode

    def __call__(self, images: NDArray[Any], stream: Stream) -> NDArray[Any]:
        """Images like ``images``; offsets are uniform over the 2 * padding + 1 places each way."""
        count, _, height, width = _sizes(images, self)
        p = self.padding
        if self.mode == "reflect" and p >= min(height, width):
            raise DataError(
                f"RandomCrop: padding {p} reflects more than a {height}x{width} image has."
                f" Use padding {min(height, width) - 1} or less, or mode 'edge'."
            )
        padded = np.pad(images, ((0, 0), (0, 0), (p, p), (p, p)), mode=_PADDING_MODES[self.mode])  # type: ignore[call-overload]
        rows, columns = stream.integers(2 * p + 1, (2, count))
        windows = sliding_window_view(padded, (height, width), axis=(2, 3))
        return np.ascontiguousarray(windows[np.arange(count), :, rows, columns])

    def __repr__(self) -> str:
        return f"RandomCrop({self.padding}, mode={self.mode!r})"


class RandomHorizontalFlip:
    """Mirror each image left to right with a given probability."""

    def __init__(self, probability: float = 0.5) -> None:
        self.probability = _number(probability, "RandomHorizontalFlip: probability")
        if not 0 <= self.probability <= 1:
            raise DataError(f"RandomHorizontalFlip: probability must be in [0, 1], got {probability!r}.")

    def __call__(self, images: NDArray[Any], stream: Stream) -> NDArray[Any]:
        """Images like ``images``."""
        count, *_ = _sizes(images, self)
        flipped = stream.uniform(count) < self.probability
        return np.where(flipped[:, None, None, None], images[..., ::-1], images)

    def __repr__(self) -> str:
        return f"RandomHorizontalFlip({self.probability:g})"


class Cutout:
    """Blacken a square around a random pixel of each image; what of it lies outside the image is lost.

    Args:
        size: side of the square in pixels.

    Source: DeVries and Taylor 2017, arXiv:1708.04552.
    """

    def __init__(self, size: int) -> None:
        self.size = as_integer(size, "Cutout: size", 1)

    def __call__(self, images: NDArray[Any], stream: Stream) -> NDArray[Any]:
        """Images like ``images``."""
        count, _, height, width = _sizes(images, self)
        if self.size > min(height, width):
            raise DataError(
                f"Cutout: a square of {self.size} pixels does not fit a {height}x{width} image."
                f" Use size {min(height, width)} or less."
            )
        unit = stream.uniform((2, count))
        in_rows = self._covered(unit[0], height)
        in_columns = self._covered(unit[1], width)
        inside = in_rows[:, None, :, None] & in_columns[:, None, None, :]
        return np.where(inside, images.dtype.type(0), images)

    def _covered(self, unit: NDArray[np.float64], length: int) -> NDArray[np.bool_]:
        """(N, length): which pixels along one side lie in the square whose centre is at ``unit`` times ``length``."""
        first = np.floor(unit * length).astype(np.int64)[:, None] - self.size // 2
        place = np.arange(length)
        return (first <= place) & (place < first + self.size)

    def __repr__(self) -> str:
        return f"Cutout({self.size})"


class Normalize:
    """Scale uint8 to 0..1, subtract ``mean`` and divide by ``std``, as float32. Nothing random.

    A `DataLoader` does this by itself after augmentation: use it with ``normalize=False``, or not at all.

    Args:
        mean, std: (C,) or one number, on the 0..1 scale.
    """

    def __init__(self, mean: Any, std: Any) -> None:
        self.mean, self.std = checked_statistics(mean, std, max(np.size(mean), np.size(std)), "Normalize")

    def __call__(self, images: NDArray[Any], stream: Stream | None = None) -> NDArray[Any]:
        """Floating images of the same shape: float64 stays, all else becomes float32."""
        _, channels, _, _ = _sizes(images, self)
        if self.mean.size not in {1, channels}:
            raise DataError(f"Normalize: mean and std are for {self.mean.size} channels, got images of {channels}.")
        dtype = images.dtype if images.dtype == np.float64 else np.dtype(np.float32)
        return prepare_images(images, self.mean, self.std, dtype)

    def __repr__(self) -> str:
        return f"Normalize(mean={self.mean.tolist()}, std={self.std.tolist()})"


class Compose:
    """Several augmentations, one after the other, each with random numbers of its own."""

    def __init__(self, steps: Iterable[Callable[[NDArray[Any], Stream], NDArray[Any]]]) -> None:
        self.steps = tuple(steps)
        for step in self.steps:
            if not callable(step):
                raise DataError(f"Compose: a step must be called as step(images, stream), got {step!r}.")

    def __call__(self, images: NDArray[Any], stream: Stream) -> NDArray[Any]:
        """The images after the last step; each step's stream has its position added to the name."""
        for position, step in enumerate(self.steps):
            images = step(images, Stream(stream.seed, f"{stream.name}.{position}", stream.epoch, stream.step))
        return images

    def __repr__(self) -> str:
        return f"Compose([{', '.join(map(repr, self.steps))}])"


def from_spec(spec: str) -> Compose:
    """The augmentations that a short text names, in its order.

    ``crop:PIXELS[:zero|edge|reflect]``, ``flip[:PROBABILITY]`` and ``cutout:PIXELS``, with commas between, such as
    ``"crop:2,flip,cutout:8"``. ``"none"`` or an empty text changes nothing.

    Raises:
        DataError: an unknown name, or values that it cannot take.
    """
    if not isinstance(spec, str):
        raise DataError(f"augmentation: wanted a text such as 'crop:2,flip', got {spec!r}.")
    if spec.strip() in {"", "none"}:
        return Compose(())
    return Compose(_from_word(word.strip(), spec) for word in spec.split(","))


def _from_word(word: str, spec: str) -> Callable[[NDArray[Any], Stream], NDArray[Any]]:
    name, *values = (part.strip() for part in word.split(":"))
    where = f"augmentation {word!r} in {spec!r}"
    if name == "crop" and len(values) in {1, 2}:
        return RandomCrop(_pixels(values[0], where), *values[1:])
    if name == "flip" and len(values) <= 1:
        return RandomHorizontalFlip(*(_number(value, where) for value in values))
    if name == "cutout" and len(values) == 1:
        return Cutout(_pixels(values[0], where))
    wanted = "crop:PIXELS[:zero|edge|reflect], flip[:PROBABILITY] or cutout:PIXELS"
    problem = "takes other values" if name in {"crop", "flip", "cutout"} else "is unknown"
    raise DataError(f"{where} {problem}, wanted {wanted}.")


def _pixels(text: str, where: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise DataError(f"{where}: wanted a number of pixels, got {text!r}.") from None


def _number(value: Any, where: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise DataError(f"{where}: wanted a number, got {value!r}.")
    return number


def _sizes(images: NDArray[Any], augmentation: object) -> tuple[int, int, int, int]:
    if images.ndim != 4:
        raise DataError(f"{augmentation!r}: images must have shape (N, C, H, W), got {images.shape}.")
    count, channels, height, width = images.shape
    return count, channels, height, width
