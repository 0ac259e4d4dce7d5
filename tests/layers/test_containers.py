import numpy as np
import pytest

import gpunet as gn


class Scale(gn.Module):
    """y = factor * x, for small integers."""

    def __init__(self, factor: float) -> None:
        self.factor = gn.Parameter(np.array(factor, np.float32))

    def compute(self, context: gn.Context, x: np.ndarray) -> np.ndarray:
        context.save(x)
        return self.factor.value * x

    def differentiate(self, context: gn.Context, grad_y: np.ndarray) -> np.ndarray:
        (x,) = context.saved
        self.factor.add_grad((grad_y * x).sum())
        return self.factor.value * grad_y


X = np.array([[1, 2], [3, 4]], np.float32)
G = np.array([[1, 0], [-1, 2]], np.float32)


def test_sequential_is_one_after_the_other() -> None:
    net = gn.Sequential(Scale(2), Scale(-3))
    np.testing.assert_array_equal(net.forward(X, training=True), -6 * X)
    np.testing.assert_array_equal(net.backward(G), -6 * G)
    assert net[0].factor.grad == -3 * (G * X).sum()
    assert net[1].factor.grad == 2 * (G * X).sum()


def test_add_sums_branches_and_their_gradients() -> None:
    net = gn.Add(Scale(2), gn.Identity(), Scale(-5))
    np.testing.assert_array_equal(net.forward(X, training=True), -2 * X)
    np.testing.assert_array_equal(net.backward(G), -2 * G)
    assert net[2].factor.grad == (G * X).sum()


def test_concat_joins_channels_and_splits_gradients() -> None:
    net = gn.Concat(Scale(2), gn.Identity())
    np.testing.assert_array_equal(net.forward(X, training=True), [[2, 4, 1, 2], [6, 8, 3, 4]])
    grad_y = np.array([[1, 2, 3, 4], [5, 6, 7, 8]], np.float32)
    np.testing.assert_array_equal(net.backward(grad_y), [[2 + 3, 4 + 4], [10 + 7, 12 + 8]])
    assert net.output_shape((2,)) == (4,)
    images = gn.Concat(gn.Conv2d(3, 5, 3, padding=1), gn.Identity())
    assert images(np.ones((2, 3, 4, 6), np.float32)).shape == (2, 8, 4, 6)


def test_identity_is_free() -> None:
    net = gn.Identity()
    assert net.forward(X, training=True) is X
    assert net.backward(G) is G
    assert net.operations((2,), (2,)) == 0


def test_children_go_by_number_or_by_name() -> None:
    net = gn.Sequential(Scale(1), gn.Sequential({"first": Scale(2), "second": gn.Add(Scale(3), gn.Identity())}))
    assert list(net.state_dict()) == ["0.factor", "1.first.factor", "1.second.0.factor"]
    assert [len(net), len(net[1])] == [2, 2]
    assert list(net) == [net[0], net[1]]
    assert list(reversed(net)) == [net[1], net[0]]
    assert net[-1].first.factor.value == 2


def test_the_longest_name_of_the_inner_layer_stands_in_errors() -> None:
    net = gn.Sequential(gn.Identity(), gn.Add({"body": gn.Sequential(gn.Conv2d(3, 3, 3)), "skip": gn.Identity()}))
    with pytest.raises(gn.ShapeError, match=r"^Conv2d '1\.body\.0': got images of shape \(4, 8, 8\)"):
        net(np.ones((1, 4, 8, 8), np.float32))
    with pytest.raises(gn.ShapeError, match=r"^Conv2d '1\.body\.0': got images of shape \(4, 8, 8\)"):
        net.output_shape((4, 8, 8))
    with pytest.raises(
        gn.ShapeError, match=r"^Add '1': Add needs branches of one shape, .* got \(1, 3, 6, 6\), \(1, 3, 8"
    ):
        net(np.ones((1, 3, 8, 8), np.float32))


def test_names_are_still_right_after_shapes_were_computed() -> None:
    inner = gn.Sequential(gn.Sequential(gn.ReLU()))
    net = gn.Sequential(gn.Identity(), inner)
    net.forward(X, training=True)  # the first forward of a shape asks every container for its output_shape
    with pytest.raises(gn.ShapeError, match=r"^Sequential '1\.0': gradient: got shape \(2, 3\), wanted \(2, 2\)"):
        inner[0].backward(np.ones((2, 3), np.float32))
    assert inner[0][0].label == "ReLU '1.0.0'"


@pytest.mark.parametrize("kind", [gn.Add, gn.Concat])
def test_branches_that_do_not_fit(kind: type[gn.Module]) -> None:
    net = kind(gn.Identity(), gn.Conv2d(3, 3, 3))
    with pytest.raises(gn.ShapeError, match=rf"^{kind.__name__}: {kind.__name__} needs branches .* got "):
        net(np.ones((1, 3, 8, 8), np.float32))
    with pytest.raises(gn.ShapeError, match=rf"{kind.__name__} needs branches .* got "):
        net.output_shape((3, 8, 8))
    with pytest.raises(gn.ShapeError, match="at least one branch"):
        kind()(X)


def test_concat_needs_channels() -> None:
    with pytest.raises(gn.ShapeError, match=r"^Concat: Concat joins channels, got a branch with no axis"):
        gn.Concat(gn.Identity(), gn.Identity())(np.ones(3, np.float32))


def test_what_is_no_layer_is_refused() -> None:
    with pytest.raises(gn.StateError, match=r"Sequential '1': got 'relu', wanted a layer such as gn\.ReLU"):
        gn.Sequential(gn.ReLU(), "relu")  # type: ignore[arg-type]
    with pytest.raises(gn.StateError, match=r"Add '0': got <class .*ReLU'>"):
        gn.Add(gn.ReLU)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["a.b", "forward", "", 3])
def test_names_that_cannot_be_used(name: str) -> None:
    with pytest.raises(gn.StateError, match=r"Sequential: .* cannot name a layer"):
        gn.Sequential({name: gn.ReLU()})


def test_text() -> None:
    net = gn.Sequential(gn.Linear(2, 3), gn.Add({"body": gn.Sequential(), "skip": gn.Identity()}))
    assert repr(net) == (
        "Sequential(\n  (0): Linear(2, 3)\n  (1): Add(\n    (body): Sequential()\n    (skip): Identity()\n  )\n)"
    )


def test_an_empty_sequential_is_the_identity() -> None:
    net = gn.Sequential()
    np.testing.assert_array_equal(net.forward(X, training=True), X)
    np.testing.assert_array_equal(net.backward(G), G)
    assert net.output_shape((5,)) == (5,)
