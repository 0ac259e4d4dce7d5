"""The tree of modules: paths, shared parameters, place and dtype of the whole net, copies and text."""

import copy

import numpy as np
import pytest
from module_examples import X, small_net

import gpunet as gn
from gpunet.backends import Backend


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
