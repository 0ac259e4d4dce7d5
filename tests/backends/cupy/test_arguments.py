"""Numbers and structures on their way to a kernel; arrays are in test_kernel_library.py."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gpunet.backends.cupy import windows
from gpunet.backends.cupy.arguments import Arguments, number
from gpunet.backends.cupy.kernel_library import declarations
from gpunet.backends.cupy.signature import Declaration
from gpunet.errors import BackendError
from gpunet.geometry import Window

TYPES = {"real": np.dtype("float32"), "accumulator": np.dtype("float32")}


@pytest.mark.parametrize(
    ("argument", "dtype"),
    [
        (3, "int32"),
        (-(2**31), "int32"),
        (2**63 - 1, "int64"),
        (np.int64(7), "uint8"),
        (True, "bool"),
        (np.bool_(False), "bool"),
        (0.5, "float32"),
        (3, "float64"),
        (np.float32(0.1), "float64"),
        (float("inf"), "float32"),
        (-float("inf"), "float64"),
    ],
)
def test_a_number_gets_the_very_type_of_its_parameter(argument: Any, dtype: str) -> None:
    converted = number(argument, np.dtype(dtype))
    assert type(converted) is np.dtype(dtype).type
    assert converted == argument


def test_nan_stays_nan() -> None:
    assert np.isnan(number(float("nan"), np.dtype("float32")))


@pytest.mark.parametrize(
    ("argument", "dtype", "message"),
    [
        (2**31, "int32", r"2147483648 is out of range for int32: from -2147483648 to 2147483647"),
        (-1, "uint8", r"-1 is out of range for uint8: from 0 to 255"),
        (256, "uint8", r"256 is out of range"),
        (2**63, "int64", r"out of range for int64"),
        (1e39, "float32", r"1e\+39 is out of range for float32"),
        (1.0, "int32", r"got 1\.0, wanted an integer \(int32\)"),
        (True, "int32", r"got True, wanted an integer"),
        (1, "bool", r"got 1, wanted True or False"),
        ("1", "float32", r"got '1', wanted a number"),
        (None, "float64", r"got None, wanted a number"),
        (False, "float64", r"got False, wanted a number"),
        (np.zeros(1), "float64", r"got a numpy\.ndarray, wanted a number"),
        (1j, "float64", r"got a builtins\.complex, wanted a number"),
    ],
)
def test_a_number_that_does_not_fit_is_refused(argument: Any, dtype: str, message: str) -> None:
    with pytest.raises(BackendError, match=message):
        number(argument, np.dtype(dtype))


def structure(fields: tuple[Declaration, ...]) -> Any:
    """A converter for a structure of these fields."""
    fake = SimpleNamespace(ndarray=type("ndarray", (), {}))
    return Arguments(fake, TYPES, {"Thing": fields}).converter(Declaration("thing", "Thing"))


def test_a_window_is_laid_out_as_the_header_declares_it() -> None:
    arguments = Arguments(SimpleNamespace(), TYPES, declarations("im2col").structures)
    convert = arguments.converter(Declaration("window", "Window"))
    window = Window.create((2, 3), (4, 5), ((6, 7), (8, 9)), (10, 11))
    converted = convert(windows.fields(window, 50, 60))
    assert converted.shape == (1,)
    assert np.frombuffer(converted.tobytes(), np.int32).tolist() == [
        *(50, 60),
        *window.output_size(50, 60),
        *(2, 3, 4, 5, 10, 11),
        *(6, 7, 8, 9),
    ]


def test_fields_are_aligned_as_c_aligns_them() -> None:
    convert = structure((Declaration("a", "unsigned char"), Declaration("b", "index_t"), Declaration("c", "real")))
    assert convert({"a": 1, "b": 2, "c": 3.0}).tobytes() == (
        b"\1" + bytes(7) + b"\2" + bytes(7) + np.float32(3).tobytes() + bytes(4)
    )


def test_an_array_field_is_filled_from_its_start() -> None:
    convert = structure((Declaration("sizes", "int", 0, 3),))
    assert convert({"sizes": [5, 6]})["sizes"].tolist() == [[5, 6, 0]]
    with pytest.raises(BackendError, match=r"field 'sizes': got 4 values, wanted at most 3"):
        convert({"sizes": [1, 2, 3, 4]})


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        (3, r"got 3|got a builtins\.int, wanted a mapping of the fields of Thing"),
        ({"a": 1}, r"got fields \['a'\], wanted those of Thing: a, b"),
        ({"a": 1, "b": 2, "c": 3}, r"wanted those of Thing: a, b"),
        ({"a": 1, "b": 2**40}, r"field 'b': 1099511627776 is out of range for int32"),
    ],
)
def test_a_structure_must_have_its_fields(argument: Any, message: str) -> None:
    convert = structure((Declaration("a", "int"), Declaration("b", "int")))
    with pytest.raises(BackendError, match=message):
        convert(argument)


def test_an_unknown_type_is_named() -> None:
    with pytest.raises(BackendError, match=r"type 'quaternion' is unknown to the host"):
        Arguments(SimpleNamespace(), TYPES, {}).converter(Declaration("q", "quaternion"))


def test_an_image_too_long_for_the_kernels_is_refused() -> None:
    with pytest.raises(BackendError, match=r"2147483650 rows.*kernels count up to 2\*\*31.*Cut the image"):
        windows.fields(Window.create(1, 1, 1), 2**31, 1)


@pytest.mark.parametrize(
    ("window", "known"),
    [
        (Window.create(3, 1, 1), True),
        (Window.create(2, 2), True),
        (Window.create(3, 2, ((0, 1), (2, 0)), 1, ceil_mode=True), True),  # padding and ceil_mode do not matter
        (Window.create(3, 3), False),
        (Window.create((3, 2)), False),
        (Window.create(3, (1, 2)), False),
        (Window.create(3, 1, 1, 2), False),
    ],
)
def test_common_windows_are_compiled_in(window: Window, known: bool) -> None:
    rows, cols = window.kernel
    wanted = {
        "KERNEL_ROWS": rows,
        "KERNEL_COLS": cols,
        "STRIDE_ROWS": window.stride[0],
        "STRIDE_COLS": window.stride[1],
    }
    assert windows.constants(window) == (wanted if known else {})
