"""Shapes and settings of convolution and pooling that tests walk through, and arrays to fill them with."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st
from references import all_starts, elements, inside

from gpunet.geometry import Window

DTYPES = (np.dtype("float32"), np.dtype("float64"))
MAXIMUM_PRODUCTS = 6000  # of a sampled case: the reference loops take about a microsecond for each


@dataclass(frozen=True)
class Convolution:
    """One convolution: images, number of filters, window and groups."""

    x_shape: tuple[int, int, int, int]
    filters: int
    window: Window
    groups: int = 1

    @property
    def weight_shape(self) -> tuple[int, ...]:
        return (self.filters, self.x_shape[1] // self.groups, *self.window.kernel)

    @property
    def y_shape(self) -> tuple[int, ...]:
        rows, cols = all_starts(self.window, *self.x_shape[2:])
        return (self.x_shape[0], self.filters, len(rows), len(cols))

    def __str__(self) -> str:
        return f"{self.x_shape}-to-{self.filters}-groups{self.groups}-{describe(self.window)}".replace(" ", "")


@dataclass(frozen=True)
class Pooling:
    """One pooling: images and window."""

    x_shape: tuple[int, int, int, int]
    window: Window

    def __str__(self) -> str:
        return f"{self.x_shape}-{describe(self.window)}".replace(" ", "")


def describe(window: Window) -> str:
    padding = "".join(str(side) for pair in window.padding for side in pair)
    ceil = "-ceil" if window.ceil_mode else ""
    return f"k{window.kernel}s{window.stride}p{padding}d{window.dilation}{ceil}"


def fits(window: Window, height: int, width: int) -> bool:
    """Whether the image has at least one window."""
    return all(all_starts(window, height, width))


def may_pool(window: Window, height: int, width: int) -> bool:
    """Whether pooling allows it: some window, padding at most half the kernel, a real element in each window."""
    if any(max(sides) > kernel // 2 for sides, kernel in zip(window.padding, window.kernel, strict=True)):
        return False
    rows, cols = all_starts(window, height, width)
    return bool(rows and cols) and all(
        any(inside(row, col, height, width) for _, _, row, col in elements(window, top, left))
        for top, left in itertools.product(rows, cols)
    )


def _sampled_convolutions(count: int) -> Iterator[Convolution]:
    draw = random.Random(20240601)
    while count:
        height, width = draw.choice([(1, 1), (1, 6), (4, 1), (5, 7), (6, 6), (9, 4), (3, 8), (2, 2)])
        channels, filters, groups = draw.choice(
            [(1, 1, 1), (3, 4, 1), (4, 6, 2), (6, 3, 3), (3, 3, 3), (2, 6, 2), (4, 4, 4), (2, 1, 1)]
        )
        stride = draw.choice([1, 1, 2, (2, 1), (3, 4), 5])
        padding: Any = draw.choice([0, 1, 2, (2, 1), ((0, 2), (1, 0)), ((3, 0), (0, 4)), "valid", "same"])
        if padding == "same":
            stride = 1
        window = Window.create(
            draw.choice([1, 1, 2, 3, 3, (2, 3), (1, 3), (5, 1), (4, 4)]),
            stride,
            padding,
            draw.choice([1, 1, 2, (2, 1), (2, 3)]),
        )
        case = Convolution((draw.choice([1, 2, 3]), channels, height, width), filters, window, groups)
        if fits(window, height, width) and np.prod(case.y_shape) * np.prod(case.weight_shape[1:]) <= MAXIMUM_PRODUCTS:
            yield case
            count -= 1


def _sampled_poolings(count: int) -> Iterator[Pooling]:
    draw = random.Random(20240602)
    while count:
        height, width = draw.choice([(1, 1), (1, 6), (4, 1), (5, 7), (6, 6), (9, 4), (3, 8), (2, 2)])
        window = Window.create(
            draw.choice([1, 2, 2, 3, 3, (2, 3), (1, 3), (5, 1), (4, 4), 7]),
            draw.choice([1, 1, 2, (2, 1), (3, 4), 5]),
            draw.choice([0, 0, 1, (0, 1), ((0, 1), (1, 0)), ((1, 0), (0, 1)), 2, (2, 0)]),
            draw.choice([1, 1, 2, (2, 1), (2, 3)]),
            draw.choice([False, True]),
        )
        if may_pool(window, height, width):
            yield Pooling((draw.choice([1, 2, 3]), draw.choice([1, 2]), height, width), window)
            count -= 1


CONVOLUTIONS = [
    Convolution((0, 3, 5, 4), 2, Window.create(3, 2, 1)),  # no images
    Convolution((0, 4, 5, 4), 4, Window.create(3, 2, 1), 4),
    Convolution((0, 4, 5, 4), 2, Window.create(1)),
    Convolution((1, 1, 1, 1), 1, Window.create(1)),  # one pixel
    Convolution((1, 2, 1, 1), 2, Window.create(3, 1, 1)),
    Convolution((2, 3, 4, 5), 2, Window.create(1)),  # one element a window, with and without a frame and a stride
    Convolution((2, 3, 4, 5), 2, Window.create(1, 1, 1)),
    Convolution((2, 3, 4, 5), 2, Window.create(1, 2)),
    Convolution((2, 3, 5, 5), 2, Window.create(1, 3, ((2, 0), (1, 3)))),
    Convolution((2, 4, 4, 5), 6, Window.create(1), 2),
    Convolution((2, 3, 4, 5), 3, Window.create(1), 3),
    Convolution((1, 1, 3, 3), 1, Window.create(1, 5, ((2, 0), (0, 0)))),  # its one window sees padding alone
    Convolution((1, 2, 5, 5), 2, Window.create(1, 9, ((3, 0), (4, 0)), 1), 2),
    Convolution((2, 2, 7, 9), 3, Window.create(2, (3, 5))),  # a stride above the kernel skips elements
    Convolution((2, 2, 6, 6), 3, Window.create(6)),  # the window is the image
    Convolution((2, 2, 3, 3), 2, Window.create(4, 1, "same")),  # an even kernel: more padding below and right
    Convolution((2, 2, 5, 6), 4, Window.create((2, 3), 1, "same", 2), 2),
    Convolution((1, 2, 4, 4), 6, Window.create(3, 1, 1), 2),  # depthwise, three filters a channel
    Convolution((1, 3, 4, 4), 3, Window.create(3, 2, ((0, 1), (0, 1))), 3),
    *_sampled_convolutions(300),
]

POOLINGS = [
    Pooling((0, 2, 4, 4), Window.create(2, 2)),  # no images
    Pooling((1, 1, 1, 1), Window.create(1)),  # one pixel
    Pooling((1, 1, 1, 1), Window.create(3, 1, 1)),
    Pooling((2, 3, 4, 4), Window.create(2, 2)),
    Pooling((2, 3, 5, 5), Window.create(3, 2)),  # overlapping
    Pooling((2, 3, 5, 5), Window.create(2, 3)),  # with gaps
    Pooling((2, 1, 5, 5), Window.create(2, 2, 0, 1, True)),
    Pooling((2, 1, 2, 2), Window.create(3, 2, 0, 1, True)),  # a kernel larger than the image
    Pooling((1, 1, 17, 17), Window.create(17)),  # 289 places: an offset needs more than a byte
    *_sampled_poolings(300),
]


def integers(shape: Any, seed: int, dtype: Any = "float64", low: int = -4, high: int = 4) -> Any:
    """Whole numbers from ``low`` to ``high``, read only: sums of their products are exact in any order."""
    return read_only(np.random.default_rng(seed).integers(low, high + 1, shape).astype(dtype))


def read_only(array: Any) -> Any:
    """``array``, which from now on raises when something writes to it."""
    array.flags.writeable = False
    return array


def layouts(array: Any) -> Iterator[Any]:
    """The same values in other strides: Fortran order, a part of a larger array, reversed axes, transposed axes."""
    yield read_only(np.asfortranarray(array))
    wide = np.full((*array.shape[:-1], 2 * array.shape[-1] + 1), 99, array.dtype)
    wide[..., 1::2] = array
    yield read_only(wide)[..., 1::2]
    yield np.flip(read_only(np.flip(array).copy()))
    yield np.moveaxis(read_only(np.moveaxis(array, 0, -1).copy()), -1, 0)


# Strategies for Hypothesis

SIZES = st.integers(1, 7)
PADDINGS = st.integers(0, 3)


@st.composite
def convolutions(draw: st.DrawFn) -> Convolution:
    """Any convolution of small images that has an output."""
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    stride = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    dilation = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    padding = draw(st.tuples(st.tuples(PADDINGS, PADDINGS), st.tuples(PADDINGS, PADDINGS)))
    window = Window.create(kernel, stride, padding, dilation)
    # The image is at least as large as the window needs it.
    needed = [max(1, window.span[a] - sum(padding[a])) for a in range(2)]
    height, width = (draw(st.integers(low, low + 5)) for low in needed)
    groups = draw(st.integers(1, 3))
    channels, filters = groups * draw(st.integers(1, 3)), groups * draw(st.integers(1, 3))
    return Convolution((draw(st.integers(0, 3)), channels, height, width), filters, window, groups)


@st.composite
def poolings(draw: st.DrawFn) -> Pooling:
    """Any pooling of small images that is allowed."""
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    stride = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    padding = tuple(tuple(draw(st.integers(0, size // 2)) for _ in range(2)) for size in kernel)
    dilation = draw(st.sampled_from([(1, 1), (2, 1), (1, 2), (2, 3)]))
    window = Window.create(kernel, stride, padding, dilation, draw(st.booleans()))
    shape = (draw(st.integers(0, 3)), draw(st.integers(1, 3)), draw(SIZES), draw(SIZES))
    while not may_pool(window, *shape[2:]):  # a larger image always is allowed
        shape = (*shape[:2], shape[2] + 1, shape[3] + 1)
    return Pooling(shape, window)
