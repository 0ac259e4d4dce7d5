"""Nets of ours written as ONNX, computed by onnxruntime, read again, trained and written again."""

from __future__ import annotations

import inspect
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import oracles
import pytest
from layer_cases import EVERYTHING, LayerCase
from numpy.testing import assert_array_equal
from tolerances import ONNXRUNTIME_FLOAT32

import gpunet as gn

onnx = oracles.require("onnx")
onnxruntime = oracles.require("onnxruntime")


def computed_elsewhere(model: Any, *inputs: np.ndarray) -> list[np.ndarray]:
    """The outputs that onnxruntime computes."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [given.name for given in session.get_inputs()]
    return session.run(None, dict(zip(names, inputs, strict=True)))


def assert_close(got: np.ndarray, wanted: np.ndarray) -> None:
    assert got.shape == wanted.shape
    scale = max(1.0, float(np.abs(wanted).max(initial=0)))
    assert float(np.abs(got - wanted).max(initial=0)) <= ONNXRUNTIME_FLOAT32 * scale


@pytest.mark.parametrize("case", EVERYTHING, ids=str)
def test_every_layer_there_and_back(case: LayerCase) -> None:
    net = case.layer("float32")
    x = case.input(3, "float32")
    wanted = net(x)
    model = gn.onnx.to_model(net, case.shape)
    assert_close(computed_elsewhere(model, x)[0], wanted)
    assert_close(computed_elsewhere(model, x[:1])[0], net(x[:1]))  # any batch
    again = gn.onnx.load(model)
    assert_close(again(x), wanted)
    assert_close(computed_elsewhere(gn.onnx.to_model(again), x)[0], wanted)


SIZES = {
    "lenet": 28,
    "seed_network": 28,
    "compact_resnet": 28,
    "denoising_autoencoder": 28,
    "alexnet": 64,
    "mobilenet_v2": 64,
}
LARGE = {
    "resnet101",
    "resnet152",
    "resnet110",
    "vgg13",
    "vgg13_bn",
    "vgg16",
    "vgg16_bn",
    "vgg19",
    "vgg19_bn",
    "resnet34",
    "resnet50",
    "resnet56",
}


def model_of(name: str) -> tuple[gn.Module, tuple[int, ...]]:
    """A model by name, small where it can be, and the shape of its images."""
    size = SIZES.get(name, 32)
    known = inspect.signature(gn.models.registry._BUILDERS[name]).parameters
    small = {"hidden_features": 32, "num_classes": 5, "dropout": 0.0, "corruption": 0.0}
    settings: dict[str, Any] = {key: value for key, value in small.items() if key in known}
    if name == "unet":
        settings["width"] = 8
    channels = known["in_channels"].default if "in_channels" in known else 3
    net = gn.models.create(name, image_size=size, seed=0, **settings)
    return net, (channels, size, size)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in LARGE else ()) for name in gn.models.names()]
)
def test_every_model_there_trained_and_back(name: str, tmp_path: Path) -> None:
    net, shape = model_of(name)
    stream = gn.random.Stream(0, "images")
    x = stream.normal((2, *shape)).astype("float32")
    wanted = net(x)
    gn.onnx.save(net, tmp_path / "net.onnx", shape)
    assert_close(computed_elsewhere(onnx.load(tmp_path / "net.onnx"), x)[0], wanted)
    again = gn.onnx.load(tmp_path / "net.onnx")
    assert_close(again(x), wanted)
    state = net.state_dict()
    assert again.state_dict().keys() == state.keys()
    for key, array in again.state_dict().items():
        if not key.endswith("num_batches_tracked"):
            assert_array_equal(array, state[key], err_msg=key)
    losses = trained(again, x, image_to_image=not gn.models.registry.classifies(name))
    assert losses[-1] < losses[0]
    changed = again(x)
    model = gn.onnx.to_model(again)
    assert_close(computed_elsewhere(model, x)[0], changed)
    net.load_state_dict(again.state_dict())  # and the trained weights go back into our own model
    assert_close(net(x), changed)


def trained(net: gn.Module, x: np.ndarray, image_to_image: bool, steps: int = 20) -> list[float]:
    """The loss of each step."""
    optimizer = gn.SGD(net.parameters(), lr=0.01, momentum=0.9)
    loss: Any = gn.MSELoss() if image_to_image else gn.CrossEntropyLoss()
    targets = np.full_like(net(x), 0.5) if image_to_image else np.arange(len(x))
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        value, grad = loss(net.forward(x, training=True), targets)
        net.backward(grad, inputs=False)
        optimizer.step()
        losses.append(float(value))
    return losses


def test_keys_are_those_of_the_state_dict() -> None:
    net, shape = model_of("resnet18")
    model = gn.onnx.to_model(net, shape)
    keys = {key for key in net.state_dict() if not key.endswith("num_batches_tracked")}
    assert {tensor.name for tensor in model.graph.initializer} == keys
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"
    assert [entry.version for entry in model.opset_import] == [18]
    assert model.producer_name == "gpunet"


def test_several_inputs_and_outputs() -> None:
    net = gn.Graph(
        ["left", "right"],
        [
            gn.GraphNode("one", gn.Linear(4, 3), ("left",), ("a",)),
            gn.GraphNode("two", gn.Tanh(), ("right",), ("b",)),
            gn.GraphNode("three", gn.ReLU(), ("a",), ("c",)),
        ],
        ["c", "b", "a", "left"],
    )
    left, right = (gn.random.Stream(n, "inputs").normal((2, 4)).astype("float32") for n in (0, 1))
    model = gn.onnx.to_model(net, (4,), (4,))
    assert [info.name for info in model.graph.input] == ["left", "right"]
    again = gn.onnx.load(model)
    for got, read, wanted in zip(
        computed_elsewhere(model, left, right), again(left, right), net(left, right), strict=True
    ):
        assert_close(got, wanted)
        assert_close(read, wanted)


def test_shared_weights_stay_shared() -> None:
    net = gn.Sequential(gn.Linear(4, 4), gn.Tanh(), gn.Linear(4, 4), gn.Flatten())
    net[2].weight = net[0].weight
    model = gn.onnx.to_model(net, (4,))
    assert [tensor.name for tensor in model.graph.initializer] == ["0.weight", "0.bias", "2.bias"]
    again = gn.onnx.load(model)
    assert len(again.parameters()) == 3
    x = gn.random.Stream(0, "x").normal((2, 4)).astype("float32")
    assert_close(again(x), net(x))


class Doubled(gn.Module):
    """y = 2 * x, with a method that writes it."""

    def compute(self, context: gn.Context, x: np.ndarray) -> np.ndarray:
        return 2 * x

    def differentiate(self, context: gn.Context, grad_y: np.ndarray) -> np.ndarray:
        return 2 * grad_y

    def to_onnx(self, exporter: gn.onnx.Exporter, path: str, inputs: tuple[str, ...]) -> str:
        return exporter.node("Add", path, (*inputs, *inputs))


class Silent(gn.ReLU):
    """A subclass may compute something else."""


def test_layers_of_ones_own() -> None:
    net = gn.Sequential(gn.Linear(4, 3), Doubled())
    x = np.ones((2, 4), np.float32)
    assert_close(computed_elsewhere(gn.onnx.to_model(net, (4,)), x)[0], net(x))
    with pytest.raises(gn.DataError, match=r"Silent '1' cannot be written as ONNX.*to_onnx\(self, exporter"):
        gn.onnx.to_model(gn.Sequential(gn.Linear(4, 3), Silent()), (4,))


def test_a_graph_with_another_last_layer_and_inside_of_other_nets(tmp_path: Path) -> None:
    net, shape = model_of("lenet")
    graph = gn.onnx.load(gn.onnx.to_model(net, shape))
    graph.replace("fc3", gn.Linear(84, 2))
    x = gn.random.Stream(0, "images").normal((3, *shape)).astype("float32")
    assert_close(computed_elsewhere(gn.onnx.to_model(graph), x)[0], graph(x))
    nested = gn.Sequential(gn.Identity(), graph, gn.Softmax())
    assert_close(computed_elsewhere(gn.onnx.to_model(nested, shape), x)[0], nested(x))
    older = gn.onnx.load(onnx.version_converter.convert_version(gn.onnx.to_model(net, shape), 17))
    both = gn.Add(gn.Sequential(older), gn.Sequential(gn.onnx.load(gn.onnx.to_model(net, shape))))
    with pytest.raises(gn.DataError, match=r"imported with opset 17, but the net is written with 18"):
        gn.onnx.to_model(both, shape)


def test_what_cannot_be_saved_leaves_an_older_file(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(b"older")
    for net, shapes in ((gn.Sequential(Silent()), [(4,)]), (gn.Linear(4, 3), [(5,)]), (gn.Linear(4, 3), [])):
        with pytest.raises((gn.DataError, gn.ShapeError)):
            gn.onnx.save(net, path, *shapes)
        assert path.read_bytes() == b"older"
    with pytest.raises(gn.CheckpointError, match="could not be written"):
        gn.onnx.save(gn.Linear(4, 3), tmp_path / "absent" / "net.onnx", (4,))


def test_saving_disturbs_nothing() -> None:
    net, shape = model_of("resnet20")
    x = gn.random.Stream(0, "images").normal((4, *shape)).astype("float32")
    y = net.forward(x, training=True)
    before = net.state_dict()
    events: list[Any] = []
    net.observe(events.append)
    gn.onnx.to_model(net, shape)
    assert events == []
    for key, array in net.state_dict().items():
        assert_array_equal(array, before[key])
    net.backward(np.ones_like(y))  # what the forward kept is there still


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtypes(dtype: str) -> None:
    net = gn.Sequential(gn.Linear(4, 3), gn.ReLU()).astype(dtype)
    x = np.ones((2, 4), dtype)
    again = gn.onnx.load(gn.onnx.to_model(net, (4,)))
    assert again(x).dtype == dtype
    assert_array_equal(again(x), net(x))


same_seed = partial(gn.random.seeded, 0)


def test_loading_leaves_the_stream_of_initial_weights_alone() -> None:
    model = gn.onnx.to_model(gn.Linear(4, 3), (4,))
    with same_seed():
        wanted = gn.Linear(4, 3).state_dict()["weight"]
    with same_seed():
        gn.onnx.load(model)
        assert_array_equal(gn.Linear(4, 3).state_dict()["weight"], wanted)
