"""Arrays without numbers are like NumPy's in all that is asked of them: shape, dtype, and how they lie in memory."""

from __future__ import annotations

import itertools
import math
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.lib import stride_tricks

from gpunet.backends.numpy.phantom import Phantom, phantom
from gpunet.backends.numpy.result_shapes import can_be_view


class Ledger:
    """Bytes that live."""

    def __init__(self) -> None:
        self.living = self.peak = 0
        self.made: list[int] = []

    def __call__(self, nbytes: int) -> Life:
        self.living += nbytes
        self.peak = max(self.peak, self.living)
        self.made.append(nbytes)
        return Life(self, nbytes)


class Life:
    def __init__(self, ledger: Ledger, nbytes: int) -> None:
        self.ledger, self.nbytes = ledger, nbytes

    def __del__(self) -> None:
        self.ledger.living -= self.nbytes


def arrays(make: Callable[..., Any]) -> tuple[Any, Any, Any]:
    """x (2, 3, 4, 6) float32; last, the same channels-last; row (6,) float32."""
    return make((2, 3, 4, 6)), make((2, 4, 6, 3)).transpose(0, 3, 1, 2), make((6,))


def real(shape: tuple[int, ...], dtype: Any = np.float32) -> Any:
    return np.zeros(shape, dtype)


def made(shape: tuple[int, ...], dtype: Any = np.float32) -> Any:
    return phantom(shape, dtype, Ledger())


VIEWS = {
    "slice": lambda x, last, row: last[:, 1:, ::2],
    "index": lambda x, last, row: x[0, ..., None],
    "transpose": lambda x, last, row: x.transpose(0, 2, 3, 1),
    "T": lambda x, last, row: x.T,
    "reshape": lambda x, last, row: x.reshape(2, -1),
    "reshape of a view": lambda x, last, row: x[:, :, :2].reshape(2, 3, 12),
    "reshape channels last": lambda x, last, row: last.reshape(2, 3, 24),
    "reshape a run apart": lambda x, last, row: x[:, 1:].reshape(2, 2, 6, 4),
    "ravel": lambda x, last, row: x.ravel(),
    "view": lambda x, last, row: x.view(np.int32),
    "broadcast_to": lambda x, last, row: np.broadcast_to(row, (5, 6)),
    "swapaxes": lambda x, last, row: np.swapaxes(x, 1, 2),
    "expand_dims": lambda x, last, row: np.expand_dims(row, 0),
    "squeeze": lambda x, last, row: x[:1].squeeze(),
    "as_strided": lambda x, last, row: stride_tricks.as_strided(x, (2, 2), (8, 4), subok=True),
    "astype without change": lambda x, last, row: x.astype(np.float32, copy=False),
    "split": lambda x, last, row: np.split(x, 3, axis=1)[1],
}
COPIES = {
    "add": lambda x, last, row: x + row,
    "add channels last": lambda x, last, row: last + 1.5,
    "add both layouts": lambda x, last, row: x + last,
    "negative": lambda x, last, row: -last,
    "compare": lambda x, last, row: last > 0,
    "int64": lambda x, last, row: x * np.arange(6),
    "float64": lambda x, last, row: np.exp(x, dtype=np.float64),
    "clip": lambda x, last, row: np.clip(x, -1, 1),
    "maximum": lambda x, last, row: np.maximum(row[:, None], row),
    "sum": lambda x, last, row: x.sum(axis=(0, 2, 3)),
    "sum kept": lambda x, last, row: x.sum(axis=1, keepdims=True, dtype=np.float64),
    "mean": lambda x, last, row: x.mean(axis=-1),
    "var": lambda x, last, row: x.var(axis=(0, 2)),
    "max": lambda x, last, row: np.max(x, axis=1),
    "any": lambda x, last, row: (x > 0).any(axis=0),
    "argmax": lambda x, last, row: x.argmax(axis=1),
    "cumsum": lambda x, last, row: np.add.accumulate(x, axis=1),
    "outer": lambda x, last, row: np.multiply.outer(row, row),
    "matmul": lambda x, last, row: x @ x.transpose(0, 1, 3, 2),
    "matmul row": lambda x, last, row: x @ row,
    "row matmul": lambda x, last, row: row @ np.zeros((6, 5), np.float32),
    "dot": lambda x, last, row: np.dot(x, np.zeros((6, 5), np.float32)),
    "reshape with a copy": lambda x, last, row: last.reshape(-1),
    "reshape with a copy of a slice": lambda x, last, row: x[:, 1:].reshape(-1, 6),
    "flatten": lambda x, last, row: x.flatten(),
    "copy": lambda x, last, row: last.copy(),
    "copy as it lies": lambda x, last, row: last.copy(order="K"),
    "astype": lambda x, last, row: last.astype(np.float64),
    "empty_like": lambda x, last, row: np.empty_like(last),
    "zeros_like": lambda x, last, row: np.zeros_like(x, dtype=bool),
    "full_like": lambda x, last, row: np.full_like(last, 7),
    "concatenate": lambda x, last, row: np.concatenate([x, x[:, :1]], axis=1),
    "stack": lambda x, last, row: np.stack([row, row]),
    "where": lambda x, last, row: np.where(x > 0, x, np.float32(0)),
    "where channels last": lambda x, last, row: np.where(last > 0, last, np.float32(0)),
    "take": lambda x, last, row: np.take(x, [1, 0, 2], axis=2),
    "fancy": lambda x, last, row: x[np.array([1, 0]), :, 2],
    "pad": lambda x, last, row: np.pad(row, (1, 2)),
    "repeat": lambda x, last, row: np.repeat(row, 3),
    "tile": lambda x, last, row: np.tile(row, 4),
    "einsum": lambda x, last, row: np.einsum("nchw,nchw->nc", x, x),
}


@pytest.mark.parametrize("name", [*VIEWS, *COPIES])
def test_it_is_as_numpys(name: str) -> None:
    formula = (VIEWS | COPIES)[name]
    wanted, got = formula(*arrays(real)), formula(*arrays(made))
    assert got.shape == wanted.shape
    assert got.dtype == wanted.dtype
    assert [step for size, step in zip(got.shape, got.strides, strict=True) if size > 1] == [
        step for size, step in zip(wanted.shape, wanted.strides, strict=True) if size > 1
    ]


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_takes_no_memory_and_keeps_what_it_is_of(name: str) -> None:
    ledger = Ledger()
    view = VIEWS[name](*arrays(lambda shape: phantom(shape, np.float32, ledger)))
    assert len(ledger.made) == 3
    assert ledger.living in (4 * 144, 4 * 6)  # of x, last or row alone
    del view
    assert ledger.living == 0


def test_what_is_computed_lives_by_itself() -> None:
    ledger = Ledger()
    x = phantom((1000,), np.float32, ledger)
    y = x * 2
    assert ledger.living == 8000
    del x
    assert ledger.living == 4000
    z = (y > 0)[::2]
    assert ledger.living == 4000 + 1000
    del y, z
    assert ledger.living == 0


def test_nothing_is_written_and_nothing_allocated_for_out() -> None:
    ledger = Ledger()
    x = phantom((10,), np.float32, ledger)
    other = np.ones(10, np.float32)
    assert np.add(x, 1, out=other) is other
    np.copyto(other, x)
    x[:3] = 7
    x += 1
    x.fill(3)
    x.sort()
    np.add.at(x, [1, 2], 1)
    np.matmul(phantom((3, 10), np.float32, ledger), x, out=other[:3])
    np.concatenate([x, x], out=phantom((20,), np.float32, ledger))
    assert ledger.made == [40, 120, 80]
    np.testing.assert_array_equal(other, np.ones(10))
    assert float(x[0]) == 0


EXPRESSIONS: list[Callable[[Any, Any], Any]] = [
    lambda x, row: x * x + x,
    lambda x, row: x * (x * x - x),
    lambda x, row: (x - row) * row + x / row,
    lambda x, row: (x + 1) * 2.0 - x,
    lambda x, row: 1 - (2 * x + 1) / (x * x),
    lambda x, row: -(x * x) + row[:1] * x,
    lambda x, row: (x + x)[1:] * 3 + x[1:],
    lambda x, row: (x > 0) * x - (x + row),
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rows", [1000, 10])  # few rows: too small to be used again
@pytest.mark.parametrize("number", range(len(EXPRESSIONS)))
def test_a_temporary_of_an_expression_is_used_again_as_numpy_does(number: int, rows: int, dtype: Any) -> None:
    ledger = Ledger()
    x, row = phantom((rows, 500), dtype, ledger), phantom((500,), dtype, ledger)
    before = ledger.living
    ledger.peak = 0
    EXPRESSIONS[number](x, row)
    dry = ledger.peak - before
    x, row = np.ones((rows, 500), dtype), np.ones(500, dtype)
    tracemalloc.start()
    EXPRESSIONS[number](x, row)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    buffers = 100_000 if rows > 10 else 10_000  # of ufuncs that convert or broadcast, and Python's own objects ...
    assert dry == pytest.approx(peak, abs=buffers)  # ... beside arrays of 2,000,000 and of 20,000 bytes


def test_numbers_are_zero() -> None:
    x = made((3, 4))
    assert x.sum() == 0
    assert isinstance(x.sum(), np.float32)
    assert not (x > 0).any()
    assert np.vdot(x, x) == 0
    assert x[1, 2] == 0
    assert not x
    assert x.max() == 0
    assert np.nonzero(x[0])[0].size == 0
    assert [len(part) for part in np.where(x)] == [0, 0]


def test_arrays_larger_than_any_memory() -> None:
    x = made((1 << 20, 1 << 20))
    assert (x + x).nbytes == 1 << 42
    assert x.reshape(-1)[:: 1 << 30].shape == (1 << 10,)


def test_an_impossible_shape() -> None:
    for shape in ((5,), (-1, 5), (-1, -1), (0, -1)):
        with pytest.raises(ValueError, match="cannot reshape array of size 12"):
            made((3, 4)).reshape(shape)


def test_a_reshape_is_a_view_where_numpys_is() -> None:
    shapes = [
        shape for length in (1, 2, 3, 4) for shape in itertools.product((1, 2, 3, 4, 6, 8, 12, 24), repeat=length)
    ]
    for order in itertools.permutations(range(4)):
        x = np.zeros((4, 3, 1, 4))[::2].transpose(order)
        for shape in shapes:
            if math.prod(shape) == 24:
                assert can_be_view(x, shape) == np.shares_memory(x, x.reshape(shape)), (x.shape, x.strides, shape)


def test_a_phantom_made_by_other_means_has_no_ledger() -> None:
    x = np.zeros(3).view(Phantom)
    assert (x + 1).shape == (3,)
