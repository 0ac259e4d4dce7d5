"""Both layouts give the same numbers, results lie as their main input does, and mixed layouts are as good."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from tolerances import ORACLE_FLOAT64

from gpunet.backends import Backend
from gpunet.backends.numpy import cutting, memory, parallel
from gpunet.backends.numpy.channels import channels_of
from gpunet.backends.numpy.layout import channels_first, channels_last, is_channels_last
from gpunet.geometry import Window

pytestmark = pytest.mark.numpy_only("tests how NumPy's arrays lie in memory")

SHAPES = [(3, 6, 8, 8), (2, 3, 9, 7), (64, 16, 6, 6), (1, 40, 5, 4), (5, 600, 2, 3)]
WINDOWS = [Window.create(2), Window.create(3, 2, 1), Window.create(3, 1), Window.create(2, 3, 0, 1, True)]


def last(x: Any) -> Any:
    """A copy of x that is channels-last."""
    copy = memory.empty_channels_last(x.shape, x.dtype)
    copy[...] = x
    return copy


def numbers(shape: Any, seed: int) -> Any:
    return np.random.default_rng(seed).normal(1, 2, shape)


def results(backend: Backend, x: Any, other: Any) -> list[tuple[str, Any]]:
    """What every primitive over images makes of x, ``other`` being the gradient, the residual or the output."""
    channels = x.shape[1]
    weight, bias, mean, inv_std = (numbers(channels, seed) for seed in range(4))
    y, batch_mean, batch_inv_std = backend.batch_norm(x, weight, bias, 1e-5, other, relu=True)
    grads = backend.batch_norm_backward(other, x, weight, batch_mean, batch_inv_std, y)
    bias_grads = backend.bias_relu_backward(x, other)
    found = [
        ("batch_norm", y), ("mean", batch_mean), ("inv_std", batch_inv_std),
        *zip(("grad_x", "grad_weight", "grad_bias"), grads, strict=True),
        ("inference", backend.batch_norm_inference(x, weight, None, mean, inv_std, other)),
        ("relu", backend.relu(x)), ("relu_backward", backend.relu_backward(other, x)),
        ("bias_relu", backend.bias_relu(x, bias)), ("bias_grad_x", bias_grads[0]), ("bias_grad", bias_grads[1]),
    ]  # fmt: skip
    for window in WINDOWS:
        if min(window.output_size(*x.shape[2:])) < 1:
            continue
        y, offsets = backend.max_pool2d(x, window)
        found += [
            ("max_pool", y), ("offsets", offsets),
            ("max_pool_grad", backend.max_pool2d_backward(y, offsets, x.shape, window)),
            ("avg_pool", backend.avg_pool2d(x, window, False)),
            ("avg_pool_grad", backend.avg_pool2d_backward(y, x.shape, window)),
        ]  # fmt: skip
    return found


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if min(shape[2:]) > 2], ids=str)
def test_both_layouts_give_the_same_and_keep_their_own(backend: Backend, shape: Any) -> None:
    x, other = numbers(shape, 4), numbers(shape, 5)
    wanted = results(backend, x, other)
    assert all(result.flags.c_contiguous for _, result in wanted)
    for one, two in ((last(x), last(other)), (last(x), other)):
        for (name, result), (_, reference) in zip(results(backend, one, two), wanted, strict=True):
            assert_allclose(result, reference, rtol=ORACLE_FLOAT64, atol=ORACLE_FLOAT64, err_msg=name)
            follows_other = name == "bias_grad_x" and not is_channels_last(two)
            if result.ndim == 4 and not follows_other:
                assert channels_last(result).flags.c_contiguous, name


@pytest.mark.parametrize("piece_bytes", [1, 5000])
def test_the_bits_of_channels_last_do_not_depend_on_the_number_of_threads(
    backend: Backend, piece_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cutting, "PIECE_BYTES", piece_bytes)
    x, other = (last(numbers((9, 6, 8, 7), seed).astype(np.float32)) for seed in (0, 1))
    found = []
    for threads in (1, 2, 5):
        monkeypatch.setattr(parallel, "thread_count", lambda threads=threads: threads)
        found.append([array.tobytes() for _, array in results(backend, x, other)])
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (2, 3, 4), (1, 2, 3, 1)])
def test_a_layout_is_known_by_its_strides(shape: Any) -> None:
    x = np.zeros(shape)
    assert not is_channels_last(x)
    assert is_channels_last(last(x)) == (not last(x).flags.c_contiguous)
    assert channels_last(x).shape == (shape[0], *shape[2:], shape[1])
    assert channels_first(channels_last(x)).strides == x.strides
    assert not is_channels_last(last(x)[:, :, ::2])
    assert not is_channels_last(np.zeros((4, 3)).T)


@pytest.mark.parametrize("piece_bytes", [1, 700, 5000, 1 << 20])
@pytest.mark.parametrize("shape", [*SHAPES, (2, 3, 40, 40), (7, 5), (3, 2, 1), (1, 4096, 2), (0, 3, 2, 2)], ids=str)
def test_tiles_cover_everything_once_and_know_their_channels(
    shape: Any, piece_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cutting, "PIECE_BYTES", piece_bytes)
    for x in (np.arange(np.prod(shape), dtype=float).reshape(shape), last(numbers(shape, 0).round())):
        channels, flat = channels_of(x), memory.flat(x, like=x)
        of_channel = memory.flat(
            np.broadcast_to(np.arange(shape[1]).reshape(1, -1, *(1,) * (x.ndim - 2)), shape), like=x
        )
        spread = channels.spread(np.arange(shape[1]), np.float64)
        sums, seen = channels.partial_sums(np.float64), np.zeros(x.size, int)
        for tile in channels.tiles:
            seen[tile.part] += 1
            assert_array_equal(spread[tile.spread], of_channel[tile.part])
            channels.sum_up(tile, flat[tile.part], sums)
        assert_array_equal(seen, np.ones(x.size))
        assert_array_equal(channels.total(sums), x.sum(axis=(0, *range(2, x.ndim))))
        if x.size:
            sample = channels.sample(flat)
            assert sample.shape[1] == shape[1]
            for channel in range(shape[1]):
                assert np.isin(sample[:, channel], x[:, channel]).all()
