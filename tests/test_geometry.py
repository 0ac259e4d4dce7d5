"""Window: sizes and places against a walk along the image, and every form of its arguments."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from numpy.testing import assert_array_equal
from references import all_starts, elements, inside
from window_cases import Convolution, convolutions, fits, may_pool

from gpunet.errors import ShapeError
from gpunet.geometry import Window, as_int, as_pair

# Every window of the grid, along both axes at once; the walk does not care which.
KERNELS, STRIDES, DILATIONS = [(1, 2), (3, 4), (5, 7)], [(1, 2), (3, 5)], [(1, 1), (2, 3)]
PADDINGS = [(0, 0), (1, 1), ((0, 1), (1, 0)), ((3, 0), (0, 2))]
IMAGES = [(1, 1), (1, 5), (4, 2), (6, 7), (9, 3)]
GRID = [
    Window.create(*settings) for settings in itertools.product(KERNELS, STRIDES, PADDINGS, DILATIONS, [False, True])
]


def test_sizes_equal_a_walk_along_the_image_and_what_does_not_fit_is_refused() -> None:
    refused = 0
    for window, (height, width) in itertools.product(GRID, IMAGES):
        rows, cols = all_starts(window, height, width)
        if fits(window, height, width):
            assert window.output_size(height, width) == (len(rows), len(cols))
        else:
            refused += 1
            with pytest.raises(ShapeError, match="does not fit"):
                window.output_size(height, width)
    assert 50 < refused < len(GRID) * len(IMAGES) - 50


def test_pooling_allows_what_its_rules_allow() -> None:
    allowed, refused = 0, 0
    for window, (height, width) in itertools.product(GRID, IMAGES):
        if may_pool(window, height, width):
            allowed += 1
            assert window.pooling_size(height, width) == window.output_size(height, width)
        else:
            refused += 1
            with pytest.raises(ShapeError):
                window.pooling_size(height, width)
    assert min(allowed, refused) > 50


def test_real_and_padded_elements_equal_a_walk() -> None:
    for window, (height, width) in itertools.product(GRID, IMAGES):
        if not fits(window, height, width):
            continue
        (top_pad, bottom_pad), (left_pad, right_pad) = window.padding
        rows, cols = window.real_elements(height, width)
        padded_rows, padded_cols = window.padded_elements(height, width)
        for (out_row, top), (out_col, left) in itertools.product(*map(enumerate, all_starts(window, height, width))):
            for i, j, row, col in elements(window, top, left):
                assert (rows[out_row, i] and cols[out_col, j]) == inside(row, col, height, width)
                on_padded = -top_pad <= row < height + bottom_pad and -left_pad <= col < width + right_pad
                assert (padded_rows[out_row, i] and padded_cols[out_col, j]) == on_padded


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "dilation", "floor", "ceil"),
    [
        (5, 2, 2, 0, 1, 2, 3),
        (6, 2, 2, 0, 1, 3, 3),
        (3, 1, 3, 0, 1, 1, 1),  # the second window would start at column 3: past the image
        (3, 2, 4, 1, 1, 1, 1),  # ... and here at column 3 too, past the image and its leading padding
        (4, 2, 4, 1, 1, 2, 2),  # starts at column 3, the last one
        (2, 3, 2, 0, 1, 0, 1),  # a kernel larger than the padded image
        (2, 5, 2, 0, 1, 0, 0),
        (2, 3, 1, 0, 1, 0, 0),
        (1, 3, 2, 1, 1, 1, 1),
        (4, 3, 2, 1, 2, 1, 2),
        (1, 2, 7, 1, 1, 1, 1),
    ],
)
def test_ceil_mode_by_hand(
    size: int, kernel: int, stride: int, padding: int, dilation: int, floor: int, ceil: int
) -> None:
    for ceil_mode, wanted in ((False, floor), (True, ceil)):
        window = Window.create((kernel, 1), (stride, 1), (padding, 0), (dilation, 1), ceil_mode)
        if wanted:
            assert window.output_size(size, 1) == (wanted, 1)
        else:
            with pytest.raises(ShapeError, match="does not fit"):
                window.output_size(size, 1)


@given(convolutions())
def test_a_transposed_window_leads_back(case: Convolution) -> None:
    """Without output_padding the transposed size is the smallest image that has as many windows."""
    height, width = case.y_shape[2:]
    try:
        rows, cols = case.window.transposed_size(height, width)
    except ShapeError:  # the padding takes all: the smallest such image is empty
        return
    assert case.window.output_size(rows, cols) == (height, width)
    assert rows <= case.x_shape[2]
    assert cols <= case.x_shape[3]
    if case.window.stride[0] > 1:
        assert case.window.output_size(rows + case.window.stride[0] - 1, cols) == (height, width)
        extra = case.window.stride[0] - 1
        assert case.window.transposed_size(height, width, (extra, 0)) == (rows + extra, cols)


def test_transposed_sizes_by_hand_and_refused() -> None:
    window = Window.create(3, 2, 1)
    assert window.transposed_size(4, 5) == (7, 9)
    assert window.transposed_size(4, 5, (1, 0)) == (8, 9)
    assert Window.create(3, 1, 0, 3).transposed_size(2, 2, (2, 0)) == (10, 8)  # beyond the stride, below the dilation
    with pytest.raises(ShapeError, match=r"output_padding 2 must be at least 0 and below stride 2 or dilation 1"):
        window.transposed_size(4, 5, (0, 2))
    with pytest.raises(ShapeError, match="the image is empty: 0x5"):
        window.transposed_size(0, 5)
    with pytest.raises(ShapeError, match=r"gives a -1x-1 image from 1x1\. Use less padding"):
        Window.create(1, 1, 1).transposed_size(1, 1)


@pytest.mark.parametrize(
    ("padding", "sides"),
    [
        (0, ((0, 0), (0, 0))),
        (2, ((2, 2), (2, 2))),
        ((1, 2), ((1, 1), (2, 2))),
        ([1, 2], ((1, 1), (2, 2))),
        (((1, 2), (3, 4)), ((1, 2), (3, 4))),
        ([[1, 2], [3, 4]], ((1, 2), (3, 4))),
        (np.int64(1), ((1, 1), (1, 1))),
        ("valid", ((0, 0), (0, 0))),
        ("same", ((1, 2), (2, 2))),
    ],
)
def test_the_forms_of_padding(padding: Any, sides: Any) -> None:
    assert Window.create((4, 3), 1, padding, (1, 2)).padding == sides


def test_a_window_is_made_of_plain_integers() -> None:
    window = Window.create(np.int32(3), np.array([2])[0], (np.uint8(1), 0))
    assert window == Window((3, 3), (2, 2), ((1, 1), (0, 0)))
    assert all(type(number) is int for number in (*window.kernel, *window.stride, *window.padding[0]))
    assert hash(window) == hash(Window.create(3, 2, (1, 0)))
    assert window.area == 9
    assert Window.create((3, 2), 1, 0, (2, 3)).span == (5, 4)


@pytest.mark.parametrize(
    ("window", "overlaps"),
    [
        (Window.create(2, 2), False),
        (Window.create(2, 1), True),
        (Window.create(2, (2, 1)), True),
        (Window.create(2, 2, 0, 2), True),
        (Window.create(1, 1), False),
        (Window.create((1, 3), (1, 5)), False),
    ],
)
def test_whether_windows_overlap(window: Window, overlaps: bool) -> None:
    assert window.overlaps == overlaps


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0,), r"kernel_size must be at least 1, got 0"),
        ((2.0,), r"kernel_size must be an integer, got 2\.0"),
        ((True,), r"kernel_size must be an integer, got True"),
        (("3",), r"kernel_size must be an integer, got '3'"),
        (((1, 2, 3),), r"kernel_size must be an integer or a pair \(rows, columns\), got \(1, 2, 3\)"),
        ((None,), r"kernel_size must be an integer, got None"),
        ((3, 0), r"stride must be at least 1, got 0"),
        ((3, 1, -1), r"padding must be at least 0, got -1"),
        ((3, 1, "full"), r"padding must be an int, a pair, 'same', 'valid' or two pairs, got 'full'"),
        ((3, 1, ((1, 2), 3)), r"padding must be an integer, got \(1, 2\)"),
        ((3, 1, ((1, 2), (3, -4))), r"padding must be at least 0, got -4"),
        ((3, 2, "same"), r"padding='same' needs stride 1, got \(2, 2\)"),
        ((3, 1, 0, 0), r"dilation must be at least 1, got 0"),
    ],
)
def test_wrong_arguments_are_named(arguments: Any, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        Window.create(*arguments)


def test_integers_and_pairs() -> None:
    assert as_int(np.uint8(3), "n", 3) == 3
    assert as_pair(2, "n", 1) == (2, 2)
    assert as_pair([1, 2], "n", 1) == (1, 2)
    with pytest.raises(ShapeError, match="n must be at least 3, got 2"):
        as_int(2, "n", 3)


def test_the_message_of_the_contract() -> None:
    with pytest.raises(ShapeError) as caught:
        Window.create(5).output_size(3, 2)
    assert str(caught.value) == (
        "a 5x5 kernel does not fit a 3x2 image with padding 0. "
        "Use a smaller kernel_size, more padding, or fewer pooling layers before it."
    )
    with pytest.raises(ShapeError, match=r"a 3x3 kernel \(dilated to 5x5\) .* padding \(\(1, 0\), \(0, 0\)\)"):
        Window.create(3, 1, ((1, 0), (0, 0)), 2).output_size(3, 3)


@pytest.mark.parametrize("size", [(0, 3), (3, 0), (0, 0)])
def test_an_empty_image_is_refused_even_with_padding(size: tuple[int, int]) -> None:
    with pytest.raises(ShapeError, match=f"the image is empty: {size[0]}x{size[1]}"):
        Window.create(1, 1, 1).output_size(*size)


def test_pooling_padding_beyond_half_the_kernel_is_refused() -> None:
    """Half of the kernel without its dilation, as in PyTorch."""
    assert Window.create(2, 2, 1).pooling_size(4, 4) == (3, 3)
    for window in (Window.create(3, 2, 2), Window.create(3, 1, 2, 2), Window.create(3, 1, ((0, 2), (0, 0)))):
        with pytest.raises(ShapeError, match=r"padding 2 is more than half of the kernel's 3\. Use at most 1"):
            window.pooling_size(9, 9)


def test_a_pooling_window_without_a_real_element_is_refused() -> None:
    """Two elements three apart around one pixel: the window at -1 sees columns -1 and 2."""
    with pytest.raises(ShapeError, match=r"1x2 pooling window with dilation \(1, 3\) sees nothing but padding"):
        Window.create((1, 2), 1, (0, 1), (1, 3)).pooling_size(1, 2)


def test_more_than_two_to_the_31_elements() -> None:
    assert Window.create(3, 2, 1).output_size(2**33, 2**32 + 1) == (2**32, 2**31 + 1)
    assert Window.create(3, 2, 1).transposed_size(2**32, 2**31) == (2**33 - 1, 2**32 - 1)


def test_identical_windows_are_equal() -> None:
    assert len({Window.create(3), Window.create((3, 3), 1, "valid"), Window.create(3, ceil_mode=True)}) == 2
    assert_array_equal(Window.create(2).real_elements(2, 2)[0], [[True, True]])
