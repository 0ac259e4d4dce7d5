"""`Graph`: modules wired by hand; order, sums of gradients, several inputs and outputs, and what is refused."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from tolerances import GRADIENT_CHECK_FLOAT64

import gpunet as gn
from gpunet import GraphNode


class Times(gn.Module):
    """y = a * b."""

    def compute(self, context: gn.Context, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        context.save(a, b)
        return a * b

    def differentiate(self, context: gn.Context, grad_y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        a, b = context.saved
        return grad_y * b, grad_y * a


class Halves(gn.Module):
    """The first and the second half of the features."""

    def compute(self, context: gn.Context, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        half = x.shape[1] // 2
        return x[:, :half].copy(), x[:, half:].copy()

    def differentiate(self, context: gn.Context, *grads: np.ndarray) -> np.ndarray:
        return np.concatenate(grads, axis=1)


def branched() -> gn.Graph:
    """Two inputs and two outputs; "h" is used three times, an output among them."""
    return gn.Graph(
        ["x", "z"],
        [
            GraphNode("product", Times(), ("h", "k"), ("p",)),  # in any order
            GraphNode("first", gn.Linear(4, 3), ("x",), ("h",)),
            GraphNode("tanh", gn.Tanh(), ("h",), ("t",)),
            GraphNode("second", gn.Linear(3, 3), ("t",), ("k0",)),
            GraphNode("mixed", Times(), ("k0", "z"), ("k",)),
        ],
        ["p", "h"],
    )


def arrays(*shapes: tuple[int, ...]) -> list[np.ndarray]:
    return [gn.random.Stream(0, "graph", step=n).normal(shape) for n, shape in enumerate(shapes)]


def test_values_and_gradients() -> None:
    net = branched().astype("float64")
    x, z = arrays((2, 4), (2, 3))
    p, h = net(x, z)
    wanted = x @ net["first"].weight.value.T + net["first"].bias.value
    assert_array_equal(h, wanted)
    k = (np.tanh(h) @ net["second"].weight.value.T + net["second"].bias.value) * z
    np.testing.assert_allclose(p, h * k, rtol=1e-14)
    result = gn.gradient_check(net, x, z, tolerance=GRADIENT_CHECK_FLOAT64)
    assert set(result.errors) == {"input 0", "input 1", "first.weight", "first.bias", "second.weight", "second.bias"}


def test_a_value_used_several_times_gets_the_sum() -> None:
    net = gn.Graph(["x"], [GraphNode("square", Times(), ("x", "x"), ("y",))], ["y", "x", "y"])
    x = np.array([[3.0, -1.0]], np.float32)
    y, same, again = net.forward(x, training=True)
    assert_array_equal(y, [[9, 1]])
    assert_array_equal(again, y)
    assert_array_equal(same, x)
    grads = [np.full((1, 2), g, np.float32) for g in (1, 10, 100)]
    assert_array_equal(net.backward(*grads), 101 * 2 * x + 10)


def test_an_unused_output_of_a_module_counts_as_zero() -> None:
    nodes = [GraphNode("halves", Halves(), ("x",), ("", "b")), GraphNode("relu", gn.ReLU(), ("b",), ("y",))]
    net = gn.Graph(["x"], nodes, ["y"])
    x = np.array([[1.0, 2.0, 3.0, -4.0]], np.float32)
    assert_array_equal(net.forward(x, training=True), [[3, 0]])
    assert_array_equal(net.backward(np.ones((1, 2), np.float32)), [[0, 0, 1, 0]])


def test_neighbours_are_computed_together_unless_somebody_watches() -> None:
    def net() -> gn.Graph:
        with gn.random.seeded(0):
            nodes = [
                GraphNode("conv", gn.Conv2d(2, 3, 3), ("x",), ("a",)),
                GraphNode("relu", gn.ReLU(), ("a",), ("b",)),
                GraphNode("pool", gn.MaxPool2d(2), ("b",), ("c",)),
            ]
            return gn.Graph(["x"], nodes, ["c"])

    x = arrays((2, 2, 8, 8))[0].astype("float32")
    plain, watched = net(), net()
    seen: list[str] = []
    watched.observe(lambda event: seen.append(event.name))
    results = []
    for one in (plain, watched):
        y = one.forward(x, training=True)
        results.append((y, one.backward(np.ones_like(y)), one["conv"].weight.grad))
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6)
    assert {"conv", "relu", "pool"} <= set(seen)
    assert [len(group) for group in plain._groups] == [3]


def test_frozen_beginnings_are_left_out_of_the_backward_pass() -> None:
    net = branched()
    for parameter in net["first"].parameters():
        parameter.trainable = False
    calls: list[str] = []
    net.observe(lambda event: calls.append(event.name) if event.direction == "backward" else None)
    x, z = (array.astype("float32") for array in arrays((2, 4), (2, 3)))
    p, h = net.forward(x, z, training=True)
    net.backward(np.ones_like(p), np.ones_like(h), inputs=False)
    assert "first" not in calls
    assert "tanh" not in calls
    assert "second" in calls
    assert net["second"].weight.grad is not None
    assert net["first"].weight.grad is None


def test_a_node_can_be_replaced() -> None:
    net = gn.Graph(
        ["x"],
        [GraphNode("body", gn.Linear(4, 3), ("x",), ("h",)), GraphNode("head", gn.Linear(3, 10), ("h",), ("y",))],
        ["y"],
    )
    net.replace("head", gn.Linear(3, 2))
    assert net(np.zeros((5, 4), np.float32)).shape == (5, 2)
    assert net.state_dict()["head.weight"].shape == (2, 3)
    with pytest.raises(gn.DataError, match=r"no node 'hed'\. There are body, head"):
        net.replace("hed", gn.Identity())


def test_state_copy_and_conversion() -> None:
    net = branched()
    other = copy.deepcopy(net)
    x, z = (array.astype("float32") for array in arrays((2, 4), (2, 3)))
    net["first"].weight.value += 1
    assert not np.array_equal(other(x, z)[1], net(x, z)[1])
    other.load_state_dict(net.state_dict())
    assert_array_equal(other(x, z)[0], net(x, z)[0])
    assert [name for name, _ in net.named_parameters()] == [
        "first.weight",
        "first.bias",
        "second.weight",
        "second.bias",
    ]
    assert net.astype("float64")(x.astype("float64"), z.astype("float64"))[0].dtype == np.float64
    assert "x, z -> p, h" in repr(net) or "first" in repr(net)
    assert net.astype("float32").summary((4,), (3,)).parameters == 4 * 3 + 3 + 3 * 3 + 3


def wrong(nodes: list[Any], inputs: tuple[str, ...] = ("x",), outputs: tuple[str, ...] = ("y",)) -> gn.Graph:
    return gn.Graph(inputs, nodes, outputs)


def test_wiring_that_cannot_be_is_refused() -> None:
    relu = GraphNode("relu", gn.ReLU(), ("x",), ("y",))
    with pytest.raises(gn.StateError, match="circle; among them are 'a', 'b'"):
        wrong([GraphNode("a", Times(), ("x", "v"), ("u",)), GraphNode("b", gn.ReLU(), ("u",), ("v",))], outputs=("u",))
    with pytest.raises(gn.StateError, match="'relu' uses 'w', which nobody makes"):
        wrong([GraphNode("relu", gn.ReLU(), ("w",), ("y",))])
    with pytest.raises(gn.StateError, match="the output is 'z', which nobody makes"):
        wrong([relu], outputs=("z",))
    with pytest.raises(gn.StateError, match="2 values are called 'y'"):
        wrong([relu, GraphNode("tanh", gn.Tanh(), ("x",), ("y",))])
    with pytest.raises(gn.StateError, match="2 nodes are called 'relu'"):
        wrong([relu, GraphNode("relu", gn.Tanh(), ("x",), ("z",))])
    with pytest.raises(gn.StateError, match="empty name"):
        wrong([GraphNode("", gn.ReLU(), ("x",), ("y",))])
    with pytest.raises(gn.StateError, match="no output"):
        wrong([relu], outputs=())
    with pytest.raises(gn.ShapeError, match="got 1 inputs, wanted 2: x, z"):
        branched()(np.zeros((1, 4), np.float32))
    same = gn.ReLU()
    with pytest.raises(gn.StateError, match="stands once in a net"):
        wrong([GraphNode("a", same, ("x",), ("u",)), GraphNode("b", same, ("u",), ("y",))]).parameters()


def test_declared_shapes_are_checked() -> None:
    net = gn.Graph(
        ["x"],
        [GraphNode("relu", gn.ReLU(), ("x",), ("y",))],
        ["y"],
        input_shapes=[("N", 3, None)],  # type: ignore[list-item]
    )
    assert net(np.ones((5, 3, 7), np.float32)).shape == (5, 3, 7)
    with pytest.raises(gn.ShapeError, match=r"'x' has shape \(5, 4, 7\), wanted \(batch, 3, any\)"):
        net(np.ones((5, 4, 7), np.float32))


def test_a_module_that_returns_too_few_values_is_named() -> None:
    net = gn.Graph(["x"], [GraphNode("relu", gn.ReLU(), ("x",), ("y", "z"))], ["y", "z"])
    with pytest.raises(gn.ShapeError, match="'relu' returned 1 values, wanted 2"):
        net(np.ones((1, 2), np.float32))


def test_errors_name_the_node() -> None:
    net = branched()
    with pytest.raises(gn.ShapeError, match="Linear 'first'"):
        net(np.zeros((1, 5), np.float32), np.zeros((1, 3), np.float32))
