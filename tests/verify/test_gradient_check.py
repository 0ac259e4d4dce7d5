"""A right gradient passes, and each way of getting it wrong is found and named."""

from collections.abc import Callable

import numpy as np
import pytest

import gpunet as gn
from gpunet.verify import GradientCheckError

X = np.random.default_rng(0).normal(size=(6, 5))


class Affine(gn.Module):
    """y = weight * tanh(x) + bias over the last axis; a subclass plants a fault in the backward pass."""

    def __init__(self) -> None:
        self.weight = gn.Parameter(np.linspace(0.5, 1.5, 5, dtype=np.float32))
        self.bias = gn.Parameter(np.zeros(5, np.float32))

    def compute(self, context: gn.Context, x: np.ndarray) -> np.ndarray:
        context.save(np.tanh(x))
        return self.weight.value * np.tanh(x) + self.bias.value

    def differentiate(self, context: gn.Context, grad_y: np.ndarray) -> np.ndarray:
        (t,) = context.saved
        self.weight.add_grad((grad_y * t).sum(axis=0))
        self.bias.add_grad(grad_y.sum(axis=0))
        return grad_y * self.weight.value * (1 - t * t)


class WrongSign(Affine):
    def differentiate(self, context: gn.Context, grad_y: np.ndarray) -> np.ndarray:
        return -super().differentiate(context, grad_y)


class MissingFactor(Affine):
    def differentiate(self, context: gn.Context, grad_y: np.ndarray) -> np.ndarray:
        (t,) = context.saved
        super().differentiate(context, grad_y)
        return grad_y * (1 - t * t)


class SlightlyWrongFactor(Affine):
    def differentiate(self, context: gn.Context, grad_y: np.ndarray) -> np.ndarray:
        return super().differentiate(context, grad_y) * (1 + 1e-5)


class ForgottenParameter(Affine):
    def differentiate(self, context: gn.Context, grad_y: np.ndarray) -> np.ndarray:
        (t,) = context.saved
        self.weight.add_grad((grad_y * t).sum(axis=0))
        return grad_y * self.weight.value * (1 - t * t)


class OneWrongElement(Affine):
    def differentiate(self, context: gn.Context, grad_y: np.ndarray) -> np.ndarray:
        grad_x = super().differentiate(context, grad_y)
        grad_x[4, 2] *= 1.01
        return grad_x


class OneWrongElementOfTheWeight(Affine):
    def differentiate(self, context: gn.Context, grad_y: np.ndarray) -> np.ndarray:
        (t,) = context.saved
        grad = (grad_y * t).sum(axis=0)
        grad[3] = grad[2]
        self.weight.add_grad(grad)
        self.bias.add_grad(grad_y.sum(axis=0))
        return grad_y * self.weight.value * (1 - t * t)


class SwappedElements(Affine):
    def differentiate(self, context: gn.Context, grad_y: np.ndarray) -> np.ndarray:
        return super().differentiate(context, grad_y)[:, ::-1].copy()


class NotANumber(Affine):
    def differentiate(self, context: gn.Context, grad_y: np.ndarray) -> np.ndarray:
        return super().differentiate(context, grad_y) * np.nan


class Zero(Affine):
    def differentiate(self, context: gn.Context, grad_y: np.ndarray) -> np.ndarray:
        return 0 * super().differentiate(context, grad_y)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (WrongSign, "input"),
        (MissingFactor, "input"),
        (SlightlyWrongFactor, "input"),
        (ForgottenParameter, "bias"),
        (OneWrongElement, "input"),
        (OneWrongElementOfTheWeight, "weight"),
        (SwappedElements, "input"),
        (NotANumber, "input"),
        (Zero, "input"),
    ],
)
@pytest.mark.parametrize("inside", [False, True], ids=["alone", "in a net"])
def test_each_fault_is_found_and_named(kind: Callable[[], Affine], name: str, inside: bool) -> None:
    gn.gradient_check(Affine(), X)
    if inside and name != "input":
        layer: gn.Module = gn.Sequential(gn.Linear(5, 5), kind(), gn.Sigmoid())
        path = f"1.{name}"
    else:
        layer, path = (gn.Sequential(kind(), gn.Tanh()) if inside else kind()), name
    with pytest.raises(GradientCheckError, match=rf": the gradient of '{path}' is wrong: backward ") as error:
        gn.gradient_check(layer, X)
    result = error.value.result
    assert not result.passed
    assert result.worst.name == path
    assert not result.worst.error <= result.tolerance
    right = {other: e for other, e in result.errors.items() if other != path}
    assert max(right.values()) < 1e-6, "the gradients that are right are not blamed"


def test_the_message_says_both_numbers() -> None:
    with pytest.raises(AssertionError, match=r"^WrongSign: ") as error:
        gn.gradient_check(WrongSign(), X)
    worst = error.value.result.worst
    assert worst.analytic == pytest.approx(-worst.numeric)
    assert f"backward gave a slope of {worst.analytic:.9g}, differences say {worst.numeric:.9g}" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_forgotten_parameter_is_called_so() -> None:
    with pytest.raises(GradientCheckError, match=r"'bias' is wrong: backward gave none \(is add_grad missing\?\)"):
        gn.gradient_check(ForgottenParameter(), X)


def test_several_faults_are_all_listed() -> None:
    class Both(ForgottenParameter):
        def differentiate(self, context: gn.Context, grad_y: np.ndarray) -> np.ndarray:
            return 3 * super().differentiate(context, grad_y)

    with pytest.raises(GradientCheckError, match=r"Wrong are: input, bias\.$"):
        gn.gradient_check(Both(), X)


# Rules beyond the numbers


class Overwrites(Affine):
    def differentiate(self, context: gn.Context, grad_y: np.ndarray) -> np.ndarray:
        grad_x = super().differentiate(context, grad_y)
        self.bias.grad = grad_y.sum(axis=0)
        return grad_x


class WritesIntoGradient(Affine):
    def differentiate(self, context: gn.Context, grad_y: np.ndarray) -> np.ndarray:
        grad_x = super().differentiate(context, grad_y)
        grad_y *= 2
        return grad_x


class WritesIntoInput(Affine):
    def compute(self, context: gn.Context, x: np.ndarray) -> np.ndarray:
        y = super().compute(context, x)
        x *= 0.5
        return y


class WritesIntoWeightInBackward(Affine):
    def differentiate(self, context: gn.Context, grad_y: np.ndarray) -> np.ndarray:
        grad_x = super().differentiate(context, grad_y)
        self.weight.value *= 0.9
        return grad_x


class Unsteady(Affine):
    calls = 0

    def compute(self, context: gn.Context, x: np.ndarray) -> np.ndarray:
        self.calls += 1
        return super().compute(context, x) * (1 + 0.1 * self.calls)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Overwrites, r"the gradient of 'bias' does not add up over two backward passes\. Use parameter\.add_grad"),
        (WritesIntoGradient, "backward writes into the gradient that it is given"),
        (WritesIntoInput, r"forward writes into 'input'\. Compute into a new array"),
        (WritesIntoWeightInBackward, "backward writes into 'weight'"),
        (Unsteady, r"two forward passes over the same input differ.* self\.next_stream\(\)"),
    ],
)
def test_broken_rules_are_named(kind: Callable[[], Affine], message: str) -> None:
    x = X.copy()
    with pytest.raises(GradientCheckError, match=rf"^{kind.__name__}: {message}") as error:
        gn.gradient_check(kind(), x)
    assert error.value.result is None
    np.testing.assert_array_equal(x, X)


class Coarse(Affine):
    def compute(self, context: gn.Context, x: np.ndarray) -> np.ndarray:
        return super().compute(context, x).astype(np.float32)


def test_a_coarse_output_is_refused() -> None:
    with pytest.raises(gn.DataError, match="gradient_check of Coarse: output 0 is float32 for float64 inputs"):
        gn.gradient_check(Coarse(), X)


def test_an_empty_batch_is_refused() -> None:
    with pytest.raises(gn.ShapeError, match=r"gradient_check of Affine: output 0 of shape \(0, 5\) is empty"):
        gn.gradient_check(Affine(), X[:0])


# What it leaves as it was, and what it can take


def test_the_net_is_not_touched() -> None:
    net = gn.Sequential(gn.Linear(5, 4), gn.BatchNorm1d(4), gn.Dropout(), gn.ReLU())
    net[0].weight.trainable = False
    net.set_random_position(3, 2, 1)
    y = net.forward(X.astype("float32"), training=True)
    before = net.state_dict()
    seen = []
    with net.observe(seen.append):
        result = gn.gradient_check(net, X.astype("float32"))
    assert "0.weight" in result.errors  # a frozen parameter's formula is checked all the same
    assert seen == []
    assert net.dtype == np.float32
    assert not net[0].weight.trainable
    assert all(parameter.grad is None for parameter in net.parameters())
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)
    assert net[2].next_stream().step == 2
    net.backward(np.ones_like(y))  # what the last forward kept is still there


class Product(gn.Module):
    """Two inputs, two outputs, and a parameter named as an input would be."""

    def __init__(self, fault: float = 0.0) -> None:
        self.input = gn.Parameter(np.ones(1, np.float32))
        self.fault = fault

    def compute(self, context: gn.Context, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        context.save(a, b)
        return a * b * self.input.value, a - b

    def differentiate(self, context: gn.Context, grad_p: np.ndarray, grad_d: np.ndarray) -> tuple[np.ndarray, ...]:
        a, b = context.saved
        self.input.add_grad((grad_p * a * b).sum().reshape(1))
        factor = self.input.value
        return grad_p * b * factor + grad_d, grad_p * a * factor - grad_d * (1 + self.fault)


def test_several_inputs_and_outputs() -> None:
    result = gn.gradient_check(Product(), X, X + 1)
    assert list(result.errors) == ["input 0", "input 1", "input"]
    with pytest.raises(GradientCheckError, match="'input 1' is wrong"):
        gn.gradient_check(Product(fault=0.01), X, X + 1)


class OneInput(Affine):
    def __init__(self) -> None:
        super().__init__()
        self.input = gn.Parameter(np.ones(5, np.float32))

    def differentiate(self, context: gn.Context, grad_y: np.ndarray) -> np.ndarray:
        self.input.add_grad(np.zeros(5))
        return super().differentiate(context, grad_y)


def test_a_parameter_called_input_hides_nothing() -> None:
    assert list(gn.gradient_check(OneInput(), X).errors) == ["input 0", "weight", "bias", "input"]


def test_inference_differs_from_training() -> None:
    net = gn.Sequential(gn.BatchNorm1d(5), gn.Dropout(0.5))
    assert gn.gradient_check(net, X, training=False).passed
    assert gn.gradient_check(net, X, training=True).passed
    gn.gradient_check(net, X[:1], training=False)
    with pytest.raises(gn.ShapeError, match="one value a channel"):
        gn.gradient_check(net, X[:1], training=True)


def test_a_bias_that_batch_norm_cancels_has_a_gradient_of_zero() -> None:
    """Differences there hold nothing but rounding, which must not be taken for an error."""
    net = gn.Sequential(gn.Linear(5, 4), gn.BatchNorm1d(4))
    result = gn.gradient_check(net, X)
    worst = {c.name: c for c in result.comparisons}["0.bias"]
    assert abs(worst.analytic) < 1e-12
    assert abs(worst.numeric) < 1e-9


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_inputs_of_any_size(scale: float) -> None:
    gn.gradient_check(gn.Linear(5, 3), X * scale)
    gn.gradient_check(gn.LogSoftmax(), X * scale)


class Counted(gn.Tanh):
    """Counts its forward passes in a list that copies share."""

    def __init__(self) -> None:
        self.calls = Shared()

    def compute(self, context: gn.Context, x: np.ndarray) -> np.ndarray:
        self.calls.append(1)
        return super().compute(context, x)


class Shared(list):
    def __deepcopy__(self, memo: dict) -> "Shared":
        return self


def test_the_cost_does_not_grow_with_the_size() -> None:
    counts = []
    for size in (2, 20000):
        layer = Counted()
        gn.gradient_check(layer, np.random.default_rng(1).normal(size=(1, size)))
        counts.append(len(layer.calls))
    assert counts[0] == counts[1] < 30


def test_relu_far_from_its_kink_and_on_it() -> None:
    gn.gradient_check(gn.ReLU(), np.random.default_rng(0).normal(size=(50, 400)))
    on_the_kink = np.ones((2, 3))
    on_the_kink[0, 0] = 0
    with pytest.raises(GradientCheckError, match="'input' is wrong"):
        gn.gradient_check(gn.ReLU(), on_the_kink)


def test_the_table() -> None:
    result = gn.gradient_check(Affine(), X)
    lines = str(result).splitlines()
    assert lines[0] == "gradients of Affine: right (tolerance 1e-06)"
    assert lines[1].split() == ["array", "shape", "backward", "differences", "relative", "error"]
    assert [line.split()[0] for line in lines[2:]] == ["input", "weight", "bias"]
    with pytest.raises(GradientCheckError) as error:
        gn.gradient_check(ForgottenParameter(), X)
    text = str(error.value.result)
    assert text.startswith("gradients of ForgottenParameter: WRONG")
    assert "none" in text


def test_the_directions_are_a_function_of_the_seed() -> None:
    one, same, other = (gn.gradient_check(Affine(), X, seed=seed).worst.numeric for seed in (1, 1, 2))
    assert one == same
    assert one != other


# Losses


def wrong_loss(predictions: np.ndarray, targets: np.ndarray) -> tuple[float, np.ndarray]:
    difference = predictions - targets
    return float((difference**2).sum()), difference  # the factor 2 is missing


def right_loss(predictions: np.ndarray, targets: np.ndarray) -> tuple[float, np.ndarray]:
    value, grad = wrong_loss(predictions, targets)
    return value, 2 * grad


def test_a_loss_of_ones_own() -> None:
    result = gn.gradient_check(right_loss, X.astype("float32"), 2 * X.astype("float32"))
    assert list(result.errors) == ["predictions"]
    with pytest.raises(GradientCheckError, match="wrong_loss: the gradient of 'predictions' is wrong"):
        gn.gradient_check(wrong_loss, X, 2 * X)
    with pytest.raises(gn.ShapeError, match="gradient_check of right_loss: got 1 arrays, wanted predictions and tar"):
        gn.gradient_check(right_loss, X)


def test_a_loss_whose_gradient_has_another_shape() -> None:
    def mean_gradient(predictions: np.ndarray, targets: np.ndarray) -> tuple[float, np.ndarray]:
        value, grad = right_loss(predictions, targets)
        return value, grad.sum(axis=1, keepdims=True)

    with pytest.raises(gn.ShapeError, match=r"mean_gradient: the gradient has shape \(6, 1\), wanted .* \(6, 5\)"):
        gn.gradient_check(mean_gradient, X, 2 * X)
