"""Pooling, one place of the window at a time over as many images as fit the cache."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpunet.backends.numpy import memory, parallel
from gpunet.backends.numpy.job import Job
from gpunet.backends.numpy.places import Images, image_pieces
from gpunet.backends.numpy.selection import keep_where
from gpunet.backends.numpy.windows import Floats
from gpunet.geometry import Pair, Window

Offsets = NDArray[np.unsignedinteger]


def max_pool2d(x: Floats, window: Window) -> tuple[Floats, Offsets]:
    """See `Backend.max_pool2d`."""
    images, shape = Images(x), (*x.shape[:2], *window.output_size(*x.shape[2:]))
    y = _empty(images, shape, x.dtype)
    offsets = _empty(images, shape, np.min_scalar_type(window.area - 1))
    first = _first_real(window, (x.shape[2], x.shape[3]))
    job = _Choose(images, window, first, *(images.view(array) for array in (x, y, offsets)))
    parallel.run(job, images.pieces(x, shape[2]), x.nbytes + y.nbytes)
    return y, offsets


@dataclass(frozen=True)
class _Choose(Job):
    """Writes some rows of some images of ``y`` and ``offsets``, which are views; ``first`` is of `_first_real`."""

    images: Images
    window: Window
    first: Offsets | None
    x: Floats
    y: Floats
    offsets: Offsets
    outputs = ("y", "offsets")

    def __call__(self, piece: tuple[slice, slice]) -> None:
        some, rows = piece
        chosen = self.offsets[some][self.images.rows(rows)]
        chosen[...] = 0 if self.first is None else self.images.spread(self.first[rows])
        y = self.y[some][self.images.rows(rows)]
        _Choice(self.images, self.window, rows, self.x[some], y, chosen).largest()


class _Choice:
    """The largest elements of some windows.

    Args:
        x: view of images.
        y: view of the outputs ``rows`` of these images, to be written.
        offsets: like y; comes with the first real place of each window.
    """

    def __init__(self, images: Images, window: Window, rows: slice, x: Floats, y: Floats, offsets: Offsets) -> None:
        self._images, self._x, self._y, self._offsets = images, x, y, offsets
        size, cols = (x.shape[1:3], y.shape[2]) if images.last else (x.shape[2:4], y.shape[3])
        self._places = images.places(window, (size[0], size[1]), rows, cols)

    def _element(self, index: int, out: Floats) -> Floats:
        """What all windows hold at one place, -inf where that is padding."""
        _, outputs, pixels = self._places[index]
        seen = self._x[pixels]
        if seen.shape != out.shape:
            out.fill(-np.inf)
        self._images.copy(seen, out[outputs])
        return out

    def largest(self) -> None:
        """Write y and offsets."""
        y, offsets = self._y, self._offsets
        element = memory.workspace("element", y.shape, y.dtype)
        larger = memory.workspace("larger", y.shape, bool)
        place = memory.workspace("place", y.shape, offsets.dtype)
        self._element(0, out=y)
        for index in range(1, len(self._places)):
            self._element(index, out=element)
            np.greater(element, y, out=larger)
            np.maximum(y, element, out=y)
            # Places come in rising order: the last one that was larger is the largest number.
            number = larger.view(np.uint8)
            if index > 1:
                number = np.multiply(number, offsets.dtype.type(index), out=place)
            np.maximum(offsets, number, out=offsets)
        if np.isnan(np.vdot(y, y)):  # squares cannot cancel: NaN if and only if some element is
            self._last_nan(element)
        if np.equal(y, 0, out=larger).any() and np.signbit(self._x).any():
            self._signs_of_zeros(element, larger)

    def _last_nan(self, element: Floats) -> None:
        for index in range(len(self._places)):
            is_nan = np.isnan(self._element(index, out=element))
            np.copyto(self._offsets, self._offsets.dtype.type(index), where=is_nan)

    def _signs_of_zeros(self, element: Floats, is_zero: NDArray[np.bool_]) -> None:
        """Of 0.0 and -0.0 `numpy.maximum` returns either; y is the element that was chosen."""
        for index in range(len(self._places)):
            np.copyto(self._y, self._element(index, out=element), where=is_zero & (self._offsets == index))


def _first_real(window: Window, size: Pair) -> Offsets | None:
    """The first place (H', W') of each window that is no padding; None where that is 0 everywhere."""
    rows, cols = window.real_elements(*size)
    if rows[:, 0].all() and cols[:, 0].all():
        return None
    first = np.add.outer(rows.argmax(axis=1) * window.kernel[1], cols.argmax(axis=1))
    return np.asarray(first, np.min_scalar_type(window.area - 1))


def max_pool2d_backward(grad_y: Floats, offsets: Offsets, x_shape: tuple[int, ...], window: Window) -> Floats:
    """See `Backend.max_pool2d_backward`."""
    images, grad_x = Images(grad_y), _gradients(grad_y, x_shape)
    _distribute(_SendToChosen(images, window, images.view(grad_y), images.view(grad_x), images.view(offsets)), grad_x)
    return grad_x


def avg_pool2d(x: Floats, window: Window, count_include_pad: bool = True) -> Floats:
    """See `Backend.avg_pool2d`."""
    images, shape = Images(x), (*x.shape[:2], *window.output_size(*x.shape[2:]))
    y = _empty(images, shape, x.dtype)
    all_x, all_y = images.view(x), images.view(y)
    size: Pair = (x.shape[2], x.shape[3])
    divisor = images.spread(_divisor(size, window, count_include_pad, x.dtype))
    job = _Average(images, window, size, all_x, all_y, divisor)
    parallel.run(job, images.pieces(x, shape[2]), x.nbytes + y.nbytes)
    return y


@dataclass(frozen=True)
class _Average(Job):
    """Writes some rows of some images of ``y``; arrays are views."""

    images: Images
    window: Window
    size: Pair
    x: Floats
    y: Floats
    divisor: Floats
    outputs = ("y",)

    def __call__(self, piece: tuple[slice, slice]) -> None:
        some, rows = piece
        x, y = self.x[some], self.y[some][self.images.rows(rows)]
        if _sees_all(self.window, self.size):
            area, sums = self.window.area, y.reshape(len(y), -1)
            ones = np.ones(area, x.dtype)
            if self.images.last:
                np.matmul(ones, x.reshape(len(y), area, -1), out=sums)
            else:
                np.matmul(x.reshape(len(y), -1, area), ones, out=sums)
        else:
            element = memory.workspace("element", y.shape, y.dtype)
            y.fill(0)
            cols = y.shape[2 if self.images.last else 3]
            for _, outputs, pixels in self.images.places(self.window, self.size, rows, cols):
                part = element[outputs]
                self.images.copy(x[pixels], part)
                np.add(y[outputs], part, out=y[outputs])
        np.divide(y, self.divisor[rows], out=y)


def avg_pool2d_backward(
    grad_y: Floats, x_shape: tuple[int, ...], window: Window, count_include_pad: bool = True
) -> Floats:
    """See `Backend.avg_pool2d_backward`."""
    divisor = _divisor((x_shape[2], x_shape[3]), window, count_include_pad, grad_y.dtype)
    shares = np.divide(grad_y, divisor, out=memory.empty_like(grad_y))
    images = Images(shares)
    if _sees_all(window, (x_shape[2], x_shape[3])):
        grad_x: Floats = _empty(images, x_shape, grad_y.dtype)
        np.copyto(images.view(grad_x), images.view(shares))
        return grad_x
    grad_x = _gradients(shares, x_shape)
    _distribute(_SendToAll(images, window, images.view(shares), images.view(grad_x)), grad_x)
    return grad_x


def _gradients(grad_y: Floats, x_shape: tuple[int, ...]) -> Floats:
    """For the gradients of x, in the layout of those of y."""
    return _empty(Images(grad_y), x_shape, grad_y.dtype)


def _distribute(job: _Send, grad_x: Floats) -> None:
    parallel.run(job, image_pieces(grad_x), grad_x.nbytes + job.grad_y.nbytes)


@dataclass(frozen=True)
class _Send(Job):
    """Adds up what each output sends to each place of its window, in some images of ``grad_x``; arrays are views."""

    images: Images
    window: Window
    grad_y: Floats
    grad_x: Floats
    outputs = ("grad_x",)

    @abstractmethod
    def sent(self, some: slice) -> Callable[[int], Floats]:
        """What the outputs of some images send, by the number of the place."""

    def __call__(self, some: slice) -> None:
        rows = 1 if self.images.last else 2
        size: Pair = (self.grad_x.shape[rows], self.grad_x.shape[rows + 1])
        out_size: Pair = (self.grad_y.shape[rows], self.grad_y.shape[rows + 1])
        target, send = self.grad_x[some], self.sent(some)
        if not _covers_once(self.window, size, out_size):
            target.fill(0)
        for number, outputs, pixels in self.images.places(self.window, size, slice(0, out_size[0]), out_size[1]):
            share, part = send(number)[outputs], target[pixels]
            if self.window.overlaps:
                np.add(part, share, out=part)
            else:
                self.images.copy(share, part)


@dataclass(frozen=True)
class _SendToChosen(_Send):
    """To the place that was the largest."""

    offsets: Offsets

    def sent(self, some: slice) -> Callable[[int], Floats]:
        grad, chosen = self.grad_y[some], self.offsets[some]
        is_chosen = memory.workspace("larger", chosen.shape, bool)
        share = memory.workspace("element", grad.shape, grad.dtype)
        return lambda place: keep_where(np.equal(chosen, place, out=is_chosen), grad, out=share)


@dataclass(frozen=True)
class _SendToAll(_Send):
    """The same to each place."""

    def sent(self, some: slice) -> Callable[[int], Floats]:
        share = self.grad_y[some]
        return lambda _: share


def _covers_once(window: Window, size: Pair, out_size: Pair) -> bool:
    """Whether each pixel belongs to exactly one place of one window."""
    return all(
        window.kernel[axis] == window.stride[axis]
        and window.padding[axis] == (0, 0)
        and window.dilation[axis] == 1
        and out_size[axis] * window.stride[axis] == size[axis]
        for axis in (0, 1)
    )


def _empty(images: Images, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    return memory.empty_channels_last(shape, dtype) if images.last else memory.empty(shape, dtype)


def _sees_all(window: Window, size: Pair) -> bool:
    """Whether one window sees the whole image and nothing else."""
    return window.kernel == size and window.dilation == (1, 1) and window.padding == ((0, 0), (0, 0))


def _divisor(size: Pair, window: Window, count_include_pad: bool, dtype: np.dtype[np.floating]) -> Floats:
    rows, cols = window.padded_elements(*size) if count_include_pad else window.real_elements(*size)
    return np.multiply.outer(rows.sum(axis=1), cols.sum(axis=1)).astype(dtype)
