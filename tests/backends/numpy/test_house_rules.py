"""What holds for every primitive: inputs stay as they are, results are the caller's own, and the bits repeat."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from window_cases import integers, read_only

from gpunet.backends import Backend
from gpunet.backends.numpy import columns as column_products
from gpunet.backends.numpy import cutting, memory, parallel
from gpunet.backends.numpy.helpers import Helpers
from gpunet.geometry import Window
from gpunet.random import Stream

Call = tuple[Callable[..., Any], tuple[Any, ...]]

PLACE = {"asarray", "to_numpy", "owns", "synchronize"}
IN_PLACE = {"sgd_step", "adam_step"}


def normal(shape: Any, seed: int) -> Any:
    """Read-only float32 numbers whose sums round."""
    return read_only(np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32))


def convolutions(backend: Backend) -> list[Call]:
    calls: list[Call] = []
    # Columns, groups, depthwise, and one element a window with and without a frame.
    for kernel, padding, groups in ((3, 1, 1), (3, 1, 2), (3, 1, 4), (1, 0, 1), (1, 1, 1)):
        window = Window.create(kernel, 1, padding)
        size = window.output_size(6, 7)
        x, weight, bias = normal((5, 4, 6, 7), 0), normal((8, 4 // groups, kernel, kernel), 1), normal(8, 2)
        grad_y, columns = normal((5, 8, *size), 3), normal((5, 4 * window.area, size[0] * size[1]), 4)
        calls += [
            (backend.conv2d, (x, weight, bias, window, groups)),
            (backend.conv2d, (x, weight, None, window, groups)),
            (backend.conv2d, (x, weight, bias, window, groups, "fast", True)),
            (backend.conv2d_backward_input, (grad_y, weight, x.shape, window, groups)),
            (backend.conv2d_backward_weight, (grad_y, x, weight.shape, window, groups)),
            (backend.im2col, (x, window)),
            (backend.col2im, (columns, x.shape, window)),
        ]
    return calls


def poolings(backend: Backend) -> list[Call]:
    calls: list[Call] = []
    for window in (Window.create(2), Window.create(1), Window.create(3, 2, 1), Window.create(2, 3, 0, 1, True)):
        x = normal((5, 4, 6, 7), 0)
        size = window.output_size(6, 7)
        grad_y = normal((5, 4, *size), 1)
        offsets = read_only(np.zeros(grad_y.shape, np.uint8))
        calls += [
            (backend.max_pool2d, (x, window)),
            (backend.max_pool2d_backward, (grad_y, offsets, x.shape, window)),
            (backend.avg_pool2d, (x, window)),
            (backend.avg_pool2d_backward, (grad_y, x.shape, window)),
        ]
    return calls


def others(backend: Backend) -> list[Call]:
    x, grad_y, weight, bias = normal((5, 4, 6, 7), 0), normal((5, 4, 6, 7), 1), normal(4, 2), normal(4, 3)
    mean, inv_std = normal(4, 4), normal(4, 5)
    labels = read_only(np.array([0, 1, -100, 2, 3]))
    mask = read_only(np.random.default_rng(0).random(x.shape) < 0.5)
    calls: list[Call] = []
    for scale, shift in ((weight, bias), (None, None)):
        calls += [
            (backend.batch_norm, (x, scale, shift, 1e-5)),
            (backend.batch_norm, (x, scale, shift, 1e-5, grad_y, True)),
            (backend.batch_norm_backward, (grad_y, x, scale, mean, inv_std)),
            (backend.batch_norm_backward, (grad_y, x, scale, mean, inv_std, x)),
            (backend.batch_norm_inference, (x, scale, shift, mean, inv_std)),
            (backend.batch_norm_inference, (x, scale, shift, mean, inv_std, grad_y, True)),
        ]
    return [
        *calls,
        (backend.softmax_cross_entropy, (normal((5, 4), 6), labels)),
        (backend.softmax_cross_entropy, (normal((5, 4), 6), labels, read_only(np.ones(4, np.float32)), -100, 0.1)),
        (backend.relu, (x,)),
        (backend.relu_backward, (grad_y, x)),
        (backend.bias_relu, (x, bias)),
        (backend.bias_relu_backward, (grad_y, x)),
        (backend.dropout, (x, 0.0, Stream(0, "dropout"))),
        (backend.dropout, (x, 0.5, Stream(0, "dropout"))),
        (backend.dropout_backward, (grad_y, mask, 0.5)),
        (backend.erf, (x,)),
        (backend.sum_of_squares, ([x, weight],)),
    ]


@pytest.fixture(scope="module")
def calls(backend: Backend) -> list[Call]:
    return [*convolutions(backend), *poolings(backend), *others(backend)]


def as_arrays(value: Any) -> list[np.ndarray]:
    """The arrays among arguments or results."""
    if isinstance(value, np.ndarray):
        return [value]
    return list(itertools.chain.from_iterable(map(as_arrays, value))) if isinstance(value, tuple | list) else []


def test_every_primitive_is_among_the_calls(calls: list[Call]) -> None:
    primitives = Backend.__abstractmethods__ - PLACE - IN_PLACE
    assert {function.__name__ for function, _ in calls} == primitives


def test_inputs_are_never_written_to(calls: list[Call]) -> None:
    """They are read only, so writing raises; and what a view of them could hide is compared."""
    for function, arguments in calls:
        inputs = as_arrays(arguments)
        assert not any(array.flags.writeable for array in inputs)
        before = [array.copy() for array in inputs]
        function(*arguments)
        for array, copy in zip(inputs, before, strict=True):
            assert_array_equal(array, copy)


def test_results_belong_to_the_caller(calls: list[Call]) -> None:
    """No result is a view of an input, and each may be written to."""
    for function, arguments in calls:
        results = as_arrays(function(*arguments))
        assert results, function.__name__
        for result in results:
            assert result.flags.writeable, function.__name__
            assert not any(np.shares_memory(result, array) for array in as_arrays(arguments)), function.__name__


def test_the_bits_repeat_from_run_to_run(calls: list[Call]) -> None:
    for function, arguments in calls:
        first = [result.tobytes() for result in as_arrays(function(*arguments))]
        for _ in range(3):
            assert [result.tobytes() for result in as_arrays(function(*arguments))] == first, function.__name__


@pytest.mark.numpy_only("sets NumPy's cores")
@pytest.mark.parametrize("piece_bytes", [1, 3000])
def test_the_bits_do_not_depend_on_who_computes(
    calls: list[Call], piece_bytes: int, cores: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Small pieces give everybody something to do."""
    monkeypatch.setattr(cutting, "PIECE_BYTES", piece_bytes)
    monkeypatch.setattr(cutting, "UNCUT_BYTES", 0)
    monkeypatch.setattr(cutting, "SHARE_BYTES", 1)
    monkeypatch.setattr(column_products, "BLOCK_BYTES", piece_bytes)
    monkeypatch.setattr(memory, "SMALLEST", 1)  # all results stand in shared memory
    monkeypatch.setattr(parallel, "THREADS_BYTES", 0)
    found = []
    for count, kind in ((1, "threads"), (2, "threads"), (5, "threads"), (2, "processes"), (4, "processes")):
        cores(count, kind)
        shared = count_shared(monkeypatch)
        found.append([result.tobytes() for call, arguments in calls for result in as_arrays(call(*arguments))])
        if kind == "processes":
            assert len(shared) > len(calls) / 2, "hardly anything was shared"
            assert all(shared), "something was not shared"
    assert found.count(found[0]) == len(found)


def count_shared(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Fills with whether helpers took part, job by job."""
    shared, run = [], Helpers.run

    def noted(self: Helpers, job: Any, pieces: Any) -> bool:
        shared.append(run(self, job, pieces))
        return shared[-1]

    monkeypatch.setattr(Helpers, "run", noted)
    return shared


def widened(argument: Any) -> Any:
    """Float32 arrays of an argument as float64."""
    if isinstance(argument, list):
        return [widened(array) for array in argument]
    is_single = isinstance(argument, np.ndarray) and argument.dtype == "float32"
    return argument.astype("float64") if is_single else argument


def test_float64_stays_float64_and_float32_stays_float32(calls: list[Call]) -> None:
    for function, arguments in calls:
        single = {result.dtype.name for result in as_arrays(function(*arguments))}
        assert single <= {"float32", "bool", "uint8"}, function.__name__
        double = {result.dtype.name for result in as_arrays(function(*map(widened, arguments)))}
        assert double <= {"float64", "bool", "uint8"}, function.__name__


def test_gradients_of_arrays_that_are_broadcast(backend: Backend) -> None:
    """The gradient of a sum is a broadcast 1: an array of which all elements are one and the same memory."""
    window = Window.create(3, 1, 1)
    x, weight = integers((2, 3, 5, 5), 0), integers((3, 3, 3, 3), 1)
    _, offsets = backend.max_pool2d(x, window)

    def gradients(grad_y: Any) -> list[Any]:
        return [
            backend.conv2d_backward_input(grad_y, weight, x.shape, window),
            backend.conv2d_backward_weight(grad_y, x, weight.shape, window),
            backend.max_pool2d_backward(grad_y, offsets, x.shape, window),
            backend.avg_pool2d_backward(grad_y, x.shape, window),
            *backend.batch_norm_backward(grad_y, x, None, x[0, :, 0, 0], x[1, :, 0, 0]),
            *backend.batch_norm_backward(grad_y, x, None, x[0, :, 0, 0], x[1, :, 0, 0], x),
            *backend.bias_relu_backward(grad_y, x),
        ]

    broadcast = np.broadcast_to(np.float64(1), x.shape)
    for got, wanted in zip(gradients(broadcast), gradients(np.ones(x.shape)), strict=True):
        assert_array_equal(got, wanted)


def test_arrays_are_taken_as_they_are_and_handed_back(backend: Backend) -> None:
    x = np.arange(6.0)
    assert backend.asarray(x) is x
    assert backend.to_numpy(x) is x
    assert backend.asarray([1, 2], "float32").dtype == np.float32
    assert backend.owns(x)
    assert backend.owns(x.sum())
    assert not backend.owns([1.0])
    backend.synchronize()
    assert backend.name == "numpy"
    assert backend.xp is np
