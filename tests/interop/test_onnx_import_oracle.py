"""Imported graphs as nets: names, what is trained, computed sizes, older opsets, and settings that depend on sizes."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import oracles
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from tolerances import GRADIENT_CHECK_FLOAT64

import gpunet as gn

onnx = oracles.require("onnx")

from onnx_graphs import conv_net, model, node  # noqa: E402 - it needs onnx


def images(*shape: int) -> np.ndarray:
    return gn.random.Stream(0, "images").normal(shape).astype("float32")


def weights(*shape: int, seed: int = 1) -> np.ndarray:
    return gn.random.Stream(seed, "weights").normal(shape).astype("float32")


def checked(net: gn.Module, *inputs: np.ndarray) -> None:
    gn.gradient_check(net, *inputs, training=False, tolerance=GRADIENT_CHECK_FLOAT64)


def test_layers_of_ours_under_the_names_of_the_weights() -> None:
    net = gn.onnx.load(conv_net())
    assert [type(module).__name__ for _, module in net.children()] == ["Conv2d", "ReLU", "MaxPool2d"]
    assert list(net.state_dict()) == ["conv.weight", "conv.bias"]
    assert isinstance(net["relu"], gn.ReLU)
    assert net.output_shape((3, 8, 8)) == (4, 3, 3)
    assert net.summary((3, 8, 8)).parameters == 4 * 27 + 4
    copied = copy.deepcopy(net)
    copied["conv"].weight.value[:] = 0
    assert net["conv"].weight.value.any()


def test_it_trains_and_its_weights_are_saved(tmp_path: Path) -> None:
    source = conv_net()
    source.graph.node[-1].output[0] = "c"
    source.graph.node.extend([node("Flatten", "c", "d", axis=1), node("Gemm", "d fc.weight fc.bias", "y", transB=1)])
    for name, array in (("fc.weight", weights(3, 36) / 6), ("fc.bias", weights(3))):
        source.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    x, labels = images(30, 3, 8, 8), np.arange(30) % 3
    net = gn.onnx.load(source)
    optimizer, loss = gn.SGD(net.parameters(), lr=0.05, momentum=0.9), gn.CrossEntropyLoss()
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        value, grad = loss(net.forward(x, training=True), labels)
        net.backward(grad, inputs=False)
        optimizer.step()
        losses.append(float(value))
    assert losses[-1] < 0.7 * losses[0]
    gn.save_weights(net, tmp_path / "net.safetensors")
    other = gn.onnx.load(source)
    gn.load_weights(other, tmp_path / "net.safetensors")
    assert_array_equal(other(x), net(x))


def test_what_is_trained_and_what_stays() -> None:
    source = model(
        [
            node("Constant", "", "two", value=onnx.numpy_helper.from_array(np.array([2.0], np.float32))),
            node("Mul", "x two", "a"),
            node("Mul", "a half", "b"),
            node("Add", "b block.shift", "y"),
        ],
        {"half": np.array(0.5, np.float32), "block.shift": weights(3, 1, 1)},
    )
    net = gn.onnx.load(source)
    assert list(net.state_dict()) == ["block.shift"]
    x = images(2, 3, 8, 8)
    assert_allclose(net(x), x + net.state_dict()["block.shift"], rtol=1e-6)
    checked(net, x)
    again = gn.onnx.load(gn.onnx.to_model(net))
    assert list(again.state_dict()) == ["block.shift"]


def test_a_value_that_several_nodes_use() -> None:
    source = model([node("Tanh", "x", "a"), node("Mul", "a x", "b"), node("Add", "b a", "c"), node("Sub", "c x", "y")])
    net = gn.onnx.load(source)
    x = images(2, 3, 8, 8)
    assert_allclose(net(x), np.tanh(x) * x + np.tanh(x) - x, rtol=1e-5, atol=1e-6)
    checked(net, x)


def test_an_initializer_that_several_nodes_use_is_one_parameter() -> None:
    source = model(
        [node("Conv", "x w", "a"), node("Relu", "a", "b"), node("Conv", "b w", "y")], {"w": weights(3, 3, 3, 3)}
    )
    net = gn.onnx.load(source)
    assert len(net.parameters()) == 1
    x = images(1, 3, 8, 8)
    net.forward(x, training=True)
    net.backward(np.ones((1, 3, 4, 4), np.float32))
    checked(net, x)
    product = gn.onnx.load(model([node("MatMul", "x w", "a"), node("MatMul", "a w", "y")], {"w": weights(8, 8)}))
    assert len(product.parameters()) == 1


def test_sizes_are_computed_for_any_batch_and_image() -> None:
    source = model(
        [
            node("Conv", "x w", "a", strides=[2, 2], auto_pad="SAME_UPPER"),
            node("Shape", "x", "whole"),
            node("Slice", "whole two four zero", "size"),
            node("Shape", "a", "small"),
            node("Slice", "small zero two zero", "front"),
            node("Concat", "front size", "wanted", axis=0),
            node("Resize", "a - - wanted", "b", mode="linear", coordinate_transformation_mode="half_pixel"),
            node("Gather", "small zero", "n", axis=0),
            node("Concat", "n minus", "flat", axis=0),
            node("Reshape", "b flat", "y"),
        ],
        {
            "w": weights(5, 3, 3, 3),
            **{name: np.array([n]) for name, n in {"zero": 0, "two": 2, "four": 4, "minus": -1}.items()},
        },
        {"x": ("batch", 3, "height", "width")},
    )  # fmt: skip
    net = gn.onnx.load(source)
    for shape in ((2, 3, 8, 8), (3, 3, 7, 10), (1, 3, 5, 6)):
        assert net(images(*shape)).shape == (shape[0], 5 * shape[2] * shape[3])
    checked(net, images(2, 3, 5, 6))
    assert net.output_shape((3, 7, 10)) == (350,)
    again = gn.onnx.load(gn.onnx.to_model(net, (3, 8, 8)))
    assert_array_equal(again(images(2, 3, 8, 8)), net(images(2, 3, 8, 8)))


@pytest.mark.parametrize("how", ["SAME_UPPER", "SAME_LOWER"])
def test_padding_that_depends_on_the_size(how: str) -> None:
    settings: dict[str, Any] = {"kernel_shape": [3, 2], "strides": [2, 3], "auto_pad": how}
    source = model(
        [
            node("MaxPool", "x", "a", **settings),
            node("AveragePool", "x", "b", **settings),
            node("Conv", "x w", "c", **settings),
            node("Sum", "a b c", "d"),
            node("ConvTranspose", "d v", "y", strides=[2, 3], auto_pad=how),
        ],
        {"w": weights(3, 3, 3, 2), "v": weights(3, 2, 3, 3)},
        {"x": ("batch", 3, "height", "width")},
    )
    net = gn.onnx.load(source)
    for height, width in ((8, 8), (7, 9), (5, 4)):
        rows, cols = -(-height // 2), -(-width // 3)
        assert net(images(2, 3, height, width)).shape == (2, 2, 2 * rows, 3 * cols)
    checked(net, images(2, 3, 7, 9))


def test_places_of_largest_elements() -> None:
    source = model(
        [node("MaxPool", "x", "y places", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], dilations=[1, 1])],
        outputs={"y": None},
    )
    source.graph.output.append(onnx.helper.make_tensor_value_info("places", onnx.TensorProto.INT64, None))
    net = gn.onnx.load(source)
    x = images(2, 3, 8, 8)
    y, places = net.forward(x, training=True)
    assert places.dtype == np.int64
    assert_array_equal(x.reshape(-1)[places], y)
    grad = images(2, 3, 4, 4)
    wanted = np.zeros(x.size, np.float32)
    np.add.at(wanted, places.reshape(-1), grad.reshape(-1))
    assert_allclose(net.backward(grad, np.zeros_like(places)), wanted.reshape(x.shape), rtol=1e-6)


def test_masks_choose() -> None:
    source = model(
        [
            node("Greater", "x zero", "positive"),
            node("LessOrEqual", "x one", "small"),
            node("And", "positive small", "both"),
            node("Not", "both", "others"),
            node("Mul", "x x", "square"),
            node("Where", "others x square", "y"),
        ],
        {"zero": np.array(0, np.float32), "one": np.array(1, np.float32)},
    )
    net = gn.onnx.load(source)
    x = images(2, 3, 8, 8)
    assert_array_equal(net(x), np.where((x > 0) & (x <= 1), x * x, x))
    checked(net, x)


def test_older_opsets_broadcast_along_an_axis() -> None:
    for learned in (True, False):
        shift = np.arange(3, dtype=np.float32)
        constant = node("Constant", "", "s", value=onnx.numpy_helper.from_array(shift))
        source = model(
            [*([] if learned else [constant]), node("Add", "x s", "y", axis=1, broadcast=1)],
            {"s": shift} if learned else {},
            opset=6,
        )
        source.ir_version = 4
        net = gn.onnx.load(source)
        x = images(2, 3, 8, 8)
        assert_array_equal(net(x), x + shift[:, None, None])
        assert len(net.parameters()) == learned
        assert_array_equal(gn.onnx.load(gn.onnx.to_model(net))(x), net(x))


@pytest.mark.parametrize("shape", [(3, 1, 1), (1,), (1, 8, 8), (3, 8, 1), (8,)])
def test_slopes_of_any_shape(shape: tuple[int, ...]) -> None:
    slope = weights(*shape)
    net = gn.onnx.load(model([node("PRelu", "x act.weight", "y", name="act")], {"act.weight": slope}))
    x = images(2, 3, 8, 8)
    assert_allclose(net(x), np.where(x > 0, x, x * slope), rtol=1e-6)
    assert isinstance(net["act"], gn.PReLU) == (shape in {(3, 1, 1), (1,)})
    checked(net, x)
    assert_array_equal(gn.onnx.load(gn.onnx.to_model(net))(x), net(x))


def test_outputs_that_are_constants_or_inputs() -> None:
    source = model(
        [node("Relu", "x", "y"), node("Constant", "", "c", value=onnx.numpy_helper.from_array(weights(2, 2)))],
        outputs={"y": None, "c": None, "x": None},
    )
    net = gn.onnx.load(source)
    x = images(2, 3, 8, 8)
    y, c, same = net.forward(x, training=True)
    assert_array_equal(c, weights(2, 2))
    assert_array_equal(same, x)
    assert_array_equal(net.backward(np.ones_like(y), np.ones_like(c), np.ones_like(x)), 1 + (x > 0))


def test_half_precision_becomes_float32() -> None:
    source = model([node("Conv", "x w", "y")], {"w": weights(4, 3, 3, 3).astype(np.float16)})
    for info in (*source.graph.input, *source.graph.output):
        info.type.tensor_type.elem_type = onnx.TensorProto.FLOAT16
    net = gn.onnx.load(source)
    assert net.dtype == np.float32
    assert_array_equal(net.state_dict()[next(iter(net.state_dict()))], weights(4, 3, 3, 3).astype(np.float16))
    assert net(images(1, 3, 8, 8)).shape == (1, 4, 6, 6)


def test_functions_of_the_file_are_written_out() -> None:
    body = onnx.helper.make_function(
        "mine",
        "Twice",
        ["a"],
        ["b"],
        [node("Add", "a a", "b")],
        [onnx.helper.make_opsetid("", 18)],
    )
    source = model([node("Twice", "x", "y", domain="mine")])
    source.functions.append(body)
    source.opset_import.append(onnx.helper.make_opsetid("mine", 1))
    x = images(2, 3, 8, 8)
    assert_array_equal(gn.onnx.load(source)(x), 2 * x)


def test_nodes_that_no_output_needs_are_left_out() -> None:
    net = gn.onnx.load(model([node("Relu", "x", "y"), node("Einsum", "x", "z", equation="abcd->a")]))
    assert [name for name, _ in net.children()] == ["y"]


def test_two_inputs() -> None:
    source = model(
        [node("MatMul", "a b", "y")], inputs={"a": ("batch", 3, 4), "b": ("batch", 4, 2)}, outputs={"y": None}
    )
    net = gn.onnx.load(source)
    a, b = images(2, 3, 4), weights(2, 4, 2)
    assert_allclose(net(a, b), a @ b, rtol=1e-6)
    checked(net, a, b)
    with pytest.raises(gn.ShapeError, match="got 1 inputs, wanted 2: a, b"):
        net(a)


def test_a_batch_that_the_graph_was_made_for_is_written_again() -> None:
    source = model([node("Reshape", "x s", "y")], {"s": np.array([1, 192])}, {"x": (1, 3, 8, 8)}, {"y": (1, 192)})
    net = gn.onnx.load(source)
    again = gn.onnx.to_model(net)
    assert again.graph.input[0].type.tensor_type.shape.dim[0].dim_value == 1
    x = images(1, 3, 8, 8)
    assert_array_equal(gn.onnx.load(again)(x), x.reshape(1, 192))


@pytest.mark.parametrize("operator", ["Softmax", "LogSoftmax"])
@pytest.mark.parametrize("axis", [0, 1, 2, 3, -1])
def test_softmax_of_older_opsets_goes_along_all_axes_from_one_on(operator: str, axis: int) -> None:
    net = gn.onnx.load(model([node(operator, "x", "y", axis=axis)], opset=11))
    x = images(2, 3, 8, 8)
    rows = np.exp(x.reshape(int(np.prod(x.shape[:axis])), -1))
    wanted = (rows / rows.sum(axis=1, keepdims=True)).reshape(x.shape)
    assert_allclose(net(x), wanted if operator == "Softmax" else np.log(wanted), rtol=1e-4, atol=1e-5)
    checked(net, x)


@pytest.mark.parametrize(
    ("operator", "settings", "formula"),
    [
        ("GlobalLpPool", {"p": 1}, lambda x: np.abs(x).sum(axis=(2, 3), keepdims=True)),
        ("GlobalLpPool", {}, lambda x: np.sqrt((x * x).sum(axis=(2, 3), keepdims=True))),
        ("Swish", {"alpha": 0.5}, lambda x: x / (1 + np.exp(-0.5 * x))),
        ("Swish", {}, lambda x: x / (1 + np.exp(-x))),
        ("LpNormalization", {"axis": 1, "p": 1}, lambda x: x / np.abs(x).sum(axis=1, keepdims=True)),
        ("Cast", {"to": 11}, lambda x: x),
        ("Flatten", {"axis": 2}, lambda x: x.reshape(6, 64)),
        ("ReduceSum", {"keepdims": 0}, lambda x: x.sum()),
    ],
)
def test_settings_without_published_cases(operator: str, settings: dict[str, Any], formula: Any) -> None:
    source = model([node(operator, "x", "y", **settings)], opset=24)
    if operator == "Cast":
        source.graph.output[0].type.tensor_type.elem_type = 11
    net = gn.onnx.load(source)
    x = images(2, 3, 8, 8)
    assert_allclose(net(x), formula(x), rtol=1e-4, atol=1e-5)
    if operator != "ReduceSum":
        checked(net, x)
