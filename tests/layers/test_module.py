"""`Module`: what forward and backward check and keep, and how errors are named."""

import copy
import threading

import numpy as np
import pytest

import gpunet as gn
from gpunet.backends import Backend

X = np.random.default_rng(0).normal(size=(2, 1, 6, 6)).astype(np.float32)


def small_net() -> gn.Sequential:
    with gn.random.seeded(0):
        return gn.Sequential(
            gn.Conv2d(1, 2, 3),
            gn.BatchNorm2d(2),
            gn.ReLU(),
            gn.Sequential(gn.Flatten(), gn.Dropout(), gn.Linear(32, 3)),
        )


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


def test_keep_differentiates_inference() -> None:
    net = small_net()
    before = net.state_dict()
    y = net.forward(X, keep=True)
    np.testing.assert_array_equal(y, net(X))
    net.forward(X, keep=True)
    assert net.backward(np.ones_like(y)).shape == X.shape
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)


def test_training_without_keep_keeps_nothing() -> None:
    net = small_net()
    net.forward(X, training=True, keep=False)
    assert net[1].num_batches_tracked.value == 1
    with pytest.raises(gn.StateError, match=r"^Sequential: backward needs a forward before it"):
        net.backward(np.ones((2, 3), np.float32))


def test_a_second_backward_is_refused() -> None:
    net = small_net()
    y = net.forward(X, training=True)
    net.backward(np.ones_like(y))
    with pytest.raises(gn.StateError, match="each forward serves one backward"):
        net.backward(np.ones_like(y))


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


# The tree


def test_a_layer_stands_once() -> None:
    layer = gn.ReLU()
    net = gn.Sequential(layer, gn.Sequential(gn.Identity(), layer))
    with pytest.raises(gn.StateError, match=r"ReLU '1\.1' is the same object as '0': a layer stands once in a net"):
        net(X)
    with pytest.raises(gn.StateError, match="share weights by giving both the same Parameter"):
        net.parameters()


def test_a_shared_parameter_is_one_parameter_with_both_gradients() -> None:
    one, other = gn.Linear(3, 3, bias=False), gn.Linear(3, 3, bias=False)
    other.weight = one.weight
    net = gn.Sequential(one, other)
    assert [name for name, _ in net.named_parameters()] == ["0.weight"]
    assert list(net.state_dict()) == ["0.weight", "1.weight"]  # as PyTorch
    gn.gradient_check(net, np.random.default_rng(0).normal(size=(4, 3)))
    net.astype("float64")
    assert net[0].weight is net[1].weight
    twin = copy.deepcopy(net)
    assert twin[0].weight is twin[1].weight
    assert twin[0].weight is not one.weight


def test_modules_are_listed_depth_first() -> None:
    paths = [path for path, _ in small_net().named_modules()]
    assert paths == ["", "0", "1", "2", "3", "3.0", "3.1", "3.2"]


def test_a_forward_while_walking_is_fine() -> None:
    net = small_net()
    for _, child in net.children():
        net(X)
        assert child.label


def test_zero_grad_forgets() -> None:
    net = small_net()
    y = net.forward(X, training=True)
    net.backward(np.ones_like(y))
    assert all(parameter.grad is not None for parameter in net.parameters())
    net.zero_grad()
    assert all(parameter.grad is None for parameter in net.parameters())


# Place, dtype, settings


class Elsewhere:
    """A second backend: NumPy's, which calls arrays of a class of its own."""

    class Array(np.ndarray):
        pass

    def __new__(cls) -> Backend:
        class OtherBackend(type(gn.ReLU().backend)):
            name = "elsewhere"

            def asarray(self, array: object, dtype: object = None) -> np.ndarray:
                return np.asarray(array, dtype=dtype).view(Elsewhere.Array)

            def to_numpy(self, array: np.ndarray) -> np.ndarray:
                return np.asarray(array).view(np.ndarray)

            def owns(self, array: object) -> bool:
                return isinstance(array, Elsewhere.Array)

        return OtherBackend()


@pytest.mark.numpy_only("moves to a backend of its own that is made of NumPy's")
def test_to_and_astype_keep_the_parameter_objects() -> None:
    net = small_net()
    y = net.forward(X, training=True)
    net.backward(np.ones_like(y))
    parameters = net.parameters()
    before = net.state_dict()
    assert net.astype("float64") is net
    elsewhere = Elsewhere()
    assert net.to(elsewhere) is net
    assert all(one is other for one, other in zip(net.parameters(), parameters, strict=True))
    assert {p.value.dtype for p in parameters} == {p.grad.dtype for p in parameters} == {np.dtype("float64")}
    assert all(isinstance(p.value, Elsewhere.Array) and isinstance(p.grad, Elsewhere.Array) for p in parameters)
    assert net[1].num_batches_tracked.value.dtype == np.int64
    assert all(isinstance(buffer.value, Elsewhere.Array) for _, buffer in net.named_buffers())
    assert all(module.backend is elsewhere for _, module in net.named_modules())
    for name, array in net.state_dict().items():
        assert type(array) is np.ndarray
        np.testing.assert_array_equal(array, before[name])
    with pytest.raises(gn.BackendError, match=r"got a numpy\.ndarray for a net on backend 'elsewhere'"):
        net(X.astype("float64"))


def test_moving_drops_what_was_kept() -> None:
    net = small_net()
    y = net.forward(X, training=True)
    net.astype("float32")
    with pytest.raises(gn.StateError, match="backward needs a forward"):
        net.backward(np.ones_like(y))


@pytest.mark.parametrize("dtype", ["int32", "float16", "complex64"])
def test_other_dtypes_are_refused(dtype: str) -> None:
    net = small_net()
    with pytest.raises(gn.DataError, match=f"astype: got {dtype}, wanted float32 or float64"):
        net.astype(dtype)
    assert net.dtype == np.float32


def test_dtype_of_a_net_without_parameters() -> None:
    assert gn.ReLU().dtype is None
    assert gn.ReLU()(X.astype("float64")).dtype == np.float64


def test_an_unknown_backend_changes_nothing() -> None:
    net = small_net()
    with pytest.raises(gn.BackendError, match="unknown backend 'tpu'"):
        net.to("tpu")
    assert net.backend.name == "numpy"


def test_precision_is_of_the_whole_net() -> None:
    net = small_net()
    assert net.precision == "fast"
    net.precision = "strict"
    assert {module.precision for _, module in net.named_modules()} == {"strict"}
    with pytest.raises(gn.DataError, match="precision 'exact' is unknown: choose one of fast, strict"):
        net.precision = "exact"


def test_random_positions_are_of_seed_path_epoch_and_step() -> None:
    net = small_net()
    net.set_random_position(seed=4, epoch=3, step=2)
    net.forward(X, training=True)
    stream = net[3][1].next_stream()
    assert (stream.seed, stream.name, stream.epoch, stream.step) == (4, "3.1", 3, 3)
    again = net[3][1].next_stream()
    assert again.step == 4


# Copies and text


def test_a_copy_has_its_own_arrays_and_no_observers() -> None:
    net = small_net()
    events = []
    with net.observe(events.append):
        twin = copy.deepcopy(net)
        twin.forward(X, training=True)
    assert events == []
    assert twin.backend is net.backend
    assert net[1].num_batches_tracked.value == 0


def test_text() -> None:
    assert repr(small_net()) == (
        "Sequential(\n"
        "  (0): Conv2d(1, 2, kernel_size=(3, 3))\n"
        "  (1): BatchNorm2d(2)\n"
        "  (2): ReLU()\n"
        "  (3): Sequential(\n"
        "    (0): Flatten()\n"
        "    (1): Dropout(p=0.5)\n"
        "    (2): Linear(32, 3)\n"
        "  )\n"
        ")"
    )


class Experts(gn.Module):
    """Keeps its layers in a dict."""

    def __init__(self) -> None:
        self.experts = {"cat": gn.Linear(3, 2), "dog": gn.Linear(3, 2)}

    def compute(self, context: gn.Context, x: np.ndarray) -> np.ndarray:
        return context.run(self.experts["cat"], x) + context.run(self.experts["dog"], x)

    def differentiate(self, context: gn.Context, grad_y: np.ndarray) -> np.ndarray:
        return self.experts["cat"].backward(grad_y) + self.experts["dog"].backward(grad_y)


def test_modules_in_a_dict_belong_to_the_net() -> None:
    net = Experts()
    assert list(net.state_dict()) == [
        f"experts.{name}" for name in ("cat.weight", "cat.bias", "dog.weight", "dog.bias")
    ]
    gn.gradient_check(net.astype("float64"), np.ones((2, 3)))


class SavesTwice(gn.Module):
    def compute(self, context: gn.Context, x: np.ndarray) -> np.ndarray:
        context.save(x)
        context.save(x, 2)
        return x


def test_a_second_save_would_lose_the_first() -> None:
    with pytest.raises(gn.StateError, match=r"^SavesTwice: context\.save was called twice"):
        SavesTwice().forward(np.ones((1, 2)), training=True)
