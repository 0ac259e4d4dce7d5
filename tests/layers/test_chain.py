"""Neighbours computed together give what they give one after the other, and step aside for whoever watches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from tolerances import MODEL_FLOAT64

import gpunet as gn
from gpunet.layers import chain, fused
from gpunet.layers.context import Context
from gpunet.models.residual import BasicBlock

Net = Callable[[], gn.Module]

NETS: dict[str, tuple[Net, tuple[int, ...]]] = {
    "conv, relu": (lambda: gn.Sequential(gn.Conv2d(2, 3, 3, padding=1), gn.ReLU()), (2, 6, 5)),
    "conv without bias, relu": (lambda: gn.Sequential(gn.Conv2d(2, 3, 3, bias=False), gn.ReLU()), (2, 6, 5)),
    "conv, relu, pool": (lambda: gn.Sequential(gn.Conv2d(2, 3, 3), gn.ReLU(), gn.MaxPool2d(2)), (2, 8, 6)),
    "overlapping pool": (lambda: gn.Sequential(gn.Conv2d(2, 3, 1), gn.ReLU(), gn.MaxPool2d(3, 2, 1)), (2, 8, 6)),
    "linear, relu": (lambda: gn.Sequential(gn.Linear(6, 4), gn.ReLU()), (6,)),
    "linear over more axes": (lambda: gn.Sequential(gn.Linear(6, 4), gn.ReLU()), (3, 6)),
    "linear without bias, relu": (lambda: gn.Sequential(gn.Linear(6, 4, bias=False), gn.ReLU()), (6,)),
    "batch norm, relu": (lambda: gn.Sequential(gn.BatchNorm2d(2), gn.ReLU()), (2, 6, 5)),
    "relu, pool": (lambda: gn.Sequential(gn.ReLU(), gn.MaxPool2d(2)), (2, 6, 6)),
    "residual block": (lambda: BasicBlock(2, 2), (2, 6, 5)),
}


def small_integers(shape: tuple[int, ...], seed: int) -> Any:
    return np.random.default_rng(seed).integers(-3, 4, shape).astype(np.float64)


def prepared(make: Net) -> gn.Module:
    """A net in float64 whose parameters are small integers, so that sums are exact in any order."""
    net = make().astype("float64")
    for number, parameter in enumerate(net.parameters()):
        parameter.value = net.backend.asarray(small_integers(parameter.shape, number))
    return net


def results(net: gn.Module, shape: tuple[int, ...], training: bool, watched: bool) -> list[Any]:
    """Output, gradient of the input, and gradients of the parameters."""
    x = net.backend.asarray(small_integers((4, *shape), 10))
    observation = net.observe(lambda event: None) if watched else None
    y = net.forward(x, training=training, keep=True)
    grad_x = net.backward(net.backend.asarray(small_integers(y.shape, 11)))
    if observation is not None:
        observation.remove()
    everything = [y, grad_x, *(parameter.grad for parameter in net.parameters())]
    everything += [buffer.value for _, buffer in net.named_buffers()]
    return [net.backend.to_numpy(array) for array in everything]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", NETS)
def test_together_and_one_by_one_give_the_same(name: str, training: bool) -> None:
    make, shape = NETS[name]
    together = results(prepared(make), shape, training, watched=False)
    alone = results(prepared(make), shape, training, watched=True)
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_allclose(one, other, rtol=MODEL_FLOAT64, atol=MODEL_FLOAT64)


@pytest.mark.parametrize("name", NETS)
def test_the_pieces_are_really_computed_together(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    kinds = [kind for kind in vars(fused).values() if getattr(kind, "__module__", "") == fused.__name__]
    for kind in filter(lambda kind: hasattr(kind, "compute"), kinds):
        original = kind.compute

        def compute(self: Any, *arguments: Any, original: Any = original) -> Any:
            calls.append(type(self).__name__)
            return original(self, *arguments)

        monkeypatch.setattr(kind, "compute", compute)
    make, shape = NETS[name]
    net = prepared(make)
    results(net, shape, True, watched=True)
    assert calls == []
    results(net, shape, True, watched=False)
    assert calls


def test_the_longest_group_is_taken() -> None:
    layers = [gn.Conv2d(1, 1, 1), gn.ReLU(), gn.MaxPool2d(2), gn.ReLU(), gn.MaxPool2d(2), gn.Tanh()]
    _, steps = chain.forward(Context(True, True), layers, np.ones((1, 1, 8, 8), np.float32))
    assert [len(step.layers) for step in steps] == [3, 2, 1]


def test_a_subclass_computes_its_own_formula() -> None:
    class Doubled(gn.ReLU):
        def compute(self, context: Context, x: Any) -> Any:
            return 2 * super().compute(context, x)

    net = gn.Sequential(gn.BatchNorm2d(1, affine=False), Doubled())
    x = np.arange(8, dtype=np.float32).reshape(2, 1, 2, 2)
    expected = 2 * np.maximum((x - x.mean()) / np.sqrt(x.var() + 1e-5), 0)
    np.testing.assert_allclose(net.forward(x, training=True), expected, rtol=1e-5)


def test_nan_goes_through_both_ways() -> None:
    net = gn.Sequential(gn.Conv2d(1, 1, 1, bias=False), gn.ReLU(), gn.MaxPool2d(2))
    x = np.array([[[[1, np.nan], [2, -1]]]], np.float32)
    assert np.isnan(net.forward(x, training=True)).all()
    grad_x = net.backward(np.ones((1, 1, 1, 1), np.float32))
    assert grad_x[0, 0, 0, 1] != 0


def test_errors_name_the_layer_that_cannot_take_its_input() -> None:
    net = gn.Sequential(gn.Conv2d(1, 2, 3), gn.ReLU(), gn.MaxPool2d(4))
    with pytest.raises(gn.ShapeError, match=r"MaxPool2d '2'"):
        net.forward(np.ones((1, 1, 4, 4), np.float32))
    with pytest.raises(gn.ShapeError, match=r"Conv2d '0'"):
        net.forward(np.ones((1, 2, 9, 9), np.float32))
    with pytest.raises(gn.DataError, match=r"float64 values for float32 parameters"):
        net.forward(np.ones((1, 1, 9, 9)))


def test_another_dtype_is_checked_again() -> None:
    net = gn.Sequential(gn.Conv2d(1, 2, 3), gn.ReLU())
    x = np.ones((1, 1, 4, 4), np.float32)
    net(x)
    net.astype("float64")
    with pytest.raises(gn.DataError):
        net(x)


@pytest.mark.parametrize("name", NETS)
def test_input_gradients_can_be_left_out(name: str) -> None:
    make, shape = NETS[name]
    grads = []
    for wanted in (True, False):
        net = prepared(make)
        x = net.backend.asarray(small_integers((4, *shape), 0))
        y = net.forward(x, training=True)
        grad_x = net.backward(net.backend.asarray(small_integers(y.shape, 1)), inputs=wanted)
        assert (grad_x is not None) is wanted
        grads.append([net.backend.to_numpy(parameter.grad) for parameter in net.parameters()])
    for one, other in zip(*grads, strict=True):
        assert_array_equal(one, other)


def test_leaving_them_out_saves_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    net = gn.Sequential(gn.Conv2d(1, 2, 3), gn.Conv2d(2, 2, 3))
    calls = []
    original = net.backend.conv2d_backward_input
    monkeypatch.setattr(net.backend, "conv2d_backward_input", lambda *args: calls.append(1) or original(*args))
    y = net.forward(np.ones((1, 1, 8, 8), np.float32), training=True)
    net.backward(np.ones_like(y), inputs=False)
    assert len(calls) == 1


def test_what_was_kept_is_let_go_as_it_is_used() -> None:
    _, steps = chain.forward(Context(True, True), [gn.BatchNorm2d(1), gn.ReLU()], np.ones((2, 1, 2, 2), np.float32))
    assert steps[0].context.saved
    chain.backward(steps, np.ones((2, 1, 2, 2), np.float32))
    assert steps[0].context.saved == ()
