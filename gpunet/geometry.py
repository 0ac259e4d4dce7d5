"""Sliding windows: the one place that knows how kernel, stride, padding and dilation give an output size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpunet.errors import ShapeError

Pair = tuple[int, int]


def as_int(value: Any, name: str, minimum: int) -> int:
    """``value`` as an int of at least ``minimum``; a float, a bool or a smaller one raises `ShapeError`."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise ShapeError(f"{name} must be an integer, got {value!r}.")
    number = int(value.__index__())
    if number < minimum:
        raise ShapeError(f"{name} must be at least {minimum}, got {number}.")
    return number


def as_pair(value: Any, name: str, minimum: int) -> Pair:
    """An int, or two of them (rows first), as a pair."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        if len(value) != 2:
            raise ShapeError(f"{name} must be an integer or a pair (rows, columns), got {value!r}.")
        return as_int(value[0], name, minimum), as_int(value[1], name, minimum)
    number = as_int(value, name, minimum)
    return number, number


@dataclass(frozen=True, slots=True)
class Window:
    """A window that slides over an image; rows come first in every pair.

    Attributes:
        kernel: rows and columns of the window.
        stride: step between neighbouring windows.
        padding: ((top, bottom), (left, right)) elements added around the image.
        dilation: distance between neighbouring elements inside a window.
        ceil_mode: also keep a last window that reaches past the padded image.
    """

    kernel: Pair
    stride: Pair = (1, 1)
    padding: tuple[Pair, Pair] = ((0, 0), (0, 0))
    dilation: Pair = (1, 1)
    ceil_mode: bool = False

    @classmethod
    def create(
        cls,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
    ) -> Window:
        """Normalise the arguments that users write.

        Args:
            kernel_size, stride, dilation: an int or a pair.
            padding: an int, a pair (rows, columns), "valid", "same" (stride 1 only; the odd element goes to the
                bottom and right, as in PyTorch), or ((top, bottom), (left, right)).
            ceil_mode: see the class.

        Raises:
            ShapeError: an argument is no integer, too small, or of another form.
        """
        kernel = as_pair(kernel_size, "kernel_size", 1)
        strides = as_pair(stride, "stride", 1)
        dilations = as_pair(dilation, "dilation", 1)
        sides: tuple[Pair, Pair]
        if isinstance(padding, str):
            sides = _named_padding(padding, kernel, strides, dilations)
        elif isinstance(padding, Sequence) and len(padding) == 2 and all(isinstance(p, Sequence) for p in padding):
            sides = (as_pair(padding[0], "padding", 0), as_pair(padding[1], "padding", 0))
        else:
            rows, cols = as_pair(padding, "padding", 0)
            sides = ((rows, rows), (cols, cols))
        return cls(kernel, strides, sides, dilations, bool(ceil_mode))

    def settings(self, default_stride: Pair = (1, 1)) -> list[str]:
        """The kernel, and what differs from the defaults, as they stand in a layer's ``repr``."""
        parts = [f"kernel_size={self.kernel}"]
        if self.stride != default_stride:
            parts.append(f"stride={self.stride}")
        if self.padding != ((0, 0), (0, 0)):
            parts.append(f"padding={self.padding}")
        if self.dilation != (1, 1):
            parts.append(f"dilation={self.dilation}")
        if self.ceil_mode:
            parts.append("ceil_mode=True")
        return parts

    @property
    def area(self) -> int:
        """Elements in one window."""
        return self.kernel[0] * self.kernel[1]

    @property
    def span(self) -> Pair:
        """Rows and columns from the first to the last element of one window, dilation included."""
        return (
            self.dilation[0] * (self.kernel[0] - 1) + 1,
            self.dilation[1] * (self.kernel[1] - 1) + 1,
        )

    @property
    def overlaps(self) -> bool:
        """Whether two windows may share an element."""
        return self.span[0] > self.stride[0] or self.span[1] > self.stride[1]

    def output_size(self, height: int, width: int) -> Pair:
        """Rows and columns of windows over a (height, width) image.

        Raises:
            ShapeError: the image is empty or no window fits.
        """
        if height < 1 or width < 1:
            raise ShapeError(f"the image is empty: {height}x{width}. Every image needs at least one row and column.")
        size = (self._windows_along(0, height), self._windows_along(1, width))
        if min(size) < 1:
            (top, bottom), (left, right) = self.padding
            padding: Any = top if top == bottom == left == right else self.padding
            dilated = "" if self.dilation == (1, 1) else f" (dilated to {self.span[0]}x{self.span[1]})"
            raise ShapeError(
                f"a {self.kernel[0]}x{self.kernel[1]} kernel{dilated} does not fit a {height}x{width} image with "
                f"padding {padding}. Use a smaller kernel_size, more padding, or fewer pooling layers before it."
            )
        return size

    def _windows_along(self, axis: int, size: int) -> int:
        before, after = self.padding[axis]
        stride = self.stride[axis]
        room = size + before + after - self.span[axis]
        if not self.ceil_mode:
            return room // stride + 1 if room >= 0 else 0
        count = -(-room // stride) + 1
        # A last window that starts at or past the input plus its leading padding would see nothing but padding.
        if (count - 1) * stride >= size + before:
            count -= 1
        return count

    def pooling_size(self, height: int, width: int) -> Pair:
        """`output_size` under the rules of pooling, where a window must see at least one real element.

        Raises:
            ShapeError: no window fits, the padding exceeds half the kernel, or a window would see padding alone.
        """
        for (before, after), kernel in zip(self.padding, self.kernel, strict=True):
            if max(before, after) > kernel // 2:
                raise ShapeError(
                    f"pooling padding {max(before, after)} is more than half of the kernel's {kernel}. "
                    f"Use at most {kernel // 2}."
                )
        size = self.output_size(height, width)
        rows, cols = self.real_elements(height, width)
        if not (rows.any(axis=1).all() and cols.any(axis=1).all()):
            raise ShapeError(
                f"a {self.kernel[0]}x{self.kernel[1]} pooling window with dilation {self.dilation} sees nothing but "
                f"padding somewhere on a {height}x{width} image. Use less dilation or less padding."
            )
        return size

    def real_elements(self, height: int, width: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which elements of the windows lie on the image: bool (H', kh) for rows and (W', kw) for columns."""
        return self._elements(height, width, clip_to_padding=False)

    def padded_elements(self, height: int, width: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which elements of the windows lie on the padded image, as `real_elements`; a ceil_mode window may not."""
        return self._elements(height, width, clip_to_padding=True)

    def _elements(self, height: int, width: int, clip_to_padding: bool) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        masks = []
        for axis, (size, count) in enumerate(zip((height, width), self.output_size(height, width), strict=True)):
            before, after = self.padding[axis]
            starts = np.arange(count)[:, None] * self.stride[axis] - before
            places = starts + np.arange(self.kernel[axis])[None, :] * self.dilation[axis]
            low, high = (-before, size + after) if clip_to_padding else (0, size)
            masks.append((places >= low) & (places < high))
        return masks[0], masks[1]

    def transposed_size(self, height: int, width: int, output_padding: Pair = (0, 0)) -> Pair:
        """Rows and columns of the image whose convolution with this window has (height, width) outputs.

        Several image sizes give one output size when the stride is above 1; ``output_padding`` picks among them. As in
        PyTorch it may go beyond the stride, up to the dilation: the image then has room for more windows than that.

        Raises:
            ShapeError: the result would be empty, or the output_padding reaches both stride and dilation.
        """
        if height < 1 or width < 1:
            raise ShapeError(f"the image is empty: {height}x{width}. Every image needs at least one row and column.")
        for extra, stride, dilation in zip(output_padding, self.stride, self.dilation, strict=True):
            if not 0 <= extra < max(stride, dilation):
                raise ShapeError(
                    f"output_padding {extra} must be at least 0 and below stride {stride} or dilation {dilation}."
                )
        rows, cols = (
            (count - 1) * self.stride[axis] - sum(self.padding[axis]) + self.span[axis] + output_padding[axis]
            for axis, count in enumerate((height, width))
        )
        if rows < 1 or cols < 1:
            raise ShapeError(
                f"a transposed {self.kernel[0]}x{self.kernel[1]} kernel with padding {self.padding} gives a "
                f"{rows}x{cols} image from {height}x{width}. Use less padding or a larger kernel_size."
            )
        return rows, cols


def _named_padding(name: str, kernel: Pair, stride: Pair, dilation: Pair) -> tuple[Pair, Pair]:
    if name == "valid":
        return ((0, 0), (0, 0))
    if name != "same":
        raise ShapeError(f"padding must be an int, a pair, 'same', 'valid' or two pairs, got {name!r}.")
    if stride != (1, 1):
        raise ShapeError(f"padding='same' needs stride 1, got {stride}. Give the padding as a number instead.")
    totals = (dilation[0] * (kernel[0] - 1), dilation[1] * (kernel[1] - 1))
    rows, cols = ((total // 2, total - total // 2) for total in totals)
    return rows, cols
