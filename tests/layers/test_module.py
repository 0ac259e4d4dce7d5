"""`Module`: what forward and backward check, and how errors are named."""

import threading

import numpy as np
import pytest
from module_examples import X

import gpunet as gn


class Residual(gn.Module):
    """A user's own net: two branches that meet again, and one parameter of its own in a list."""

    def __init__(self) -> None:
        self.layers = [gn.Linear(4, 4), gn.Tanh()]
        self.scales = [gn.Parameter(np.ones(1, np.float32)), gn.Parameter(np.full(1, 2, np.float32))]
        self.seen = gn.Buffer(np.zeros((), np.int64))

    def compute(self, context: gn.Context, x: np.ndarray) -> np.ndarray:
        self.seen.value = self.seen.value + 1
        y = context.run(self.layers[1], context.run(self.layers[0], x))
        context.save(x, y)
        return self.scales[0].value * x + self.scales[1].value * y

    def differentiate(self, context: gn.Context, grad_y: np.ndarray) -> np.ndarray:
        x, y = context.saved
        for scale, branch in zip(self.scales, (x, y), strict=True):
            scale.add_grad((grad_y * branch).sum().reshape(1))
        through = self.layers[0].backward(self.layers[1].backward(self.scales[1].value * grad_y))
        return self.scales[0].value * grad_y + through


class TwoInTwoOut(gn.Module):
    def compute(self, context: gn.Context, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        context.save(a, b)
        return a * b, a + b

    def differentiate(self, context: gn.Context, grad_p: np.ndarray, grad_s: np.ndarray) -> tuple[np.ndarray, ...]:
        a, b = context.saved
        return grad_p * b + grad_s, grad_p * a + grad_s


# Forward and backward


def test_a_module_of_ones_own() -> None:
    net = Residual()
    gn.gradient_check(net, np.random.default_rng(0).normal(size=(3, 4)))
    assert [name for name, _ in net.named_parameters()] == ["scales.0", "scales.1", "layers.0.weight", "layers.0.bias"]
    assert [name for name, _ in net.named_buffers()] == ["seen"]
    assert net.output_shape((4,)) == (4,)  # by an empty batch
    net.forward(np.ones((2, 4), np.float32), training=True)


def test_several_inputs_and_outputs() -> None:
    net = TwoInTwoOut()
    a, b = np.array([[2.0, 3.0]]), np.array([[5.0, 7.0]])
    product, total = net.forward(a, b, training=True)
    np.testing.assert_array_equal(product, [[10, 21]])
    np.testing.assert_array_equal(total, [[7, 10]])
    grad_a, grad_b = net.backward(np.ones((1, 2)), np.zeros((1, 2)))
    np.testing.assert_array_equal(grad_a, b)
    np.testing.assert_array_equal(grad_b, a)
    assert net.output_shape((2,), (2,)) == ((2,), (2,))
    net.forward(a, b, training=True)
    with pytest.raises(gn.ShapeError, match="TwoInTwoOut: got 1 gradients, wanted 2"):
        net.backward(np.ones((1, 2)))


def test_a_module_must_define_both_formulas() -> None:
    class Empty(gn.Module):
        pass

    with pytest.raises(NotImplementedError, match="Empty must define compute"):
        Empty()(X)
    with pytest.raises(NotImplementedError, match="Empty must define differentiate"):
        Empty().differentiate(gn.Context(training=True, keep=True), X)


# What is checked


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        ([[1.0]], gn.BackendError, r"^Linear: got a builtins\.list for a net on backend 'numpy'\. Convert it with"),
        (np.ones((1, 3)), gn.DataError, r"^Linear: got float64 values for float32 parameters\. Convert one of them: x"),
        (np.ones((1, 3), int), gn.DataError, r"^Linear: got int64 values, wanted float32\. Convert: x\.astype"),
        (np.ones((1, 3), bool), gn.DataError, r"^Linear: got bool values, wanted float32"),
        (np.float32(1), gn.ShapeError, r"^Linear: got a 0-d array; the first axis of an input is the batch"),
    ],
)
def test_inputs_are_checked(x: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        gn.Linear(3, 2)(x)


@pytest.mark.parametrize(
    ("grads", "error", "message"),
    [
        (([[1.0]],), gn.BackendError, r"^Linear: gradient: got a list, wanted an array of 'numpy'"),
        ((np.ones((2, 3), np.float32),), gn.ShapeError, r"gradient: got shape \(2, 3\), wanted \(2, 2\)"),
        ((np.ones((2, 2)),), gn.DataError, "gradient: got float64, wanted float32"),
        ((), gn.ShapeError, "got 0 gradients, wanted 1"),
    ],
)
def test_gradients_are_checked_and_a_wrong_one_costs_nothing(
    grads: tuple, error: type[Exception], message: str
) -> None:
    layer = gn.Linear(3, 2)
    y = layer.forward(np.ones((2, 3), np.float32), training=True)
    with pytest.raises(error, match=message):
        layer.backward(*grads)
    layer.backward(np.ones_like(y))  # what was kept is still there


class Wrong(gn.Module):
    """Its output and its gradient are what it is told."""

    def __init__(self, y: object, grad_x: object = None) -> None:
        self.y, self.grad_x = y, grad_x

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return input_shape

    def compute(self, context: gn.Context, x: np.ndarray) -> object:
        return self.y

    def differentiate(self, context: gn.Context, grad_y: np.ndarray) -> object:
        return self.grad_x


def test_what_a_layer_returns_is_checked() -> None:
    x = np.ones((2, 3))
    with pytest.raises(gn.BackendError, match="Wrong: compute returned a list, wanted an array of 'numpy'"):
        Wrong([1.0])(x)
    with pytest.raises(gn.ShapeError, match=r"Wrong: compute returned \(\(4,\),\) .* output_shape promised \(3,\)"):
        Wrong(np.ones((2, 4)))(x)
    layer = Wrong(x, np.ones((2, 1)))
    layer.forward(x, keep=True)
    with pytest.raises(gn.ShapeError, match=r"Wrong: returned gradient: got shape \(2, 1\), wanted \(2, 3\)"):
        layer.backward(x)


def test_only_the_innermost_layer_is_named() -> None:
    net = gn.Sequential(gn.Identity(), gn.Sequential(gn.Identity(), gn.Linear(3, 2)))
    with pytest.raises(gn.ShapeError) as error:
        net(np.ones((1, 4), np.float32))
    assert str(error.value).startswith("Linear '1.1': got")
    assert str(error.value).count(":") == 1
    assert error.value.layer == "Linear '1.1'"


def test_an_error_leaves_the_depth_of_calls_as_it_was() -> None:
    net = gn.Sequential(gn.Sequential(gn.Linear(3, 2)))
    for _ in range(2):
        with pytest.raises(gn.ShapeError, match=r"^Linear '0\.0'"):
            net(np.ones((1, 4), np.float32))
    with pytest.raises(gn.ShapeError, match=r"^Linear '0'"):
        net[0](np.ones((1, 4), np.float32))


def test_threads_name_their_own_nets() -> None:
    outer = gn.Sequential(gn.Sequential(gn.Linear(3, 2)))
    labels = []

    def other() -> None:
        net = gn.Sequential(gn.Identity(), gn.Linear(3, 2))
        net(np.ones((1, 3), np.float32))
        labels.append(net[1].label)

    def observe(event: object) -> None:
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()

    with outer.observe(observe):
        outer(np.ones((1, 3), np.float32))
    assert set(labels) == {"Linear '1'"}
    assert outer[0][0].label == "Linear '0.0'"
